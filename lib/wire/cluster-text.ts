// The CLUSTER SLOTS and CLUSTER SHARDS grammars, both ways: what the client parses, the server prints.
// Knows shapes only, never who asked or what the answer is used for. A reply that is not what the grammar says
// is an Error that names the field; nothing is guessed. Given a LeftOut, a reader leaves out the entry, the replica
// or the optional field that does not fit, and notes why; only a reply that is no list at all is an Error then.
// Source: redis.io/commands/cluster-slots and cluster-shards; replies of redis-server 7.0.15.

import type { LeftOut } from './left-out.ts';
import type { Reply } from './reply.ts';
import { fieldsOf, hostAt, integerAt, listAt, textAt } from './reply-fields.ts';
import { slotCount } from './slot.ts';

/** One node of a slot range. */
export interface SlotNode {
  /** `null` (sent as null or `''`): the host this reply was asked from. `'?'`: the node's name is not known yet. */
  readonly host: string | null;
  /** 1-65535. */
  readonly port: number;
  /** 40 hex digits; `''` from servers older than 4.0. */
  readonly id: string;
  readonly hostname?: string;
  readonly ip?: string;
}

/** `start`..`end` inclusive, served by `nodes[0]` (master) and its replicas; no nodes where the master was left out. */
export interface SlotRange {
  readonly start: number;
  readonly end: number;
  readonly nodes: readonly SlotNode[];
}

/**
 * Parses a decoded CLUSTER SLOTS reply (RESP2 or RESP3; strings or bytes). Throws an Error naming the bad field; with
 * `leftOut`, what cannot be used is left out instead: entries, replicas, and all nodes of a range whose master is one.
 */
export function parseSlots(reply: unknown, leftOut?: LeftOut): SlotRange[] {
  return entriesOf(reply, 'CLUSTER SLOTS', leftOut, parseSlotRange);
}

/** Each entry read by `parse`; one that throws is left out where that is allowed. */
function entriesOf<T>(
  reply: unknown,
  where: string,
  leftOut: LeftOut | undefined,
  parse: (entry: unknown, where: string, leftOut: LeftOut | undefined) => T,
): T[] {
  const read: T[] = [];
  listAt(reply, where).forEach((entry, index) => {
    try {
      read.push(parse(entry, `${where}[${index}]`, leftOut));
    } catch (error) {
      if (leftOut === undefined) throw error;
      leftOut.add(error);
    }
  });
  return read;
}

export function printSlots(ranges: readonly SlotRange[]): Reply[] {
  return ranges.map((range) => [range.start, range.end, ...range.nodes.map(printSlotNode)]);
}

function parseSlotRange(entry: unknown, where: string, leftOut: LeftOut | undefined): SlotRange {
  const list = listAt(entry, where);
  const start = integerAt(list[0], `${where} start`, 0, slotCount - 1);
  const end = integerAt(list[1], `${where} end`, start, slotCount - 1);
  if (list.length < 3 && leftOut === undefined) throw new Error(`${where}: no node`);
  if (list.length < 3) leftOut?.add(`${where}: no node`);
  const nodes: SlotNode[] = [];
  for (let at = 2; at < list.length; at++) {
    try {
      nodes.push(parseSlotNode(list[at], `${where} node ${at - 2}`, leftOut));
    } catch (error) {
      if (leftOut === undefined) throw error;
      leftOut.add(error);
      // The first is the master: without it nobody is known to own the range, whoever its replicas are.
      if (at === 2) break;
    }
  }
  return { start, end, nodes };
}

function parseSlotNode(value: unknown, where: string, leftOut: LeftOut | undefined): SlotNode {
  const list = listAt(value, where);
  const host = hostAt(list[0], `${where} host`);
  const port = integerAt(list[1], `${where} port`, 1, 65535);
  const id = list[2] === undefined ? '' : optional(() => textAt(list[2], `${where} id`), '', leftOut);
  if (list[3] === undefined) return { host, port, id };
  const fields = optional(() => fieldsOf(list[3], `${where} metadata`), new Map<string, unknown>(), leftOut);
  return {
    host,
    port,
    id,
    ...optionalText(fields, 'hostname', where, leftOut),
    ...optionalText(fields, 'ip', where, leftOut),
  };
}

function optionalText<K extends string>(
  fields: Map<string, unknown>,
  key: K,
  where: string,
  leftOut: LeftOut | undefined,
): { [P in K]?: string } {
  const value = fields.get(key);
  if (value === undefined || value === null) return {};
  const text = optional(() => textAt(value, `${where} ${key}`), undefined, leftOut);
  return text === undefined ? {} : ({ [key]: text } as { [P in K]?: string });
}

/** A field that the entry can do without. */
function optional<T, U>(read: () => T, without: U, leftOut: LeftOut | undefined): T | U {
  if (leftOut === undefined) return read();
  try {
    return read();
  } catch (error) {
    leftOut.add(error);
    return without;
  }
}

