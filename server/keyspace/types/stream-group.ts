// Consumer groups of a stream: what was delivered to whom and is not yet acknowledged.
// Invariant: each pending entry is in its group's list and in the list of exactly one consumer of that group.

import type { StreamId } from './stream-id.ts';

export interface Pending {
  readonly id: StreamId;
  consumer: Consumer;
  /** Ms since the epoch. */
  deliveredAt: number;
  deliveries: number;
}

/** Pending entries in order of ID. New deliveries mostly come at the end. */
export class PendingList {
  readonly #items: Pending[] = [];

  get size(): number {
    return this.#items.length;
  }

  get first(): Pending | undefined {
    return this.#items[0];
  }

  get last(): Pending | undefined {
    return this.#items.at(-1);
  }

  get(id: StreamId): Pending | undefined {
    const item = this.#items[this.indexFrom(id)];
    return item?.id === id ? item : undefined;
  }

  /** The place of the first entry whose ID is at least `id`. */
  indexFrom(id: StreamId): number {
    let low = 0;
    let high = this.#items.length;
    const last = this.#items[high - 1];
    if (last === undefined || last.id < id) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#items[middle]!.id < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  at(index: number): Pending | undefined {
    return this.#items[index];
  }

  /** The ID must be new. */
  add(item: Pending): void {
    const at = this.indexFrom(item.id);
    if (at === this.#items.length) this.#items.push(item);
    else this.#items.splice(at, 0, item);
  }

  delete(id: StreamId): void {
    const at = this.indexFrom(id);
    if (this.#items[at]?.id === id) this.#items.splice(at, 1);
  }

  [Symbol.iterator](): Iterator<Pending> {
    return this.#items.values();
  }
}

export class Consumer {
  readonly name: string;
  /** Ms since the epoch. */
  seenAt: number;
  readonly pending: PendingList = new PendingList();

  constructor(name: string, seenAt: number) {
    this.name = name;
    this.seenAt = seenAt;
  }
}

/** The number of entries a group has read is not known. */
export const UNKNOWN_READS = -1;

const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

export class Group {
  readonly name: string;
  lastId: StreamId;
  /** How many entries of the stream's history came before lastId, or UNKNOWN_READS. */
  entriesRead: number;
  readonly pending: PendingList = new PendingList();
  readonly #consumers = new Map<string, Consumer>();

  constructor(name: string, lastId: StreamId, entriesRead: number) {
    this.name = name;
    this.lastId = lastId;
    this.entriesRead = entriesRead;
  }

  get consumerCount(): number {
    return this.#consumers.size;
  }

  /** In order of name. */
  consumers(): Consumer[] {
    return [...this.#consumers.values()].sort(byName);
  }

  consumer(name: string): Consumer | undefined {
    return this.#consumers.get(name);
  }

  addConsumer(name: string, now: number): Consumer {
    const consumer = new Consumer(name, now);
    this.#consumers.set(name, consumer);
    return consumer;
  }

  /** How many entries were pending for it. */
  deleteConsumer(name: string): number {
    const consumer = this.#consumers.get(name);
    if (consumer === undefined) return 0;
    this.#consumers.delete(name);
    for (const item of consumer.pending) this.pending.delete(item.id);
    return consumer.pending.size;
  }

  /** Makes `id` pending for `consumer`, taking it from whoever had it. */
  assign(id: StreamId, consumer: Consumer, now: number, deliveries: number): Pending {
    const known = this.pending.get(id);
    if (known !== undefined) {
      this.move(known, consumer);
      known.deliveredAt = now;
      known.deliveries = deliveries;
      return known;
    }
    const item: Pending = { id, consumer, deliveredAt: now, deliveries };
    this.pending.add(item);
    consumer.pending.add(item);
    return item;
  }

  move(item: Pending, consumer: Consumer): void {
    if (item.consumer === consumer) return;
    item.consumer.pending.delete(item.id);
    consumer.pending.add(item);
    item.consumer = consumer;
  }

  /** True when it was pending. */
  settle(id: StreamId): boolean {
    const item = this.pending.get(id);
    if (item === undefined) return false;
    this.pending.delete(id);
    item.consumer.pending.delete(id);
    return true;
  }

  clone(): Group {
    const copy = new Group(this.name, this.lastId, this.entriesRead);
    for (const consumer of this.#consumers.values()) copy.addConsumer(consumer.name, consumer.seenAt);
    for (const item of this.pending) {
      copy.assign(item.id, copy.consumer(item.consumer.name)!, item.deliveredAt, item.deliveries);
    }
    return copy;
  }
}
