// How much waits: calls and bytes, at one place and in all of it. Each place that holds calls back (until the client
// is ready, until a node is dialed, until it is time to try again, until a socket takes more) keeps a backlog of its
// own beneath the client's, so that the client's is always the sum of what they hold, and bounds it.
// Invariants: what was put in is what is taken out; nothing is ever below zero; adding and removing costs the same
// however much waits. Calls that go straight to a socket are never counted.

import { QueueFullError } from './errors.ts';

export interface BacklogLimits {
  /** Most calls that wait; default no limit. */
  readonly maxQueueLength?: number | undefined;
  /** Most bytes of their arguments; default no limit. */
  readonly maxQueueBytes?: number | undefined;
}

export class Backlog {
  readonly #above: Backlog | undefined;
  readonly #maxCalls: number;
  readonly #maxBytes: number;
  /** For a place whose figure changes by itself: sets it anew. */
  readonly #recount: (() => void) | undefined;
  /** Such places beneath this one where something waits. */
  readonly #moving = new Set<Backlog>();
  #calls = 0;
  #bytes = 0;

  /**
   * A place of its own beneath `above`, whose limits hold as well. `recount` is for one that is emptied by others, as
   * a socket's memory is: before anything is refused because of it, it is asked to set() its figure anew.
   */
  constructor({ maxQueueLength, maxQueueBytes }: BacklogLimits = {}, above?: Backlog, recount?: () => void) {
    this.#above = above;
    this.#recount = recount;
    this.#maxCalls = maxQueueLength ?? Number.POSITIVE_INFINITY;
    this.#maxBytes = maxQueueBytes ?? Number.POSITIVE_INFINITY;
  }

  get calls(): number {
    return this.#calls;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Why `calls` more of `bytes` in all may not wait: here, or in all. Undefined: they may. */
  refusal(calls: number, bytes: number, node?: string): QueueFullError | undefined {
    let why = this.#lack(calls, bytes);
    if (why !== undefined && this.#moving.size > 0) {
      for (const place of [...this.#moving]) place.#recount!();
      why = this.#lack(calls, bytes);
    }
    if (why !== undefined) return new QueueFullError(why, { node });
    return this.#above?.refusal(calls, bytes, node);
  }

  add(calls: number, bytes: number): void {
    this.#calls += calls;
    this.#bytes += bytes;
    this.#above?.add(calls, bytes);
  }

  /** Takes out what add() has put in. */
  remove(calls: number, bytes: number): void {
    this.add(-calls, -bytes);
  }

  /** Another figure for everything that waits here. */
  set(calls: number, bytes: number): void {
    if (calls === this.#calls && bytes === this.#bytes) return;
    this.add(calls - this.#calls, bytes - this.#bytes);
    if (this.#recount === undefined) return;
    const moves = calls !== 0 || bytes !== 0;
    for (let above = this.#above; above !== undefined; above = above.#above) {
      if (moves) above.#moving.add(this);
      else above.#moving.delete(this);
    }
  }

  /** Nothing waits here any more. */
  clear(): void {
    this.set(0, 0);
  }

  #lack(calls: number, bytes: number): string | undefined {
    if (this.#calls + calls > this.#maxCalls) {
      if (calls > this.#maxCalls)
        return `Command queue takes no ${calls} calls at once: maxQueueLength is ${this.#maxCalls}.`;
      return `Command queue is full: ${this.#calls} calls wait, maxQueueLength is ${this.#maxCalls}.`;
    }
    if (this.#bytes + bytes <= this.#maxBytes) return undefined;
    if (bytes > this.#maxBytes) {
      return `A command of ${bytes} bytes may not wait: maxQueueBytes is ${this.#maxBytes}.`;
    }
    return `Command queue is full: ${this.#bytes} bytes wait, with the ${bytes} of this command more than maxQueueBytes, ${this.#maxBytes}.`;
  }
}
