// A sorted set: scores by member, and the order by score. Knows nothing of keys or commands.
// Invariants: map and skip list hold the same pairs; a score is never NaN; a compact set that grew stays a skiplist.

import { defaultLimits, type EncodingLimits } from '../encoding.ts';
import { scoredBytes, zsetBytes } from '../footprint.ts';
import { MemberIndex } from './member-index.ts';
import { SkipList, type SkipNode } from './skip-list.ts';

export interface Scored {
  readonly member: string;
  readonly score: number;
}

export class ZsetValue {
  readonly type = 'zset';
  counted = 0;
  readonly #scores = new Map<string, number>();
  readonly #order = new SkipList();
  readonly #limits: EncodingLimits;
  #compact = true;
  /** Length of all members. */
  #text = 0;
  #index: MemberIndex | undefined;

  constructor(limits: EncodingLimits = defaultLimits) {
    this.#limits = limits;
  }

  static from(pairs: Iterable<readonly [string, number]>, limits?: EncodingLimits): ZsetValue {
    const zset = new ZsetValue(limits);
    for (const [member, score] of pairs) zset.set(member, score);
    return zset;
  }

  get size(): number {
    return this.#scores.size;
  }

  get encoding(): string {
    return this.#compact ? 'listpack' : 'skiplist';
  }

  score(member: string): number | undefined {
    return this.#scores.get(member);
  }

  /** True when the member is new. */
  set(member: string, score: number): boolean {
    const old = this.#scores.get(member);
    if (old === undefined) {
      this.#growFor(member);
      this.#text += member.length;
      this.#index?.add(member);
    } else {
      if (old === score) return false;
      this.#order.remove(member, old);
    }
    // A listpack holds whole scores as integers, which know no negative zero.
    if (this.#compact && score === 0) score = 0;
    this.#scores.set(member, score);
    this.#order.insert(member, score);
    return old === undefined;
  }

  delete(member: string): boolean {
    const score = this.#scores.get(member);
    if (score === undefined) return false;
    this.#scores.delete(member);
    this.#text -= member.length;
    this.#order.remove(member, score);
    this.#index?.delete(member);
    return true;
  }

  /** Place in ascending order, 0 = lowest. */
  rank(member: string): number | undefined {
    const score = this.#scores.get(member);
    return score === undefined ? undefined : this.#order.rank(member, score);
  }

  /** How many pairs come before the first that `reached` accepts (false, then true, in ascending order). */
  countBefore(reached: (pair: Scored) => boolean): number {
    return this.#order.countBefore(reached);
  }

  /** Pairs of ranks `start` up to and including `stop` in ascending order, or the same counted from the top. */
  range(start: number, stop: number, reverse: boolean): Scored[] {
    const pairs: Scored[] = [];
    const first = reverse ? this.size - 1 - start : start;
    let node: SkipNode | undefined = this.#order.at(first);
    for (let at = start; at <= stop && node !== undefined; at += 1) {
      pairs.push(node);
      node = reverse ? node.previous : node.next[0];
    }
    return pairs;
  }

  /** Ascending, from the pair of rank `first` on. */
  *from(first: number): Generator<Scored> {
    for (let node = this.#order.at(first); node !== undefined; node = node.next[0]) yield node;
  }

  lowest(): Scored | undefined {
    return this.#order.first;
  }

  highest(): Scored | undefined {
    return this.#order.last;
  }

  /** Members and scores, ascending. */
  *entries(): Generator<[string, number]> {
    for (let node = this.#order.first; node !== undefined; node = node.next[0]) yield [node.member, node.score];
  }

  /** Ascending. */
  *members(): Generator<string> {
    for (let node = this.#order.first; node !== undefined; node = node.next[0]) yield node.member;
  }

  /** A uniformly chosen member; `random` is in [0, 1). The set must not be empty. */
  randomMember(random: number): string {
    return this.#order.at(Math.floor(random * this.size))!.member;
  }

  /** One step of ZSCAN; a compact set is visited whole. Returns the next cursor, 0 at the end. */
  scan(cursor: number, count: number, visit: (member: string) => void): number {
    if (this.#compact) {
      for (const [member] of this.entries()) visit(member);
      return 0;
    }
    this.#index ??= new MemberIndex(this.#scores.keys());
    return this.#index.scan(cursor, count, visit);
  }

  clone(): ZsetValue {
    const copy = ZsetValue.from(this.entries(), this.#limits);
    copy.#compact = this.#compact;
    return copy;
  }

  memory(): number {
    return zsetBytes + this.#scores.size * scoredBytes + this.#text;
  }

  #growFor(member: string): void {
    const { zsetEntries, zsetValue } = this.#limits;
    if (this.size + 1 > zsetEntries || member.length > zsetValue) this.#compact = false;
  }
}
