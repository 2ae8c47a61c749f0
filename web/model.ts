// What the page knows, made of what the server sent. Pure; no DOM.
// Invariant: lists that grow have a limit; a shard keeps its colour for as long as the page is open.

import type { EventRow, Frame, Hello, NodeRow, Totals } from '../server/operator/dashboard/protocol.ts';
import { colourOf, type Rgb } from './figures.ts';

const historyLength = 600;
const eventsKept = 300;
export const slotCount = 16_384;
const nobody = -1;

export class Model {
  frame: Frame | undefined;
  history: Totals[] = [];
  /** Newest last. */
  events: EventRow[] = [];
  operate = false;
  intervalMs = 1000;
  /** Index in `frame.nodes` of the owner of every slot, -1: nobody. */
  readonly owners: Int16Array = new Int16Array(slotCount).fill(nobody);
  /** 0 to 15 for every slot. */
  readonly heat: Uint8Array = new Uint8Array(slotCount);
  hasHeat = false;
  /** Slots that are open. */
  moving: ReadonlySet<number> = new Set();
  readonly #places = new Map<string, number>();

  hello({ history, events, operate, intervalMs }: Hello): void {
    this.history = history.slice(-historyLength);
    this.events = events.slice(-eventsKept);
    this.operate = operate;
    this.intervalMs = intervalMs;
  }

  take(frame: Frame): void {
    this.frame = frame;
    if (this.history.at(-1)?.at !== frame.totals.at) this.history.push(frame.totals);
    if (this.history.length > historyLength) this.history.shift();
    if (frame.events.length > 0) this.events = [...this.events, ...frame.events].slice(-eventsKept);
    this.owners.fill(nobody);
    for (const [start, end, index] of frame.owners) this.owners.fill(index, start, end + 1);
    this.moving = new Set(frame.open.map(({ slot }) => slot));
    for (const [, , index] of frame.owners) this.#placeOf(frame.nodes[index]!.shard);
  }

  takeHeat(digits: string): void {
    this.hasHeat = true;
    for (let slot = 0; slot < slotCount; slot++) this.heat[slot] = Number.parseInt(digits[slot] ?? '0', 16);
  }

  ownerOf(slot: number): NodeRow | undefined {
    return this.frame?.nodes[this.owners[slot]!];
  }

  /** Masters with slots, ascending by their first. */
  get masters(): NodeRow[] {
    const found = new Set(this.frame?.owners.map(([, , index]) => index) ?? []);
    return [...found].map((index) => this.frame!.nodes[index]!);
  }

  colourOf(node: Pick<NodeRow, 'shard'>): Rgb {
    return colourOf(this.#placeOf(node.shard));
  }

  #placeOf(shard: string): number {
    const known = this.#places.get(shard);
    if (known !== undefined) return known;
    // After a failover a shard has another name; its colour is that of the node that left its place.
    const place = this.#places.size;
    this.#places.set(shard, place);
    return place;
  }
}

export interface Column {
  readonly name: string;
  readonly key: keyof NodeRow;
  /** Greatest first, when it is asked for first. */
  readonly descending: boolean;
}

export const columns: readonly Column[] = [
  { name: 'Node', key: 'address', descending: false },
  { name: 'Role', key: 'role', descending: false },
  { name: 'Status', key: 'status', descending: false },
  { name: 'Slots', key: 'slots', descending: true },
  { name: 'Keys', key: 'keys', descending: true },
  { name: 'Memory', key: 'memory', descending: true },
  { name: 'Ops/s', key: 'ops', descending: true },
  { name: 'CPU', key: 'cpu', descending: true },
  { name: 'Moved/s', key: 'redirects', descending: true },
  { name: 'Clients', key: 'clients', descending: true },
  { name: 'Ping ms', key: 'pingMs', descending: true },
  { name: 'Lag', key: 'lagBytes', descending: true },
  { name: 'Server', key: 'server', descending: false },
];

export interface Order {
  readonly key: keyof NodeRow | 'shard';
  readonly descending: boolean;
}

/** Filtered and sorted; by shard: each master with its replicas behind it. */
export function orderedNodes(nodes: readonly NodeRow[], filter: string, { key, descending }: Order): NodeRow[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = nodes.filter((node) => {
    const text = `${node.address} ${node.role} ${node.status} ${node.server} ${node.id}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  if (key === 'shard') {
    const first = new Map(nodes.map((node, at) => [node.id, at]));
    const rank = (node: NodeRow): number =>
      (first.get(node.shard) ?? nodes.length) * 2 + (node.role === 'master' ? 0 : 1);
    return chosen.sort((one, other) => rank(one) - rank(other));
  }
  const sign = descending ? -1 : 1;
  return chosen.sort((one, other) => sign * compare(one[key], other[key]));
}

function compare(one: NodeRow[keyof NodeRow], other: NodeRow[keyof NodeRow]): number {
  if (one === other) return 0;
  if (one === null) return -1;
  if (other === null) return 1;
  if (typeof one === 'string' && typeof other === 'string') return one.localeCompare(other, 'en', { numeric: true });
  return Number(one) - Number(other);
}

/** Server-sent events in a text that comes in pieces. */
export class EventReader {
  #rest = '';

  /** Gives what became whole. */
  feed(text: string): { event: string; data: string }[] {
    const parts = (this.#rest + text).split('\n\n');
    this.#rest = parts.pop()!;
    return parts.map((part) => {
      const field = (name: string): string =>
        part
          .split('\n')
          .filter((line) => line.startsWith(`${name}: `))
          .map((line) => line.slice(name.length + 2))
          .join('\n');
      return { event: field('event'), data: field('data') };
    });
  }
}
