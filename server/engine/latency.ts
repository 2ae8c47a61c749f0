// Latency: spikes by the event that caused them, and how long each command takes.
// Owns: the samples. Does not know: what an event is made of.
// Invariant: an event keeps at most 160 samples, one a second at most: the longest of that second.

import type { World } from '../../lib/base/world.ts';
import type { Config } from '../config/config.ts';

/** Most samples of one event. */
const mostSamples = 160;

interface LatencySample {
  /** Seconds since the epoch. */
  readonly at: number;
  /** Milliseconds. */
  ms: number;
}

export interface LatencyEvent {
  readonly name: string;
  readonly samples: LatencySample[];
  /** Milliseconds, the longest ever seen. */
  longest: number;
}

export class LatencyMonitor {
  readonly #world: World;
  readonly #events = new Map<string, LatencyEvent>();
  /** `latency-monitor-threshold` in ms; 0: nothing is watched. */
  threshold = 0;

  constructor(world: World, config: Config) {
    this.#world = world;
    const read = (): void => {
      this.threshold = config.number('latency-monitor-threshold');
    };
    config.onChange((name) => {
      if (name === 'latency-monitor-threshold') read();
    });
    read();
  }

  /** An event took so long. */
  note(name: string, ms: number): void {
    if (this.threshold === 0 || ms < this.threshold) return;
    this.add(name, Math.floor(ms));
  }

  /** As note(), whatever the threshold. */
  add(name: string, ms: number): void {
    let event = this.#events.get(name);
    if (event === undefined) {
      event = { name, samples: [], longest: 0 };
      this.#events.set(name, event);
    }
    event.longest = Math.max(event.longest, ms);
    const at = Math.floor(this.#world.wallClock() / 1000);
    const last = event.samples.at(-1);
    if (last?.at === at) {
      last.ms = Math.max(last.ms, ms);
      return;
    }
    event.samples.push({ at, ms });
    if (event.samples.length > mostSamples) event.samples.shift();
  }

  event(name: string): LatencyEvent | undefined {
    return this.#events.get(name);
  }

  events(): LatencyEvent[] {
    return [...this.#events.values()];
  }

  /** Forgets the named events, or all; how many there were. */
  reset(names: readonly string[]): number {
    if (names.length > 0) return names.filter((name) => this.#events.delete(name)).length;
    const count = this.#events.size;
    this.#events.clear();
    return count;
  }
}

/** Two digits of precision: so many steps within each doubling. */
const stepBits = 7;
const steps = 1 << stepBits;
/** Longer times count as this, in ns: a second. */
const longest = 1_000_000_000;

/** How often a command took how long, in steps that grow with the time. */
export class LatencyHistogram {
  readonly #counts = new Uint32Array(indexOf(longest) + 1);
  count = 0;

  note(ms: number): void {
    const ns = Math.min(Math.max(1, Math.round(ms * 1e6)), longest);
    this.#counts[indexOf(ns)]!++;
    this.count++;
  }

  /** Microseconds that `percent` of the calls stayed within. */
  percentile(percent: number): number {
    const wanted = Math.max(1, Math.floor((Math.min(percent, 100) / 100) * this.count + 0.5));
    let seen = 0;
    for (let at = 0; at < this.#counts.length; at++) {
      seen += this.#counts[at]!;
      if (seen >= wanted) return upperOf(at) / 1000;
    }
    return 0;
  }

  /** Calls within 1, 2, 4, ... microseconds, the first count above none to the first that is all. */
  doublings(): [microseconds: number, calls: number][] {
    const found: [number, number][] = [];
    let seen = 0;
    let at = 0;
    for (let limit = 1024; seen < this.count; limit *= 2) {
      const before = seen;
      // The whole step that the limit lies in.
      const edge = upperOf(indexOf(limit));
      for (; at < this.#counts.length && upperOf(at) <= edge; at++) seen += this.#counts[at]!;
      if (seen > before) found.push([Math.floor(edge / 1000), seen]);
    }
    return found;
  }
}

function indexOf(ns: number): number {
  if (ns < 2 * steps) return ns;
  const shift = 31 - Math.clz32(ns) - stepBits;
  return shift * steps + (ns >> shift);
}

/** The longest time that falls into a step. */
function upperOf(index: number): number {
  if (index < 2 * steps) return index;
  const shift = Math.floor(index / steps) - 1;
  return (((index % steps) + steps + 1) << shift) - 1;
}
