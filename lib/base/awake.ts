// Time that goes on while the machine is suspended, for what must not outlive its hour on other machines: the world's
// time and whatever the wall clock has jumped ahead of it. A clock that is set back changes nothing.

import type { CachedTime } from './ticker.ts';
import type { World } from './world.ts';

/** Milliseconds that the wall clock must be found ahead to count as a jump. */
const jump = 1;

export class AwakeClock {
  readonly #world: World;
  #apart: number;
  #slept = 0;
  #checked: CachedTime | undefined;

  constructor(world: World) {
    this.#world = world;
    this.#apart = world.wallClock() - world.now();
  }

  /** Milliseconds. */
  now(): number {
    const now = this.#world.now();
    this.#look(now);
    return now + this.#slept;
  }

  /** now() as it was at a moment of the tick under way; looks at the wall clock once a tick. */
  at(moment: CachedTime): number {
    if (moment !== this.#checked) {
      this.#checked = moment;
      this.#look(this.#world.now());
    }
    return moment.at + this.#slept;
  }

  #look(now: number): void {
    const apart = this.#world.wallClock() - now;
    const ahead = apart - this.#apart;
    if (ahead > -jump && ahead < jump) return;
    this.#apart = apart;
    if (ahead > 0) this.#slept += ahead;
  }
}
