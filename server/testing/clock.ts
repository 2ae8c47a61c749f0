// The time of nodes in a test: that of the machine, ahead of it by what a test has skipped, or that of the global Date,
// which fake timers move.
// Owns the timers of the nodes. Knows nothing of nodes. Invariant: now() never goes back, and timers run in the order in
// which they fall due, whoever moves the clock.

import { Heap } from '../../lib/base/heap.ts';
import { nextTurn } from '../../lib/base/turns.ts';
import { RealWorld, type Timer, type World } from '../../lib/base/world.ts';

// Taken at import: a test may put fake timers in the place of the global ones afterwards.
const { setInterval, clearInterval } = globalThis;

export type ClockKind = 'real' | 'follow';

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  timer: Timer | undefined;
  over: boolean;
}

/** The step in which time passes that is played in full, ms: nodes speak to each other in between. */
const stepMs = 10;
const turnsAStep = 2;
/** Of a longer jump, the last part is played in full, the time before it in leaps. */
const fullMs = 30_000;
const leapMs = 5000;
const mostLeaps = 2000;
const followEveryMs = 2;
/** A jump of the Date by more than this is no passing of time but a fake clock that was set, or taken away. */
const longestStep = 2 ** 45;

export class TestClock implements World {
  readonly #real = new RealWorld();
  readonly #kind: ClockKind;
  readonly #entries = new Heap<Entry>(
    (one, other) => one.at < other.at || (one.at === other.at && one.order < other.order),
  );
  readonly #random: () => number;
  readonly #lines: string[];
  #ahead = 0;
  #order = 0;
  #date: number;
  #followed = 0;
  #latest = 0;
  #interval: NodeJS.Timeout | undefined;

  /** `random`: the chance of the nodes; `lines` gets what they log. */
  constructor(kind: ClockKind, random: () => number, lines: string[]) {
    this.#kind = kind;
    this.#random = random;
    this.#lines = lines;
    this.#date = dateNow();
    if (kind === 'real') return;
    this.#interval = setInterval(() => this.#runDue(this.now()), followEveryMs).unref();
    // While somebody waits for the nodes: a fake Date that stands still must not keep them from getting ready.
    Object.assign(this, { step: (ms: number) => this.#step(ms) });
  }

  now(): number {
    const now = this.#kind === 'real' ? this.#real.now() + this.#ahead : this.#follow();
    if (now > this.#latest) this.#latest = now;
    return this.#latest;
  }

  wallClock(): number {
    return this.#kind === 'real' ? this.#real.wallClock() + this.#ahead : this.now();
  }

  after(ms: number, run: () => void, hold = false): Timer {
    const entry: Entry = { at: this.now() + Math.max(0, ms), order: this.#order++, run, timer: undefined, over: false };
    this.#entries.push(entry);
    if (this.#kind === 'real') this.#arm(entry, ms, hold);
    return {
      cancel: () => {
        entry.over = true;
        entry.timer?.cancel();
      },
    };
  }

  deadline(ms: number, run: () => void): Timer {
    return this.after(ms, run);
  }

  random(): number {
    return this.#random();
  }

  log(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > mostLines) this.#lines.splice(0, mostLines / 2);
  }

  /** Lets `ms` pass for the nodes, and what falls due happen: in steps of 10 ms, the first part of a long time in leaps. */
  async forward(ms: number): Promise<void> {
    const full = Math.min(ms, fullMs);
    const leaps = Math.max(leapMs, (ms - full) / mostLeaps);
    for (let left = ms - full; left > 0; left -= leaps) await this.#leap(Math.min(left, leaps));
    for (let left = full; left > 0; left -= stepMs) await this.#skip(Math.min(left, stepMs));
    for (let left = turnsAStep; left > 0; left--) await nextTurn();
  }

  #step(ms: number): void {
    const before = this.#date;
    this.now();
    if (this.#date === before) this.#ahead += ms;
    this.#runDue(this.now());
  }

  close(): void {
    clearInterval(this.#interval);
  }

  async #skip(ms: number): Promise<void> {
    for (let left = turnsAStep; left > 0; left--) await nextTurn();
    const target = this.now() + ms;
    for (let next = this.#next(); next !== undefined && next <= target; next = this.#next()) {
      this.#moveTo(next);
      this.#runDue(next);
    }
    this.#moveTo(target);
  }

  /** What falls due on the way runs once, as after the sleep of a process. */
  async #leap(ms: number): Promise<void> {
    for (let left = turnsAStep; left > 0; left--) await nextTurn();
    this.#moveTo(this.now() + ms);
    this.#runDue(this.now());
  }

  #moveTo(time: number): void {
    this.#ahead += Math.max(0, time - this.now());
  }

  #next(): number | undefined {
    for (let next = this.#entries.peek(); next !== undefined; next = this.#entries.peek()) {
      if (!next.over) return next.at;
      this.#entries.pop();
    }
    return undefined;
  }

  #runDue(now: number): void {
    for (let next = this.#next(); next !== undefined && next <= now; next = this.#next()) {
      this.#fire(this.#entries.pop()!);
    }
  }

  /** Its real timer comes first as long as nobody moves the clock. A timer of the machine may be a little early. */
  #arm(entry: Entry, ms: number, hold: boolean): void {
    entry.timer = this.#real.after(
      ms,
      () => {
        const left = entry.at - this.now();
        if (left > 1) this.#arm(entry, left, hold);
        else this.#fire(entry);
      },
      hold,
    );
  }

  #fire(entry: Entry): void {
    if (entry.over) return;
    entry.over = true;
    entry.timer?.cancel();
    entry.run();
  }

  /** What the global Date has moved by since the last look; a step back is none. */
  #follow(): number {
    const now = dateNow();
    const step = now - this.#date;
    this.#date = now;
    if (step > 0 && step < longestStep) this.#followed += step;
    return this.#start + this.#followed + this.#ahead;
  }

  readonly #start = Date.now();
}

/** Lines of a log that are kept. */
const mostLines = 10_000;

/** Asked for anew each time: fake timers replace it. */
function dateNow(): number {
  return globalThis.Date.now();
}
