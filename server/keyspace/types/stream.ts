// A stream: entries in order of ID, cut into nodes as the reference cuts them (by entries and by listpack bytes), since
// approximate trimming drops whole nodes. Knows nothing of keys or commands.
// Invariants: no node is empty; IDs ascend within and over nodes; `length` is the number of entries in all nodes.

import { defaultLimits, type EncodingLimits } from '../encoding.ts';
import { aggregateBytes, consumerBytes, pendingBytes, streamEntryBytes, streamTextBytes } from '../footprint.ts';
import { EMPTY_LISTPACK, integerSize, textSize } from './listpack-size.ts';
import { type Group, UNKNOWN_READS } from './stream-group.ts';
import { makeId, msOf, type StreamId, seqOf, ZERO_ID } from './stream-id.ts';

export interface StreamEntry {
  readonly id: StreamId;
  /** field, value, field, value, ... */
  readonly fields: readonly string[];
}

interface Node {
  readonly firstId: StreamId;
  lastId: StreamId;
  readonly names: readonly string[];
  readonly entries: StreamEntry[];
  /** Entries ever put in, deleted ones too. */
  added: number;
  bytes: number;
}

/** What to cut off the front: down to `length` entries, or everything below `id`. */
export interface Trim {
  readonly by: 'length' | 'id';
  readonly length: number;
  readonly id: StreamId;
  /** Only whole nodes. */
  readonly approximate: boolean;
  /** Most entries to drop, 0 = no limit. */
  readonly limit: number;
}

export class StreamValue {
  readonly type = 'stream';
  counted = 0;
  readonly encoding = 'stream';
  lastId: StreamId = ZERO_ID;
  maxDeletedId: StreamId = ZERO_ID;
  /** Entries ever added. */
  entriesAdded = 0;
  readonly groups: Map<string, Group> = new Map<string, Group>();
  readonly #limits: EncodingLimits;
  #nodes: Node[] = [];
  #length = 0;
  /** Texts ever appended and their length; those of deleted entries leave in proportion. */
  #texts = 0;
  #text = 0;

  constructor(limits: EncodingLimits = defaultLimits) {
    this.#limits = limits;
  }

  /** Entries held. An empty stream stays in the keyspace. */
  get size(): number {
    return this.#length;
  }

  get nodeCount(): number {
    return this.#nodes.length;
  }

  get first(): StreamEntry | undefined {
    return this.#nodes[0]?.entries[0];
  }

  get last(): StreamEntry | undefined {
    return this.#nodes.at(-1)?.entries.at(-1);
  }

  get firstId(): StreamId {
    return this.first?.id ?? ZERO_ID;
  }

  /** The ID an entry added at `now` (ms) gets by itself; undefined when the last possible one is taken. */
  nextId(now: number): StreamId | undefined {
    const ms = BigInt(now);
    if (ms > msOf(this.lastId)) return makeId(ms, 0n);
    const next = this.lastId + 1n;
    return next >> 128n === 0n ? next : undefined;
  }

  /** `id` must be greater than lastId. */
  append(id: StreamId, fields: readonly string[]): void {
    const node = this.#nodeFor(id, fields);
    node.bytes += entryBytes(node, id, fields);
    node.entries.push({ id, fields });
    node.added += 1;
    node.lastId = id;
    this.#length += 1;
    this.#texts += fields.length;
    for (const text of fields) this.#text += text.length;
    this.entriesAdded += 1;
    this.lastId = id;
  }

  get(id: StreamId): StreamEntry | undefined {
    const place = this.#seek(id);
    const entry = this.#nodes[place.node]?.entries[place.entry];
    return entry?.id === id ? entry : undefined;
  }

  /** Entries from `start` to `end`, both included, upwards or downwards. */
  *range(start: StreamId, end: StreamId, reverse = false): Generator<StreamEntry> {
    if (start > end) return;
    if (reverse) yield* this.#rangeDown(start, end);
    else yield* this.#rangeUp(start, end);
  }

  /** Up to `count` entries (0 = all). */
  slice(start: StreamId, end: StreamId, count: number, reverse = false): StreamEntry[] {
    const entries: StreamEntry[] = [];
    for (const entry of this.range(start, end, reverse)) {
      entries.push(entry);
      if (entries.length === count) break;
    }
    return entries;
  }

  delete(id: StreamId): boolean {
    const { node: at, entry } = this.#seek(id);
    const node = this.#nodes[at];
    if (node?.entries[entry]?.id !== id) return false;
    node.entries.splice(entry, 1);
    if (node.entries.length === 0) this.#nodes.splice(at, 1);
    this.#shrink(1);
    if (id > this.maxDeletedId) this.maxDeletedId = id;
    return true;
  }

