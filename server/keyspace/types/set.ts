// A set value. Knows nothing of keys or commands.
// Invariant: while every member is a 64-bit integer and there are few, the set is an `intset` and is walked in
// ascending order; once it left that form it stays a hashtable.

import { defaultLimits, type EncodingLimits } from '../encoding.ts';
import { aggregateBytes, memberBytes } from '../footprint.ts';
import { isInt64Text } from '../number.ts';
import { MemberIndex } from './member-index.ts';

export class SetValue implements Iterable<string> {
  readonly type = 'set';
  counted = 0;
  readonly #members = new Set<string>();
  readonly #limits: EncodingLimits;
  #integers = true;
  /** Length of all members. */
  #text = 0;
  #sorted: string[] | undefined;
  #index: MemberIndex | undefined;

  constructor(limits: EncodingLimits = defaultLimits) {
    this.#limits = limits;
  }

  static from(members: Iterable<string>, limits?: EncodingLimits): SetValue {
    const set = new SetValue(limits);
    for (const member of members) set.add(member);
    return set;
  }

  get size(): number {
    return this.#members.size;
  }

  get encoding(): string {
    return this.#integers ? 'intset' : 'hashtable';
  }

  has(member: string): boolean {
    return this.#members.has(member);
  }

  add(member: string): boolean {
    const before = this.#members.size;
    this.#members.add(member);
    if (this.#members.size === before) return false;
    this.#sorted = undefined;
    this.#text += member.length;
    this.#index?.add(member);
    if (this.#integers && (this.#members.size > this.#limits.setIntegers || !isInt64Text(member)))
      this.#integers = false;
    return true;
  }

  delete(member: string): boolean {
    if (!this.#members.delete(member)) return false;
    this.#text -= member.length;
    this.#sorted = undefined;
    this.#index?.delete(member);
    return true;
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#integers ? this.#inOrder().values() : this.#members.values();
  }

  /** A uniformly chosen member; `random` is in [0, 1). The set must not be empty. */
  randomMember(random: number): string {
    const at = Math.floor(random * this.#members.size);
    if (this.#integers && this.#sorted !== undefined) return this.#sorted[at]!;
    this.#index ??= new MemberIndex(this.#members);
    return this.#index.at(at);
  }

  /** One step of SSCAN; an intset is visited whole. Returns the next cursor, 0 at the end. */
  scan(cursor: number, count: number, visit: (member: string) => void): number {
    if (this.#integers) {
      for (const member of this.#inOrder()) visit(member);
      return 0;
    }
    this.#index ??= new MemberIndex(this.#members);
    return this.#index.scan(cursor, count, visit);
  }

  clone(): SetValue {
    const copy = new SetValue(this.#limits);
    for (const member of this.#members) copy.#members.add(member);
    copy.#integers = this.#integers;
    copy.#text = this.#text;
    return copy;
  }

  memory(): number {
    return aggregateBytes + this.#members.size * memberBytes + this.#text;
  }

  #inOrder(): string[] {
    this.#sorted ??= [...this.#members].sort(byNumber);
    return this.#sorted;
  }
}

/** Orders canonical integer texts by value. */
function byNumber(a: string, b: string): number {
  const difference = Number(a) - Number(b);
  if (difference !== 0) return difference;
  // Doubles cannot represent all integers above 2^53.
  const [x, y] = [BigInt(a), BigInt(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}
