// Time and chance, handed in. Nothing below the facade calls Date.now, setTimeout or Math.random itself, so any minute of
// a client's or a node's life can be played in a millisecond from a printed seed.
// Owns: the real clock, and the one that tests move. Does not know: what its timers are for.
// Invariant: now() never goes back, and a timer runs once or, cancelled before, never.

import type { Socket } from 'node:net';
import { Heap } from './heap.ts';
import { SocketClock } from './socket-clock.ts';

export interface Timer {
  cancel(): void;
}

export interface World {
  /**
   * Milliseconds, never going back; only differences and comparisons of values from one world mean anything. Stands
   * still while the machine is suspended: deadlines do not run out in its sleep.
   */
  now(): number;
  /** Milliseconds since 1970 as the machine's clock has it, which may be set and goes on while the machine sleeps. */
  wallClock(): number;
  /**
   * Runs once after `ms`. A real world's timers do not keep the process alive, unless `hold` is true: something
   * the user awaits depends on it (a retry, a reconnection).
   */
  after(ms: number, run: () => void, hold?: boolean): Timer;
  /**
   * As after(), on the clock of sockets instead of the global timer: tests that replace `setTimeout` do not move it.
   * For what waits for the network itself; never keeps the process alive.
   */
  deadline(ms: number, run: () => void): Timer;
  /** Uniform in [0, 1). */
  random(): number;
  log(line: string): void;
  /** Hears of every socket that a node accepts or dials, before anything is read from it. */
  onSocket?(socket: Socket): void;
}

/** Milliseconds; setTimeout takes what is longer, Infinity included, for 1. */
const longestTimer = 0x7fff_ffff;

// Taken at import: a test that puts a fake clock in place afterwards stops its own time and not ours.
const { setTimeout, clearTimeout } = globalThis;
const elapsed = performance.now.bind(performance);
const dateNow = Date.now;
const epoch = performance.timeOrigin;

const socketClock = new SocketClock(elapsed);

/** Milliseconds that the wall clock may be off before it is read anew: what it says itself has no fractions. */
const tolerance = 5;

export class RealWorld implements World {
  /** How far the wall clock is ahead of now(). */
  #ahead = 0;

  now(): number {
    return epoch + elapsed();
  }

  wallClock(): number {
    const reckoned = epoch + elapsed() + this.#ahead;
    const error = dateNow() - reckoned;
    if (error < tolerance && error > -tolerance) return reckoned;
    this.#ahead += error;
    return reckoned + error;
  }

  after(ms: number, run: () => void, hold = false): Timer {
    const handle = setTimeout(run, Math.min(ms, longestTimer));
    if (!hold) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  }

  deadline(ms: number, run: () => void): Timer {
    return socketClock.after(Math.min(ms, longestTimer), run);
  }

  random(): number {
    return Math.random();
  }

  log(line: string): void {
    process.stderr.write(`${line}\n`);
  }
}

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** A world whose clock moves only by forward(), and whose chance comes from a seed (mulberry32). */
export class ManualWorld implements World {
  readonly lines: string[] = [];
  #now: number;
  #state: number;
  #order = 0;
  /** How far the wall clock is ahead of now(). */
  #slept = 0;
  #pending = 0;
  readonly #entries = new Heap<Entry>(
    (one, other) => one.at < other.at || (one.at === other.at && one.order < other.order),
  );

  constructor(options: { readonly now?: number; readonly seed?: number } = {}) {
    this.#now = options.now ?? 1_000_000;
    this.#state = options.seed ?? 1;
  }

  now(): number {
    return this.#now;
  }

  wallClock(): number {
    return this.#now + this.#slept;
  }

  /** The machine is suspended for `ms`: the wall clock goes on, and nothing else does. */
  sleep(ms: number): void {
    this.#slept += ms;
  }

  after(ms: number, run: () => void): Timer {
    const entry: Entry = { at: this.#now + Math.max(0, ms), order: this.#order++, run, cancelled: false };
    this.#entries.push(entry);
    this.#pending++;
    return {
      cancel: () => {
        if (!entry.cancelled) this.#pending--;
        entry.cancelled = true;
      },
    };
  }

  deadline(ms: number, run: () => void): Timer {
    return this.after(ms, run);
  }

  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  log(line: string): void {
    this.lines.push(line);
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#pending;
  }

  /** When the next timer is due; undefined when none is set. */
  get next(): number | undefined {
    for (let next = this.#entries.peek(); next !== undefined; next = this.#entries.peek()) {
      if (!next.cancelled) return next.at;
      this.#entries.pop();
    }
    return undefined;
  }

  /** Moves the clock by `ms`, running what falls due in order of time, then of setting. */
  forward(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#entries.peek(); next !== undefined && next.at <= end; next = this.#entries.peek()) {
      this.#entries.pop();
      if (next.cancelled) continue;
      // It has run: cancelling it later is nothing.
      next.cancelled = true;
      this.#pending--;
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = end;
  }
}

/** A world whose log has levels: `log` for what needs attention, `note` for normal events, `verbose` for details. */
export interface NotingWorld extends World {
  note(line: string): void;
  verbose(line: string): void;
}

/** Logs a normal event. A world with one level logs it as everything else. */
export function note(world: World, line: string): void {
  if ('note' in world) (world as NotingWorld).note(line);
  else world.log(line);
}

/** Logs what goes on where a log has room for it, as that of a process; a world with one level is not bothered. */
export function progress(world: World, line: string): void {
  if ('note' in world) (world as NotingWorld).note(line);
}

/** Logs a detail, which a log leaves out unless it is asked for; a world with one level is not bothered. */
export function verbose(world: World, line: string): void {
  if ('verbose' in world) (world as NotingWorld).verbose(line);
}

const given: unique symbol = Symbol('world');

/** Options for a client that is to live in `world`: simulations play whole clients on a clock and a network of their own. */
export function livingIn<Options extends object>(world: World, options: Options): Options {
  return Object.assign(options, { [given]: world });
}

/** The world that a client made with these options lives in. */
export function worldOf(options: object): World {
  return (options as { [given]?: World })[given] ?? new RealWorld();
}