  /** The number of entries dropped. */
  trim(trim: Trim): number {
    let dropped = 0;
    let whole = 0;
    for (const node of this.#nodes) {
      const count = node.entries.length;
      if (trim.limit > 0 && dropped + count > trim.limit) break;
      if (trim.by === 'length' ? this.#length - dropped - count < trim.length : node.lastId >= trim.id) break;
      dropped += count;
      whole += 1;
    }
    this.#nodes.splice(0, whole);
    this.#shrink(dropped);
    const node = this.#nodes[0];
    if (trim.approximate || node === undefined) return dropped;
    const excess = this.#length - trim.length;
    let cut = node.entries.findIndex((entry, at) => (trim.by === 'length' ? at >= excess : entry.id >= trim.id));
    if (cut < 0) cut = node.entries.length;
    node.entries.splice(0, cut);
    if (node.entries.length === 0) this.#nodes.shift();
    this.#shrink(cut);
    return dropped + cut;
  }

  /** How many entries of the stream's whole history come up to `id`, or UNKNOWN_READS when deletions blur it. */
  readsUpTo(id: StreamId): number {
    if (this.entriesAdded === 0) return 0;
    if (id === this.lastId || (this.#length === 0 && id < this.lastId)) return this.entriesAdded;
    if (id > this.lastId) return UNKNOWN_READS;
    const first = this.firstId;
    if (this.maxDeletedId === ZERO_ID || this.maxDeletedId < first) {
      if (id < first) return this.entriesAdded - this.#length;
      if (id === first) return this.entriesAdded - this.#length + 1;
    }
    return UNKNOWN_READS;
  }

  /** Whether an entry at or after `id` may have been deleted. */
  hasGapFrom(id: StreamId): boolean {
    return this.#length > 0 && this.maxDeletedId >= this.firstId && id <= this.maxDeletedId;
  }

  clone(): StreamValue {
    const copy = new StreamValue(this.#limits);
    copy.#nodes = this.#nodes.map((node) => ({ ...node, entries: [...node.entries] }));
    copy.#length = this.#length;
    copy.#texts = this.#texts;
    copy.#text = this.#text;
    copy.lastId = this.lastId;
    copy.maxDeletedId = this.maxDeletedId;
    copy.entriesAdded = this.entriesAdded;
    for (const [name, group] of this.groups) copy.groups.set(name, group.clone());
    return copy;
  }

  memory(): number {
    let bytes = aggregateBytes + this.#length * streamEntryBytes + this.#texts * streamTextBytes + this.#text;
    for (const group of this.groups.values()) {
      bytes += (1 + group.consumerCount) * consumerBytes + group.pending.size * pendingBytes;
    }
    return bytes;
  }

  /** What freeing it costs: nodes, and for each group its pending entries. */
  get effort(): number {
    let effort = this.#nodes.length;
    for (const group of this.groups.values()) effort += 1 + group.pending.size;
    return effort;
  }

  /** Entries left: what their texts took is reckoned from the mean. */
  #shrink(count: number): void {
    if (count === 0) return;
    const share = (this.#length - count) / this.#length;
    this.#texts = Math.round(this.#texts * share);
    this.#text = Math.round(this.#text * share);
    this.#length -= count;
  }

  #nodeFor(id: StreamId, fields: readonly string[]): Node {
    const last = this.#nodes.at(-1);
    const length = fields.reduce((sum, text) => sum + text.length, 0);
    const { streamNodeBytes, streamNodeEntries } = this.#limits;
    if (
      last !== undefined &&
      (streamNodeBytes === 0 || last.bytes + length < streamNodeBytes) &&
      (streamNodeEntries === 0 || last.added < streamNodeEntries)
    )
      return last;
    const names = fields.filter((_, at) => at % 2 === 0);
    const node: Node = { firstId: id, lastId: id, names, entries: [], added: 0, bytes: headBytes(names) };
    this.#nodes.push(node);
    return node;
  }

  /** Where the first entry at or after `id` is: maybe past the end. */
  #seek(id: StreamId): { node: number; entry: number } {
    const node = lowerBound(this.#nodes, (other) => other.lastId < id);
    const entries = this.#nodes[node]?.entries ?? [];
    return { node, entry: lowerBound(entries, (other) => other.id < id) };
  }

  *#rangeUp(start: StreamId, end: StreamId): Generator<StreamEntry> {
    const place = this.#seek(start);
    for (let at = place.node; at < this.#nodes.length; at += 1) {
      const { entries } = this.#nodes[at]!;
      for (let entry = at === place.node ? place.entry : 0; entry < entries.length; entry += 1) {
        if (entries[entry]!.id > end) return;
        yield entries[entry]!;
      }
    }
  }

  *#rangeDown(start: StreamId, end: StreamId): Generator<StreamEntry> {
    const place = this.#seek(end + 1n);
    for (let at = Math.min(place.node, this.#nodes.length - 1); at >= 0; at -= 1) {
      const { entries } = this.#nodes[at]!;
      for (let entry = (at === place.node ? place.entry : entries.length) - 1; entry >= 0; entry -= 1) {
        if (entries[entry]!.id < start) return;
        yield entries[entry]!;
      }
    }
  }
}

function lowerBound<T>(items: readonly T[], isBefore: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(items[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A node's own words: count, deleted, number of names, the names, an end mark. */
function headBytes(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + textSize(name), EMPTY_LISTPACK + 6 + integerSize(names.length));
}

/** An entry that has the node's own field names leaves them out. */
function entryBytes(node: Node, id: StreamId, fields: readonly string[]): number {
  const count = fields.length / 2;
  const sameNames = count === node.names.length && node.names.every((name, at) => name === fields[at * 2]);
  let bytes = 2 + integerSize(msOf(id) - msOf(node.firstId)) + integerSize(seqOf(id) - seqOf(node.firstId));
  if (!sameNames) bytes += integerSize(count);
  for (let at = 0; at < fields.length; at += 1) if (!sameNames || at % 2 === 1) bytes += textSize(fields[at]!);
  return bytes + integerSize(3 + count + (sameNames ? 0 : count + 1));
}
