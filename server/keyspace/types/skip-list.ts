// Members ordered by (score, member bytes) with O(log n) insert, remove, rank and access by rank.
// Invariants: level 0 links every node in order; span[i] is how many level-0 steps next[i] jumps (to the end of the
// list when next[i] is missing, counted as if there were a node after the last).

const maxLevel = 16;

export class SkipNode {
  readonly member: string;
  readonly score: number;
  readonly next: (SkipNode | undefined)[];
  readonly span: number[];
  previous: SkipNode | undefined = undefined;

  constructor(member: string, score: number, level: number) {
    this.member = member;
    this.score = score;
    this.next = new Array<SkipNode | undefined>(level).fill(undefined);
    this.span = new Array<number>(level).fill(0);
  }
}

const precedes = (node: SkipNode, score: number, member: string): boolean =>
  node.score < score || (node.score === score && node.member < member);

export class SkipList {
  /** Reaches as many levels as any node ever did: most lists are short. */
  readonly #head = new SkipNode('', -Infinity, 1);
  #tail: SkipNode | undefined;
  #level = 1;
  #size = 0;
  // Heights need no secrecy, only spread: a fixed xorshift keeps every run the same.
  #seed = 0x9e3779b9;
  /** Of the last descent: the node on each level, and how many come before it. */
  readonly #path: SkipNode[] = [this.#head];
  readonly #ranks: number[] = [0];

  get size(): number {
    return this.#size;
  }

  get first(): SkipNode | undefined {
    return this.#head.next[0];
  }

  get last(): SkipNode | undefined {
    return this.#tail;
  }

  /** The pair must not be in the list. */
  insert(member: string, score: number): void {
    this.#descend(score, member);
    const level = this.#height();
    while (this.#level < level) this.#addLevel();
    const node = new SkipNode(member, score, level);
    const before = this.#ranks[0]!;
    for (let at = 0; at < level; at += 1) {
      const left = this.#path[at]!;
      const skipped = before - this.#ranks[at]!;
      node.next[at] = left.next[at];
      left.next[at] = node;
      node.span[at] = left.span[at]! - skipped;
      left.span[at] = skipped + 1;
    }
    for (let at = level; at < this.#level; at += 1) this.#path[at]!.span[at]! += 1;
    const left = this.#path[0]!;
    node.previous = left === this.#head ? undefined : left;
    if (node.next[0] === undefined) this.#tail = node;
    else node.next[0].previous = node;
    this.#size += 1;
  }

  #addLevel(): void {
    const at = this.#level;
    this.#head.next[at] = undefined;
    this.#head.span[at] = this.#size;
    this.#path[at] = this.#head;
    this.#ranks[at] = 0;
    this.#level += 1;
  }

  /** The pair must be in the list. */
  remove(member: string, score: number): void {
    this.#descend(score, member);
    const node = this.#path[0]!.next[0];
    if (node === undefined || node.member !== member) return;
    for (let at = 0; at < this.#level; at += 1) {
      const left = this.#path[at]!;
      if (left.next[at] === node) {
        left.span[at]! += node.span[at]! - 1;
        left.next[at] = node.next[at];
      } else {
        left.span[at]! -= 1;
      }
    }
    if (node.next[0] === undefined) this.#tail = node.previous;
    else node.next[0].previous = node.previous;
    while (this.#level > 1 && this.#head.next[this.#level - 1] === undefined) this.#level -= 1;
    this.#size -= 1;
  }

  /** How many nodes come before the pair. */
  rank(member: string, score: number): number {
    this.#descend(score, member);
    return this.#ranks[0]!;
  }

  /** The node of rank `rank` (0 = first). */
  at(rank: number): SkipNode | undefined {
    if (rank < 0 || rank >= this.#size) return undefined;
    let left = rank + 1;
    let node = this.#head;
    for (let level = this.#level - 1; level >= 0; level -= 1) {
      while (node.next[level] !== undefined && node.span[level]! <= left) {
        left -= node.span[level]!;
        node = node.next[level]!;
      }
      if (left === 0) return node;
    }
    return undefined;
  }

  /** How many nodes come before the first that `reached` accepts; it must be false, then true, along the list. */
  countBefore(reached: (node: SkipNode) => boolean): number {
    let passed = 0;
    let node = this.#head;
    for (let level = this.#level - 1; level >= 0; level -= 1) {
      for (let next = node.next[level]; next !== undefined && !reached(next); next = node.next[level]) {
        passed += node.span[level]!;
        node = next;
      }
    }
    return passed;
  }

  #descend(score: number, member: string): void {
    let node = this.#head;
    let passed = 0;
    for (let level = this.#level - 1; level >= 0; level -= 1) {
      for (let next = node.next[level]; next !== undefined && precedes(next, score, member); next = node.next[level]) {
        passed += node.span[level]!;
        node = next;
      }
      this.#path[level] = node;
      this.#ranks[level] = passed;
    }
  }

  #height(): number {
    this.#seed ^= this.#seed << 13;
    this.#seed ^= this.#seed >>> 17;
    this.#seed ^= this.#seed << 5;
    // Each further level with a chance of 1/4: two zero bits of 32 a level.
    let bits = this.#seed >>> 0;
    let level = 1;
    while ((bits & 3) === 0 && level < maxLevel) {
      level += 1;
      bits >>>= 2;
    }
    return level;
  }
}
