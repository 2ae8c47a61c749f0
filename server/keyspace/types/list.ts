// A list value: a ring buffer, so both ends and any index are O(1) and an insert moves the shorter side.
// Knows nothing of keys or commands. Invariant: the capacity is a power of two, `#size` elements start at `#head`.

import { elementBytes, listBytes } from '../footprint.ts';
import { EMPTY_LISTPACK, textSize } from './listpack-size.ts';

const MIN_CAPACITY = 8;
/** What `list-max-listpack-size` of -1 to -5 stands for, in bytes. */
const nodeBytes = [4096, 8192, 16384, 32768, 65536];

export class ListValue implements Iterable<string> {
  readonly type = 'list';
  counted = 0;
  readonly encoding = 'quicklist';
  #ring: (string | undefined)[] = new Array<string | undefined>(MIN_CAPACITY).fill(undefined);
  #head = 0;
  #size = 0;
  /** Length of all items. */
  #text = 0;

  static from(items: Iterable<string>): ListValue {
    const list = new ListValue();
    for (const item of items) list.pushTail(item);
    return list;
  }

  get size(): number {
    return this.#size;
  }

  pushHead(item: string): void {
    this.#reserve();
    this.#head = (this.#head - 1) & (this.#ring.length - 1);
    this.#ring[this.#head] = item;
    this.#size += 1;
    this.#text += item.length;
  }

  pushTail(item: string): void {
    this.#reserve();
    this.#ring[this.#slot(this.#size)] = item;
    this.#size += 1;
    this.#text += item.length;
  }

  popHead(): string | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#ring[this.#head]!;
    this.#ring[this.#head] = undefined;
    this.#text -= item.length;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#size -= 1;
    this.#shrink();
    return item;
  }

  popTail(): string | undefined {
    if (this.#size === 0) return undefined;
    const slot = this.#slot(this.#size - 1);
    const item = this.#ring[slot]!;
    this.#ring[slot] = undefined;
    this.#text -= item.length;
    this.#size -= 1;
    this.#shrink();
    return item;
  }

  /** The item at `index` (0 = head), undefined outside. */
  at(index: number): string | undefined {
    return index >= 0 && index < this.#size ? this.#ring[this.#slot(index)] : undefined;
  }

  /** `index` must be inside. */
  set(index: number, item: string): void {
    const slot = this.#slot(index);
    this.#text += item.length - this.#ring[slot]!.length;
    this.#ring[slot] = item;
  }

  /** Puts `item` before the one at `index`; `index === size` appends. */
  insert(index: number, item: string): void {
    if (index * 2 < this.#size) {
      this.pushHead(item);
      for (let at = 0; at < index; at += 1) this.#copy(at + 1, at);
    } else {
      this.pushTail(item);
      for (let at = this.#size - 1; at > index; at -= 1) this.#copy(at - 1, at);
    }
    this.#ring[this.#slot(index)] = item;
  }

  /** Items `start` up to and including `stop`; both inside and in order. */
  slice(start: number, stop: number): string[] {
    const items: string[] = [];
    for (let at = start; at <= stop; at += 1) items.push(this.#ring[this.#slot(at)]!);
    return items;
  }

  /** Keeps only the items `start` up to and including `stop`. */
  trim(start: number, stop: number): void {
    for (let drop = this.#size - 1 - stop; drop > 0; drop -= 1) this.popTail();
    for (let drop = start; drop > 0; drop -= 1) this.popHead();
  }

  /** Removes up to `count` items equal to `item` (0 = all), from the head, or from the tail when negative. */
  removeEqual(item: string, count: number): number {
    const limit = count === 0 ? this.#size : Math.abs(count);
    const kept: string[] = [];
    let removed = 0;
    const backward = count < 0;
    for (let step = 0; step < this.#size; step += 1) {
      const other = this.at(backward ? this.#size - 1 - step : step)!;
      if (removed < limit && other === item) removed += 1;
      else kept.push(other);
    }
    if (removed > 0) this.#refill(backward ? kept.reverse() : kept);
    return removed;
  }

  *[Symbol.iterator](): Iterator<string> {
    for (let at = 0; at < this.#size; at += 1) yield this.at(at)!;
  }

  clone(): ListValue {
    return ListValue.from(this);
  }

  memory(): number {
    return listBytes + this.#size * elementBytes + this.#text;
  }

  /** Nodes of a quicklist with these items, and their bytes: `fill` as `list-max-listpack-size`. Walks the list. */
  layout(fill: number): { nodes: number; bytes: number } {
    const most = fill > 0 ? Number.POSITIVE_INFINITY : nodeBytes[Math.min(Math.max(-fill, 1), nodeBytes.length) - 1]!;
    const layout = { nodes: 0, bytes: 0 };
    let count = 0;
    let size = 0;
    for (const item of this) {
      const bytes = textSize(item);
      if (layout.nodes === 0 || size + bytes > most || (fill > 0 && count >= fill)) {
        layout.nodes += 1;
        layout.bytes += EMPTY_LISTPACK;
        size = EMPTY_LISTPACK;
        count = 0;
      }
      size += bytes;
      layout.bytes += bytes;
      count += 1;
    }
    return layout;
  }

  #slot(index: number): number {
    return (this.#head + index) & (this.#ring.length - 1);
  }

  #copy(from: number, to: number): void {
    this.#ring[this.#slot(to)] = this.#ring[this.#slot(from)];
  }

  #reserve(): void {
    if (this.#size === this.#ring.length) this.#resize(this.#ring.length * 2);
  }

  #shrink(): void {
    if (this.#ring.length > MIN_CAPACITY && this.#size * 4 < this.#ring.length) this.#resize(this.#ring.length / 2);
  }

  #resize(capacity: number): void {
    const ring = new Array<string | undefined>(capacity).fill(undefined);
    for (let at = 0; at < this.#size; at += 1) ring[at] = this.#ring[this.#slot(at)];
    this.#ring = ring;
    this.#head = 0;
  }

  #refill(items: readonly string[]): void {
    let capacity = MIN_CAPACITY;
    while (capacity < items.length) capacity *= 2;
    this.#ring = [...items, ...new Array<undefined>(capacity - items.length).fill(undefined)];
    this.#head = 0;
    this.#size = items.length;
    this.#text = items.reduce((sum, item) => sum + item.length, 0);
  }
}
