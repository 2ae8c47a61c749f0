// What a server does per second: commands and bytes, as means over the last few samples. INFO's instantaneous figures.

import type { World } from '../../lib/base/world.ts';

/** Samples kept, and the milliseconds between them at least. */
const kept = 16;
const everyMs = 100;

/** Counters that only grow, but for a reset. */
interface Counters {
  readonly commands: number;
  /** Bytes. */
  readonly input: number;
  readonly output: number;
}

interface Sample extends Counters {
  readonly at: number;
}

export class Rates {
  readonly #world: World;
  readonly #counters: Counters;
  readonly #samples: Sample[] = [];

  constructor(world: World, counters: Counters) {
    this.#world = world;
    this.#counters = counters;
  }

  /** Called by the background work of the keyspace. */
  tick(): void {
    const { commands, input, output } = this.#counters;
    const now = this.#world.now();
    const last = this.#samples.at(-1);
    if (last !== undefined && now - last.at < everyMs) return;
    this.#samples.push({ at: now, commands, input, output });
    if (this.#samples.length > kept) this.#samples.shift();
  }

  get commands(): number {
    return Math.round(this.#perSecond('commands'));
  }

  get inputKb(): number {
    return this.#perSecond('input') / 1024;
  }

  get outputKb(): number {
    return this.#perSecond('output') / 1024;
  }

  /** 0 after the counters were reset, until new samples are there. */
  #perSecond(what: 'commands' | 'input' | 'output'): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.at <= first.at) return 0;
    return Math.max(0, ((last[what] - first[what]) * 1000) / (last.at - first.at));
  }
}
