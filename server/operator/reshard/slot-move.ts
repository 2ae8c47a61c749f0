// One slot's move, step by step at the caller's pace: for tests and for tools that want a slot half-moved.
// To move many, at a rate, with pauses and after crashes: reshard.ts.

import type { World } from '../../../lib/base/world.ts';
import type { ClusterLink, MovingNode } from '../link/cluster-link.ts';
import { SlotAssigner } from './assign-slots.ts';
import type { SlotRoute } from './slot-commands.ts';
import { handOver, keysIn, openSlot, reverse } from './slot-steps.ts';

export interface MoveRoute {
  readonly slot: number;
  readonly source: MovingNode;
  readonly target: MovingNode;
}

export interface MoveOptions {
  /** Keys handed over in one exchange. Default 64. */
  readonly batch?: number;
  /** Milliseconds to wait between exchanges. Default 0. */
  readonly pauseMs?: number;
  /** Milliseconds that one exchange may take. Default 5000. */
  readonly timeoutMs?: number;
}

/** A slot half-moved. Both ends close it: call exactly one of them. */
export class SlotMove {
  readonly route: MoveRoute;
  readonly #link: ClusterLink;
  readonly #world: World;
  readonly #batch: number;
  readonly #pauseMs: number;
  readonly #timeoutMs: number;

  constructor(route: MoveRoute, link: ClusterLink, options: MoveOptions = {}) {
    this.route = route;
    this.#link = link;
    this.#world = link.world;
    this.#batch = options.batch ?? 64;
    this.#pauseMs = options.pauseMs ?? 0;
    this.#timeoutMs = options.timeoutMs ?? 5000;
  }

  /** Opens the slot: from now on the source answers ASK for keys that it does not have. */
  async begin(): Promise<void> {
    try {
      await openSlot(this.#link, this.#route, 1);
    } catch (error) {
      const { slot, target } = this.route;
      await this.#link.ask(target, ['CLUSTER', 'SETSLOT', String(slot), 'STABLE']).catch(() => undefined);
      throw error;
    }
  }

  /** Hands over up to `limit` keys; how many there were. */
  async moveKeys(limit: number = this.#batch): Promise<number> {
    const { slot, source } = this.route;
    const batch = await keysIn(this.#link, source, slot, limit);
    if (batch.keys.length > 0) await handOver(this.#link, this.#route, batch, 1, this.#timeoutMs);
    return batch.keys.length;
  }

  /** Hands over what is left and gives the slot to the target. Resolves to the number of keys moved by this call. */
  async commit(): Promise<number> {
    const moved = await this.#drain(this.#route);
    await new SlotAssigner(this.#link).decide(this.#route);
    return moved;
  }

  /** Takes every key back: clients follow the slot to the target and back again. Both ends are stable afterwards. */
  async rollback(): Promise<void> {
    const { slot, source, target } = this.route;
    const back: SlotRoute = { slot, from: target, to: source };
    await reverse(this.#link, this.#route);
    await this.#drain(back);
    await new SlotAssigner(this.#link).decide(back);
  }

  get #route(): SlotRoute {
    const { slot, source, target } = this.route;
    return { slot, from: source, to: target };
  }

  async #drain(route: SlotRoute): Promise<number> {
    let moved = 0;
    let keys = await keysIn(this.#link, route.from, route.slot, this.#batch);
    while (keys.keys.length > 0) {
      const batch = await handOver(this.#link, route, keys, this.#batch, this.#timeoutMs);
      moved += batch.keys;
      keys = batch.next;
      if (this.#pauseMs > 0) await new Promise<void>((resolve) => void this.#world.after(this.#pauseMs, resolve, true));
    }
    return moved;
  }
}
