// Deadlines on the clock of sockets, which tests that replace `setTimeout` do not move. Owns one socket that is never
// connected, and is idle until the next deadline: that is all there is to it. Does not know: what its deadlines are for.
// Invariant: while a deadline is set, the socket is idle for no longer than the nearest one is away.

import { Socket } from 'node:net';
import { queueMicrotask } from './turns.ts';

interface Entry {
  readonly at: number;
  readonly run: () => void;
}

/** Milliseconds by which timers are early, at most: they count whole ones. */
const early = 1;

export class SocketClock {
  readonly #now: () => number;
  readonly #entries = new Set<Entry>();
  /** Made when it is first needed. */
  #socket: Socket | undefined;
  /** When the socket is next idle for long enough. */
  #armedFor = Number.POSITIVE_INFINITY;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Runs once after `ms` (at most 2^31 - 1); does not keep the process alive. */
  after(ms: number, run: () => void): { cancel(): void } {
    const entry = { at: this.#now() + ms, run };
    this.#entries.add(entry);
    if (entry.at < this.#armedFor) this.#arm(entry.at);
    // The socket stays as it is: the next deadline is the same as a rule, and one that nobody waits for costs nothing.
    return { cancel: () => void this.#entries.delete(entry) };
  }

  #arm(at: number): void {
    this.#armedFor = at;
    this.#socket ??= new Socket().on('timeout', () => this.#ring());
    this.#socket.setTimeout(Math.max(1, Math.ceil(at - this.#now())));
  }

  #ring(): void {
    const due = this.#now() + early;
    let next = Number.POSITIVE_INFINITY;
    const over: Entry[] = [];
    for (const entry of this.#entries) {
      if (entry.at <= due) over.push(entry);
      else next = Math.min(next, entry.at);
    }
    this.#armedFor = Number.POSITIVE_INFINITY;
    if (next !== Number.POSITIVE_INFINITY) this.#arm(next);
    // One that throws takes no other's turn away: each runs when the one before it is through, or has been reported.
    for (const entry of over.sort((one, other) => one.at - other.at)) {
      queueMicrotask(() => {
        if (this.#entries.delete(entry)) entry.run();
      });
    }
  }
}
