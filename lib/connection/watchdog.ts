// What to think of a connection that owes answers and says nothing. Silence alone is never a reason to close a socket:
// what was written there may be executing, and would be executed again elsewhere. So silence only makes suspicious; a
// second connection asks; and only what the server itself says, or the whole cluster, is certain.
//
//   fine -> suspect (ask) -> alive     it answers elsewhere, and knows what it does here: go on as before
//                         -> mute      it answers nobody: hold new calls, look at the map; ask again, ever less often
//        <- any byte of the first connection ends it all
//
// Owns what is thought of one connection and when it is asked about again. Pure but for the clock: what it finds out is
// done by its owner.

import type { World } from '../base/world.ts';
import type { Findings } from './inquiry.ts';

/** What is thought of a peer. `suspect` and `mute`: give it no new calls, they can still go elsewhere. */
export type Opinion = 'fine' | 'suspect' | 'alive' | 'mute';

/** What is to be done about a connection after an inquiry. */
export type Ruling =
  /** Nothing: wait. */
  | 'wait'
  /** The server has closed it: as good as a lost socket. */
  | 'lost'
  /** Nothing can come of it any more, if only the server closes it (CLIENT KILL). */
  | 'kill';

/** So many times the limit must a path carry nothing before it counts as dead: stalls of seconds are no rarity. */
const deadPathFactor = 6;
/** The longest pause between inquiries, in limits. */
const longestPause = 8;

export class Watchdog {
  readonly #world: World;
  #opinion: Opinion = 'fine';
  #asking = false;
  #askAt = 0;
  #pause = 0;

  constructor(world: World) {
    this.#world = world;
  }

  get opinion(): Opinion {
    return this.#opinion;
  }

  /** New calls are better not written there. */
  get holds(): boolean {
    return this.#opinion === 'suspect' || this.#opinion === 'mute';
  }

  /**
   * A look: nothing has moved for `silence` ms. True: inquire now, and give the answer to found(). `limit`: ms that are no
   * reason to wonder. `patient`: what is waited for may take its time, so doubts alone hold nobody back.
   */
  look(silence: number, limit: number, patient: boolean): boolean {
    if (silence < limit || this.#asking) return false;
    if (this.#opinion === 'fine') {
      this.#opinion = patient ? 'alive' : 'suspect';
      this.#pause = limit;
    } else if (this.#world.now() < this.#askAt) return false;
    this.#asking = true;
    return true;
  }

  /** What an inquiry found, of a connection that has been silent for `silence` ms. */
  found(findings: Findings, silence: number, limit: number): Ruling {
    if (!this.#asking) return 'wait';
    this.#asking = false;
    this.#askAt = this.#world.now() + this.#pause * (1 + this.#world.random() * 0.2);
    this.#pause = Math.min(this.#pause * 2, limit * longestPause);
    this.#opinion = findings.kind === 'mute' ? 'mute' : 'alive';
    if (findings.kind === 'gone') return 'lost';
    const longIdle = findings.kind === 'idle' && findings.idle * 1000 >= limit * deadPathFactor;
    return longIdle && silence >= limit * deadPathFactor ? 'kill' : 'wait';
  }

  /** A byte came, or there is another connection: all is well. True when that is news to those who were held back. */
  reset(): boolean {
    const held = this.holds;
    this.#opinion = 'fine';
    this.#asking = false;
    return held;
  }
}

/** Whether a server that has been idle on a connection for so many whole seconds cannot have got what was written since. */
export function neverArrived(idle: number, silence: number): boolean {
  // Both clocks count whole seconds at the worst moment.
  return (idle - 2) * 1000 >= silence;
}
