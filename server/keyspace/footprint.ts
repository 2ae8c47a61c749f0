// How many bytes of V8's heap keys and values take, estimated from counts and lengths, never measured by a walk.
// The numbers were measured (heap used before and after, divided by the keys; within a tenth for usual sizes) and are
// those of a 64-bit V8 without compressed pointers, as Node.js has it: a string is a header and its
// bytes in whole words; a place in a Map or Set is three words (key, value, chain) and its share of the buckets, in a
// table that is between half full and full.

/** Header of a string: map, hash and length. */
const stringHeader = 16;

/** A string of so many bytes. */
export function stringBytes(length: number): number {
  return stringHeader + ((length + 7) & ~7);
}

/** An entry of the keyspace without its key and value: the object, its places in the key table and in the dense array. */
export const entryBytes: number = 88;
/** The same with its place among the keys of its slot. */
export const slotEntryBytes: number = entryBytes + 10;
/** A deadline, and its place in the heap. */
export const deadlineBytes: number = 30;
/** An empty hash, set or stream: the object, its tables. */
export const aggregateBytes: number = 240;
/** A hash that is packed into one text, without the text. */
export const packedHashBytes: number = 128;
/** An empty list. */
export const listBytes: number = 120;
/** An empty sorted set: the head of its skip list reaches all levels. */
export const zsetBytes: number = 1920;
/** A pair of a hash without its two strings' bytes: its place in the Map, two headers. */
export const fieldBytes: number = 72;
/** A member of a set without its bytes. */
export const memberBytes: number = 44;
/** An element of a list without its bytes. */
export const elementBytes: number = 32;
/** A member of a sorted set without its bytes: its place in the Map, its node with links and spans, its score. */
export const scoredBytes: number = 236;
/** An entry of a stream without its texts: the object, its id, its list. */
export const streamEntryBytes: number = 120;
/** A text of a stream's entry without its bytes. */
export const streamTextBytes: number = 28;
/** A pending entry of a group, in both lists. */
export const pendingBytes: number = 96;
/** A consumer or a group. */
export const consumerBytes: number = 160;
