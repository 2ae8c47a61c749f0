// Connections for calls that may hold theirs until data arrives (BLPOP, XREAD BLOCK, ...): each such call has one to
// itself, so it never holds up others. Lanes are used again; what has been idle for long is closed.

import { AbortError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { Call, Parcel } from '../connection/call.ts';
import type { Keeper } from '../connection/keeper.ts';

interface BlockingLane {
  readonly keeper: Keeper;
  idleSince: number;
}

export class BlockingLanes {
  readonly #make: () => Keeper;
  readonly #world: World;
  readonly #limit: number;
  #lanes: BlockingLane[] = [];
  /** The lane that each call was given last. */
  readonly #carriers = new WeakMap<Parcel, Keeper>();

  /** `limit`: most connections; beyond it, calls share the lane with the fewest. */
  constructor(make: () => Keeper, world: World, limit: number) {
    this.#make = make;
    this.#world = world;
    this.#limit = limit;
  }

  get size(): number {
    return this.#lanes.length;
  }

  /** A lane without a call on it, for `parcel`. */
  pick(parcel: Parcel): Keeper {
    const keeper = this.#pick();
    this.#carriers.set(parcel, keeper);
    return keeper;
  }

  #pick(): Keeper {
    let best: BlockingLane | undefined;
    if (this.#lanes.some(isOver)) this.#lanes = this.#lanes.filter((lane) => !isOver(lane));
    for (const lane of this.#lanes) {
      if (best === undefined || lane.keeper.load < best.keeper.load) best = lane;
      if (lane.keeper.load === 0) break;
    }
    if (best === undefined || (best.keeper.load > 0 && this.#lanes.length < this.#limit)) {
      best = { keeper: this.#make(), idleSince: 0 };
      this.#lanes.push(best);
    }
    best.idleSince = this.#world.now();
    return best.keeper;
  }

  /** Closes the lane that carries `call`, if one of these does. */
  release(call: Call): void {
    const keeper = this.#carriers.get(call);
    if (keeper === undefined) return;
    this.#carriers.delete(call);
    let carries = false;
    keeper.forEachCall((one) => {
      carries ||= one === call;
    });
    if (carries) keeper.close(new AbortError('Connection is closed.', { node: keeper.address }));
  }

  /** Closes lanes that have been idle for `ms`. */
  closeIdle(ms: number): void {
    const now = this.#world.now();
    this.#lanes = this.#lanes.filter((lane) => {
      if (lane.keeper.load > 0) lane.idleSince = now;
      if (now - lane.idleSince < ms) return true;
      lane.keeper.close(new AbortError('Connection is closed.', { node: lane.keeper.address }));
      return false;
    });
  }

  forEachCall(visit: (call: Call) => void): void {
    for (const { keeper } of this.#lanes) keeper.forEachCall(visit);
  }

  /** Closes the lanes that have not been let in: what waits for them can wait elsewhere. */
  closeUnopened(): void {
    for (const { keeper } of this.#lanes) {
      if (keeper.state !== 'up') keeper.close(new AbortError('Connection is closed.', { node: keeper.address }));
    }
  }

  /** Calls that block on these. */
  get load(): number {
    let load = 0;
    for (const { keeper } of this.#lanes) load += keeper.load;
    return load;
  }

  /** Hands all lanes over; whoever takes them closes them. */
  takeAll(): Keeper[] {
    return this.#lanes.splice(0).map(({ keeper }) => keeper);
  }

  close(reason: Error): void {
    for (const keeper of this.takeAll()) keeper.close(reason);
  }

  /** As close(), but calls that were written may still be answered; gives what resolves when those lanes are closed. */
  leave(reason: Error): Promise<void>[] {
    return this.#lanes.splice(0).flatMap(({ keeper }) => keeper.leaveIfBusy(reason));
  }
}

function isOver({ keeper }: BlockingLane): boolean {
  return keeper.state === 'ended';
}