function printSlotNode(node: SlotNode): Reply {
  const metadata = new Map<Reply, Reply>();
  if (node.ip !== undefined) metadata.set('ip', node.ip);
  if (node.hostname !== undefined) metadata.set('hostname', node.hostname);
  return [node.host, node.port, node.id, metadata];
}

type ShardRole = 'master' | 'replica';
type ShardHealth = 'online' | 'fail' | 'loading';

export interface ShardNode {
  readonly id: string;
  /** Plaintext port; absent where only TLS is served. */
  readonly port?: number;
  readonly tlsPort?: number;
  readonly ip: string;
  /** What clients should connect to; null as in CLUSTER SLOTS. */
  readonly endpoint: string | null;
  readonly hostname?: string;
  readonly role: ShardRole;
  readonly replicationOffset: number;
  readonly health: ShardHealth;
}

export interface Shard {
  /** Inclusive ranges, ascending; empty for a master without slots. */
  readonly slots: readonly (readonly [start: number, end: number])[];
  readonly nodes: readonly ShardNode[];
}

/**
 * Parses a decoded CLUSTER SHARDS reply (flat arrays or maps). Throws an Error naming the bad field; with `leftOut`,
 * unusable shards, ranges and nodes are left out instead.
 */
export function parseShards(reply: unknown, leftOut?: LeftOut): Shard[] {
  return entriesOf(reply, 'CLUSTER SHARDS', leftOut, parseShard);
}

export function printShards(shards: readonly Shard[]): Reply[] {
  return shards.map(
    (shard) =>
      new Map<Reply, Reply>([
        ['slots', shard.slots.flat()],
        ['nodes', shard.nodes.map(printShardNode)],
      ]),
  );
}

function parseShard(entry: unknown, where: string, leftOut: LeftOut | undefined): Shard {
  const fields = fieldsOf(entry, where);
  const flat = listAt(fields.get('slots'), `${where} slots`);
  if (flat.length % 2 !== 0) throw new Error(`${where} slots: odd number of bounds`);
  const slots: [number, number][] = [];
  for (let at = 0; at < flat.length; at += 2) {
    const range = optional(() => rangeAt(flat, at, `${where} slots`), undefined, leftOut);
    if (range !== undefined) slots.push(range);
  }
  return { slots, nodes: entriesOf(fields.get('nodes'), `${where} nodes`, leftOut, parseShardNode) };
}

function rangeAt(flat: readonly unknown[], at: number, where: string): [number, number] {
  const start = integerAt(flat[at], where, 0, slotCount - 1);
  return [start, integerAt(flat[at + 1], where, start, slotCount - 1)];
}

function parseShardNode(value: unknown, where: string, leftOut: LeftOut | undefined): ShardNode {
  const fields = fieldsOf(value, where);
  const ports = { ...portAt(fields, 'port', 'port', where, leftOut) };
  Object.assign(ports, portAt(fields, 'tls-port', 'tlsPort', where, leftOut));
  if (Object.keys(ports).length === 0) throw new Error(`${where} port: missing`);
  return {
    id: optional(() => textAt(fields.get('id'), `${where} id`), '', leftOut),
    ...ports,
    ip: optional(() => textAt(fields.get('ip'), `${where} ip`), '', leftOut),
    endpoint: hostAt(fields.get('endpoint'), `${where} endpoint`),
    ...optionalText(fields, 'hostname', where, leftOut),
    role: valueAt(fields.get('role'), `${where} role`, { master: 'master', slave: 'replica', replica: 'replica' }),
    replicationOffset: optional(
      () => integerAt(fields.get('replication-offset'), `${where} replication-offset`, 0),
      0,
      leftOut,
    ),
    // A state that is not known here says nothing against the node.
    health: optional(() => valueAt(fields.get('health'), `${where} health`, healthValues), 'online', leftOut),
  };
}

function portAt<K extends string>(
  fields: Map<string, unknown>,
  key: string,
  name: K,
  where: string,
  leftOut: LeftOut | undefined,
): { [P in K]?: number } {
  if (!fields.has(key)) return {};
  const port = optional(() => integerAt(fields.get(key), `${where} ${key}`, 1, 65535), undefined, leftOut);
  return port === undefined ? {} : ({ [name]: port } as { [P in K]?: number });
}

const healthValues = { online: 'online', fail: 'fail', failed: 'fail', loading: 'loading' } as const;

function valueAt<T extends string>(value: unknown, where: string, values: Readonly<Record<string, T>>): T {
  const text = textAt(value, where);
  if (!Object.hasOwn(values, text)) throw new Error(`${where}: unknown word '${text}'`);
  return values[text]!;
}

function printShardNode(node: ShardNode): Reply {
  const fields = new Map<Reply, Reply>([['id', node.id]]);
  if (node.port !== undefined) fields.set('port', node.port);
  if (node.tlsPort !== undefined) fields.set('tls-port', node.tlsPort);
  fields.set('ip', node.ip);
  fields.set('endpoint', node.endpoint);
  if (node.hostname !== undefined) fields.set('hostname', node.hostname);
  fields.set('role', node.role);
  fields.set('replication-offset', node.replicationOffset);
  fields.set('health', node.health);
  return fields;
}
