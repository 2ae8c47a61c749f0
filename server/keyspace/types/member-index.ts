// The members of one hash, set or sorted set in a dense array: random picks and SCAN cursors in O(1).
// Built only when a large value is first scanned or sampled, then kept up to date by its owner.
// Invariant: positions.get(members[i]) === i. A scan walks from the end to the start and a removal fills its gap with
// the last member, so a member not yet visited only ever moves to a place not yet visited.

export class MemberIndex {
  readonly #members: string[];
  readonly #positions = new Map<string, number>();

  constructor(members: Iterable<string>) {
    this.#members = [...members];
    for (let at = 0; at < this.#members.length; at += 1) this.#positions.set(this.#members[at]!, at);
  }

  /** `member` must be new. */
  add(member: string): void {
    this.#positions.set(member, this.#members.length);
    this.#members.push(member);
  }

  delete(member: string): void {
    const at = this.#positions.get(member);
    if (at === undefined) return;
    this.#positions.delete(member);
    const last = this.#members.pop()!;
    if (last === member) return;
    this.#members[at] = last;
    this.#positions.set(last, at);
  }

  /** The member at place `at`, which must be inside. */
  at(at: number): string {
    return this.#members[at]!;
  }

  /** Visits `count` members from `cursor` (0 = from the beginning); the next cursor, 0 at the end. */
  scan(cursor: number, count: number, visit: (member: string) => void): number {
    let at = cursor === 0 ? this.#members.length : Math.min(cursor, this.#members.length);
    const stop = Math.max(0, at - count);
    while (at > stop) visit(this.#members[--at]!);
    return at;
  }
}
