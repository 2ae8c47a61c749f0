// Which node of a shard a read goes to. Knows what was measured and reported of each node (round trip, zone, trouble);
// sends nothing itself. A replica in trouble is left out for a while, and when no candidate is left the master answers.

import type { World } from '../base/world.ts';
import type { Shard } from '../topology/slot-map.ts';

/**
 * "slave": replicas; "all": replicas and the master; "nearest": of all, those with the shortest measured round trip.
 */
export type ReadScaling = 'master' | 'slave' | 'all' | 'nearest';

export interface ReadPolicyOptions {
  readonly scaling: ReadScaling;
  /** Nodes whose INFO has this availability zone come first. */
  readonly zone: string | undefined;
  /** Whether calls can be given to a node: not down, not silent. */
  readonly usable: (key: string) => boolean;
}

interface NodeFacts {
  /** Smoothed round trip in milliseconds; undefined until measured. */
  roundTrip: number | undefined;
  zone: string | undefined;
  /** Its link to the master is down, or it loads. */
  behind: boolean;
  avoidUntil: number;
}

/** Milliseconds that a replica is left alone after it refused a read. */
const avoidFor = 1000;
/** Weight of a new measurement. */
const smoothing = 0.25;
/** Nodes this close to the nearest share its reads: a fifth more, and a quarter of a millisecond. */
const [closeFactor, closeMargin] = [1.2, 0.25];

export class ReadPolicy {
  readonly #options: ReadPolicyOptions;
  readonly #world: World;
  readonly #facts = new Map<string, NodeFacts>();

  constructor(options: ReadPolicyOptions, world: World) {
    this.#options = options;
    this.#world = world;
  }

  get scaling(): ReadScaling {
    return this.#options.scaling;
  }

  get zone(): string | undefined {
    return this.#options.zone;
  }

  /** The address for a read; writes always go to the master. */
  pick(shard: Shard): string {
    const { scaling, zone } = this.#options;
    if (scaling === 'master' || shard.replicas.length === 0) return shard.master;
    let candidates = shard.replicas.filter((key) => this.#serves(key));
    if (scaling !== 'slave' && this.#options.usable(shard.master)) candidates.push(shard.master);
    if (candidates.length === 0) return shard.master;
    if (zone !== undefined) {
      const near = candidates.filter((key) => this.#facts.get(key)?.zone === zone);
      if (near.length > 0) candidates = near;
    }
    if (scaling === 'nearest') candidates = this.#nearest(candidates);
    return candidates[Math.floor(this.#world.random() * candidates.length)]!;
  }

  /** A read was refused there. */
  avoid(key: string): void {
    this.#of(key).avoidUntil = this.#world.now() + avoidFor;
  }

  /** A round trip of `ms` to a node. */
  measured(key: string, ms: number): void {
    const facts = this.#of(key);
    facts.roundTrip = facts.roundTrip === undefined ? ms : facts.roundTrip + (ms - facts.roundTrip) * smoothing;
  }

  /** What a node's INFO has reported. */
  reported(key: string, news: { readonly zone?: string; readonly behind?: boolean }): void {
    const facts = this.#of(key);
    if (news.zone !== undefined) facts.zone = news.zone;
    if (news.behind !== undefined) facts.behind = news.behind;
  }

  /** Milliseconds, smoothed; undefined until measured. */
  roundTrip(key: string): number | undefined {
    return this.#facts.get(key)?.roundTrip;
  }

  zoneOf(key: string): string | undefined {
    return this.#facts.get(key)?.zone;
  }

  forget(key: string): void {
    this.#facts.delete(key);
  }

  #serves(key: string): boolean {
    const facts = this.#facts.get(key);
    if (facts !== undefined && (facts.behind || facts.avoidUntil > this.#world.now())) return false;
    return this.#options.usable(key);
  }

  // What nobody has measured yet counts only where nothing is.
  #nearest(candidates: readonly string[]): string[] {
    let least = Number.POSITIVE_INFINITY;
    for (const key of candidates) least = Math.min(least, this.roundTrip(key) ?? Number.POSITIVE_INFINITY);
    if (least === Number.POSITIVE_INFINITY) return [...candidates];
    const limit = least * closeFactor + closeMargin;
    return candidates.filter((key) => (this.roundTrip(key) ?? Number.POSITIVE_INFINITY) <= limit);
  }

  #of(key: string): NodeFacts {
    let facts = this.#facts.get(key);
    if (facts === undefined) {
      facts = { roundTrip: undefined, zone: undefined, behind: false, avoidUntil: 0 };
      this.#facts.set(key, facts);
    }
    return facts;
  }
}
