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
}

/** A string is held as itself, one byte per char. */
export type Stored = string | Value;

export function typeOf(value: Stored): TypeName {
  return typeof value === 'string' ? 'string' : value.type;
}

/** No deadline. */
export const never = -1;

/** One key with its place in every index of its store. Only the store writes the places. */
export class Entry {
  readonly key: string;
  value: Stored;
  /** How redis-server would hold this string, when the text alone does not say (`raw` after APPEND). */
  form: 'raw' | 'embstr' | undefined = undefined;
  /** Absolute ms since the epoch, or `never`. */
  expireAt: number = never;
  /** What the AccessClock stamped it with when it was last touched. */
  accessed = 0;
  /** Estimated bytes, as counted in its store; the deadline's come on top. */
  bytes = 0;
  /** Index in the store's dense array. */
  place = 0;
  /** Index in the expiry heap, -1 when it has no deadline. */
  heapPlace = -1;

  constructor(key: string, value: Stored) {
    this.key = key;
    this.value = value;
  }
}

/** One key of a database whose slots are indexed. Other databases save its fields. */
export class SlotEntry extends Entry {
  readonly slot: number;
  /** Neighbours in the slot's list. */
  newer: SlotEntry | undefined = undefined;
  older: SlotEntry | undefined = undefined;

  constructor(key: string, value: Stored, slot: number) {
    super(key, value);
    this.slot = slot;
  }
}
