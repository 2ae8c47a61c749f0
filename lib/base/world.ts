// Time and chance, handed in. Nothing below the facade calls Date.now, setTimeout or Math.random itself,
// so any minute of a client's or a node's life can be played in a millisecond from a printed seed.

export interface Timer {
  cancel(): void;
}

export interface World {
  /** Milliseconds; only differences and comparisons of values from one world mean anything. */
  now(): number;
  /**
   * Runs once after `ms`. A real world's timers do not keep the process alive, unless `hold` is true: something
   * the user awaits depends on it (a retry, a reconnection).
   */
  after(ms: number, run: () => void, hold?: boolean): Timer;
  /** Uniform in [0, 1). */
  random(): number;
  log(line: string): void;
}

export class RealWorld implements World {
  now(): number {
    return performance.timeOrigin + performance.now();
  }

  after(ms: number, run: () => void, hold = false): Timer {
    const handle = setTimeout(run, ms);
    if (!hold) handle.unref();
    return { cancel: () => clearTimeout(handle) };
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
}

/** A world whose clock moves only when told to, and whose chance comes from a seed (mulberry32). */
export class ManualWorld implements World {
  readonly lines: string[] = [];
  #now: number;
  #state: number;
  #order = 0;
  #entries: Entry[] = [];

  constructor(options: { readonly now?: number; readonly seed?: number } = {}) {
    this.#now = options.now ?? 1_000_000;
    this.#state = options.seed ?? 1;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): Timer {
    const entry: Entry = { at: this.#now + Math.max(0, ms), order: this.#order++, run };
    this.#entries.push(entry);
    return {
      cancel: () => {
        this.#entries = this.#entries.filter((other) => other !== entry);
      },
    };
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
    return this.#entries.length;
  }

  /** Moves the clock by `ms`, running what falls due in order of time, then of setting. */
  forward(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let next: Entry | undefined;
      for (const entry of this.#entries) {
        if (entry.at > end) continue;
        if (next === undefined || entry.at < next.at || (entry.at === next.at && entry.order < next.order))
          next = entry;
      }
      if (next === undefined) break;
      const due = next;
      this.#entries = this.#entries.filter((entry) => entry !== due);
      this.#now = Math.max(this.#now, due.at);
      due.run();
    }
    this.#now = end;
  }
}

/** A world whose log has two levels: `log` for what needs attention, `note` for normal events. */
export interface NotingWorld extends World {
  note(line: string): void;
}

/** Logs a normal event. A world with one level logs it as everything else. */
export function note(world: World, line: string): void {
  if ('note' in world) (world as NotingWorld).note(line);
  else world.log(line);
}
