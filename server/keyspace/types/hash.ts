// A hash value. Knows nothing of keys or commands.
// Invariant: fields keep their order of insertion while the hash is compact, as a listpack does; once it has grown
// past the limits it stays a hashtable. Independently of what it is called, a small one is packed into one text.

import { defaultLimits, type EncodingLimits } from '../encoding.ts';
import { aggregateBytes, fieldBytes, packedHashBytes, stringBytes } from '../footprint.ts';
import { MemberIndex } from './member-index.ts';
import { PackedFields } from './packed-fields.ts';

export class HashValue {
  readonly type = 'hash';
  counted = 0;
  #fields: PackedFields | Map<string, string> = new PackedFields();
  readonly #limits: EncodingLimits;
  #compact = true;
  /** Length of all fields and values. */
  #text = 0;
  #index: MemberIndex | undefined;

  constructor(limits: EncodingLimits = defaultLimits) {
    this.#limits = limits;
  }

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
    const old = this.#fields.get(field);
    this.#roomFor(field, value).set(field, value);
    if (old === undefined) {
      this.#text += field.length + value.length;
      this.#index?.add(field);
    } else this.#text += value.length - old.length;
    if (this.#compact) {
      const { hashValue, hashEntries } = this.#limits;
      if (field.length > hashValue || value.length > hashValue || this.#fields.size > hashEntries)
        this.#compact = false;
    }
    return old === undefined;
  }

  /** It is spread out when it grows too large, and stays so. */
  #roomFor(field: string, value: string): PackedFields | Map<string, string> {
    if (this.#fields instanceof PackedFields && !this.#fields.takes(field, value)) {
      this.#fields = this.#fields.spread();
    }
    return this.#fields;
  }

  delete(field: string): boolean {
    const old = this.#fields.get(field);
    if (old === undefined) return false;
    this.#fields.delete(field);
    this.#text -= field.length + old.length;
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
    this.#index ??= new MemberIndex(this.fields());
    return this.#index.at(Math.floor(random * this.#fields.size));
  }

  /** One step of HSCAN; a compact hash is visited whole. Returns the next cursor, 0 at the end. */
  scan(cursor: number, count: number, visit: (field: string) => void): number {
    if (this.#compact) {
      for (const field of this.fields()) visit(field);
      return 0;
    }
    this.#index ??= new MemberIndex(this.fields());
    return this.#index.scan(cursor, count, visit);
  }

  clone(): HashValue {
    const copy = new HashValue(this.#limits);
    copy.#fields = this.#fields instanceof PackedFields ? this.#fields.clone() : new Map(this.#fields);
    copy.#compact = this.#compact;
    copy.#text = this.#text;
    return copy;
  }

  memory(): number {
    if (this.#fields instanceof PackedFields) return packedHashBytes + stringBytes(this.#fields.length);
    return aggregateBytes + this.#fields.size * fieldBytes + this.#text;
  }
}
