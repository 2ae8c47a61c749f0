// What a key remembers of its use, in one small integer: the time of the last touch (for LRU and OBJECT IDLETIME), or,
// while an LFU policy is set, how often it was touched (for LFU and OBJECT FREQ).
// Owns: the clock that keys are stamped with. Knows no keys.
// Invariant: a stamp fits 31 bits, so that it costs a key no object of its own. After a change of policy old stamps mean
// nothing until their keys are touched again, as in redis-server.

import type { World } from '../../lib/base/world.ts';

/** Milliseconds of one tick of LRU stamps. */
const tickMs = 100;

const counterBits = 8;
const mostUses = 255;
/** New keys begin here, so that they are not the first to go. */
const initialUses = 5;
const minuteMask = 0xffff;

export class AccessClock {
  readonly #world: World;
  readonly #started: number;
  /** The LRU stamp of now; advanced by tick(). */
  stamp = 0;
  /** Whether stamps count uses. */
  counting = false;
  /** `lfu-log-factor`: how many touches a step of the counter takes. */
  logFactor = 10;
  /** `lfu-decay-time`: minutes after which an unused key loses a step; 0: never. */
  decayMinutes = 1;

  constructor(world: World) {
    this.#world = world;
    this.#started = world.now();
  }

  tick(): void {
    this.stamp = Math.floor((this.#world.now() - this.#started) / tickMs);
  }

  /** The stamp of a new key. */
  fresh(): number {
    return this.counting ? (this.#minutes() << counterBits) | initialUses : this.stamp;
  }

  /** The stamp of a key that is touched, of the stamp it had. */
  touched(before: number): number {
    if (!this.counting) return this.stamp;
    return (this.#minutes() << counterBits) | this.#grown(this.uses(before));
  }

  /** How often a key was touched, on a logarithmic scale of 0 to 255, less what time took away. */
  uses(stamp: number): number {
    const counter = stamp & mostUses;
    if (this.decayMinutes <= 0) return counter;
    const minutes = (this.#minutes() - (stamp >> counterBits)) & minuteMask;
    return Math.max(0, counter - Math.floor(minutes / this.decayMinutes));
  }

  /** Milliseconds since the last touch. */
  idleMs(stamp: number): number {
    return Math.max(0, this.#world.now() - this.#started - stamp * tickMs);
  }

  /** The stamp of a key that was last touched `ms` ago. */
  idleSince(ms: number): number {
    return Math.floor((this.#world.now() - this.#started - ms) / tickMs);
  }

  /** The stamp of a key with so many uses. */
  used(count: number): number {
    return (this.#minutes() << counterBits) | Math.min(count, mostUses);
  }

  #grown(uses: number): number {
    if (uses >= mostUses) return mostUses;
    const chance = 1 / (Math.max(0, uses - initialUses) * this.logFactor + 1);
    return this.#world.random() < chance ? uses + 1 : uses;
  }

  #minutes(): number {
    return Math.floor(this.#world.wallClock() / 60_000) & minuteMask;
  }
}
