// What one key holds, and the few words that every value type must speak.

/** Name of a type as TYPE prints it. */
export type TypeName = 'string' | 'list' | 'hash' | 'set' | 'zset' | 'stream';

/** A value that is not a string. The store keeps it and never looks inside. */
export interface Value {
  readonly type: TypeName;
  /** As OBJECT ENCODING prints it: listpack, quicklist, ... */
  readonly encoding: string;
  /** Elements held; the store's owner removes the key when a change leaves none (streams excepted). */
  readonly size: number;
  /** A deep copy, for COPY. */
  clone(): Value;
  /** Estimated bytes held, without a walk over them. */
  memory(): number;
  /** What memory() gave when it was counted last; written by Entries alone. */
  counted: number;
}

/** A string is held as itself, one byte per char. */
export type Stored = string | Value;

export function typeOf(value: Stored): TypeName {
  return typeof value === 'string' ? 'string' : value.type;
}

/** No deadline. */
export const never = -1;

/** How redis-server would hold a string, when the text alone does not say: `raw` after APPEND. */
export type StringForm = 'raw' | 'embstr' | undefined;

const forms: readonly StringForm[] = [undefined, 'raw', 'embstr'];
const formBits = 2;
const formMask = (1 << formBits) - 1;

/**
 * One key. A database has millions, so it has no field that could be a number in a table of its database: what is known by
 * the entry's place (its place in the heap of deadlines, its neighbours in the slot) is kept there, and `place` and
 * `form` share one small integer.
 */
export class Entry {
  readonly key: string;
  value: Stored;
  /** What the AccessClock stamped it with when it was last touched. */
  accessed = 0;
  /** Not `never`: a field that begins as a number would have a box of its own in every entry, once one has a deadline. */
  #deadline: number | undefined = undefined;
  /** The place, and the form in the lowest bits. */
  #packed = 0;

  constructor(key: string, value: Stored) {
    this.key = key;
    this.value = value;
  }

  /** Absolute ms since the epoch, or `never`. */
  get expireAt(): number {
    return this.#deadline ?? never;
  }

  /** Written by Entries alone, which keeps deadlines in order. */
  set expireAt(at: number) {
    this.#deadline = at === never ? undefined : at;
  }

  /** Index in the dense array; written by Entries alone. */
  get place(): number {
    return this.#packed >>> formBits;
  }

  set place(place: number) {
    this.#packed = (place << formBits) | (this.#packed & formMask);
  }

  get form(): StringForm {
    return forms[this.#packed & formMask];
  }

  set form(form: StringForm) {
    this.#packed = (this.#packed & ~formMask) | (form === undefined ? 0 : forms.indexOf(form));
  }
}
