// Values between the keyspace and the binary formats: plain data that says what a key holds and in which of the two
// encodings of its type, so that neither side needs to know the other's classes.

/** `packed`: in the small encoding of its type (listpack, intset), not the large one (hash table, skip list). */
export type PortableValue =
  | { readonly type: 'string'; readonly text: string }
  | { readonly type: 'list'; readonly items: readonly string[] }
  | { readonly type: 'set'; readonly members: readonly string[]; readonly packed: boolean }
  | { readonly type: 'hash'; readonly fields: readonly (readonly [string, string])[]; readonly packed: boolean }
  | { readonly type: 'zset'; readonly entries: readonly (readonly [string, number])[]; readonly packed: boolean }
  | PortableStream;

/** Milliseconds and sequence number, unsigned 64-bit each. */
export type PortableId = readonly [ms: bigint, seq: bigint];

export interface PortableStream {
  readonly type: 'stream';
  /** Ascending by id; `fields` alternates names and values. */
  readonly entries: readonly { readonly id: PortableId; readonly fields: readonly string[] }[];
  readonly lastId: PortableId;
  readonly maxDeletedId: PortableId;
  readonly entriesAdded: bigint;
  readonly groups: readonly PortableGroup[];
}

export interface PortableGroup {
  readonly name: string;
  readonly lastId: PortableId;
  /** -1: unknown. */
  readonly entriesRead: bigint;
  /** Ascending by id; `consumer` indexes `consumers`. Times are ms since the epoch. */
  readonly pending: readonly {
    readonly id: PortableId;
    readonly deliveredAt: number;
    readonly deliveries: number;
    readonly consumer: string;
  }[];
  readonly consumers: readonly { readonly name: string; readonly seenAt: number }[];
}
