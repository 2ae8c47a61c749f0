// A hash value. Knows nothing of keys or commands.
// Invariant: fields keep their order of insertion while the hash is compact, as a listpack does; once it has grown
// past the limits it stays a hashtable.

import { MemberIndex } from './member-index.ts';

const MAX_COMPACT_FIELDS = 512;
const MAX_COMPACT_BYTES = 64;

export class HashValue {
  readonly type = 'hash';
  readonly #fields = new Map<string, string>();
  #compact = true;
  #index: MemberIndex | undefined;

  get size(): number {
    return this.#fields.size;
  }

  get encoding(): string {
    return this.#compact ? 'listpack' : 'hashtable';
  }

  get(field: string): string | undefined {
    return this.#fields.get(field);
  }

  has(field: string): boolean {
    return this.#fields.has(field);
  }

  /** True when the field is new. */
  set(field: string, value: string): boolean {
    const before = this.#fields.size;
    this.#fields.set(field, value);
    const added = this.#fields.size > before;
    if (added) this.#index?.add(field);
    if (this.#compact) {
      const long = field.length > MAX_COMPACT_BYTES || value.length > MAX_COMPACT_BYTES;
      if (long || this.#fields.size > MAX_COMPACT_FIELDS) this.#compact = false;
    }
    return added;
  }

  delete(field: string): boolean {
    if (!this.#fields.delete(field)) return false;
    this.#index?.delete(field);
    return true;
  }

  entries(): IterableIterator<[string, string]> {
    return this.#fields.entries();
  }

  fields(): IterableIterator<string> {
    return this.#fields.keys();
  }

  values(): IterableIterator<string> {
    return this.#fields.values();
  }

  /** A uniformly chosen field; `random` is in [0, 1). The hash must not be empty. */
  randomField(random: number): string {
    this.#index ??= new MemberIndex(this.#fields.keys());
    return this.#index.at(Math.floor(random * this.#fields.size));
  }

  /** One step of HSCAN; a compact hash is visited whole. Returns the next cursor, 0 at the end. */
  scan(cursor: number, count: number, visit: (field: string) => void): number {
    if (this.#compact) {
      for (const field of this.#fields.keys()) visit(field);
      return 0;
    }
    this.#index ??= new MemberIndex(this.#fields.keys());
    return this.#index.scan(cursor, count, visit);
  }

  clone(): HashValue {
    const copy = new HashValue();
    for (const [field, value] of this.#fields) copy.#fields.set(field, value);
    copy.#compact = this.#compact;
    return copy;
  }
}
