// The CLUSTER SLOTS and CLUSTER SHARDS grammars, both ways: what the client parses, the server prints.
// Knows shapes only, never who asked or what the answer is used for. A reply that is not what the grammar says
// is an Error that names the field; nothing is guessed.
// Source: redis.io/commands/cluster-slots and cluster-shards; replies of redis-server 7.0.15.

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

/** `start`..`end` inclusive, served by `nodes[0]` (master) and its replicas. */
export interface SlotRange {
  readonly start: number;
  readonly end: number;
  readonly nodes: readonly SlotNode[];
}

/** Parses a decoded CLUSTER SLOTS reply (RESP2 or RESP3; strings or bytes). Throws an Error naming the bad field. */
export function parseSlots(reply: unknown): SlotRange[] {
  return listAt(reply, 'CLUSTER SLOTS').map((entry, index) => parseSlotRange(entry, `CLUSTER SLOTS[${index}]`));
}

export function printSlots(ranges: readonly SlotRange[]): Reply[] {
  return ranges.map((range) => [range.start, range.end, ...range.nodes.map(printSlotNode)]);
}

function parseSlotRange(entry: unknown, where: string): SlotRange {
  const list = listAt(entry, where);
  const start = integerAt(list[0], `${where} start`, 0, slotCount - 1);
  const end = integerAt(list[1], `${where} end`, start, slotCount - 1);
  if (list.length < 3) throw new Error(`${where}: no node`);
  return { start, end, nodes: list.slice(2).map((node, index) => parseSlotNode(node, `${where} node ${index}`)) };
}

function parseSlotNode(value: unknown, where: string): SlotNode {
  const list = listAt(value, where);
  const fields = list[3] === undefined ? new Map<string, unknown>() : fieldsOf(list[3], `${where} metadata`);
  return {
    host: hostAt(list[0], `${where} host`),
    port: integerAt(list[1], `${where} port`, 1, 65535),
    id: list[2] === undefined ? '' : textAt(list[2], `${where} id`),
    ...optionalText(fields, 'hostname', where),
    ...optionalText(fields, 'ip', where),
  };
}

function optionalText<K extends string>(fields: Map<string, unknown>, key: K, where: string): { [P in K]?: string } {
  const value = fields.get(key);
  if (value === undefined || value === null) return {};
  return { [key]: textAt(value, `${where} ${key}`) } as { [P in K]?: string };
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

/** Parses a decoded CLUSTER SHARDS reply (flat arrays or maps). Throws an Error naming the bad field. */
export function parseShards(reply: unknown): Shard[] {
  return listAt(reply, 'CLUSTER SHARDS').map((entry, index) => parseShard(entry, `CLUSTER SHARDS[${index}]`));
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

function parseShard(entry: unknown, where: string): Shard {
  const fields = fieldsOf(entry, where);
  const flat = listAt(fields.get('slots'), `${where} slots`);
  if (flat.length % 2 !== 0) throw new Error(`${where} slots: odd number of bounds`);
  const slots: [number, number][] = [];
  for (let at = 0; at < flat.length; at += 2) {
    const start = integerAt(flat[at], `${where} slots`, 0, slotCount - 1);
    slots.push([start, integerAt(flat[at + 1], `${where} slots`, start, slotCount - 1)]);
  }
  const nodes = listAt(fields.get('nodes'), `${where} nodes`);
  return { slots, nodes: nodes.map((node, index) => parseShardNode(node, `${where} node ${index}`)) };
}

function parseShardNode(value: unknown, where: string): ShardNode {
  const fields = fieldsOf(value, where);
  const portOf = (key: string): number => integerAt(fields.get(key), `${where} ${key}`, 1, 65535);
  if (!fields.has('port') && !fields.has('tls-port')) throw new Error(`${where} port: missing`);
  return {
    id: textAt(fields.get('id'), `${where} id`),
    ...(fields.has('port') ? { port: portOf('port') } : {}),
    ...(fields.has('tls-port') ? { tlsPort: portOf('tls-port') } : {}),
    ip: textAt(fields.get('ip'), `${where} ip`),
    endpoint: hostAt(fields.get('endpoint'), `${where} endpoint`),
    ...optionalText(fields, 'hostname', where),
    role: wordAt(fields.get('role'), `${where} role`, { master: 'master', slave: 'replica', replica: 'replica' }),
    replicationOffset: integerAt(fields.get('replication-offset'), `${where} replication-offset`, 0),
    health: wordAt(fields.get('health'), `${where} health`, {
      online: 'online',
      fail: 'fail',
      failed: 'fail',
      loading: 'loading',
    }),
  };
}

function wordAt<T extends string>(value: unknown, where: string, words: Readonly<Record<string, T>>): T {
  const text = textAt(value, where);
  if (!Object.hasOwn(words, text)) throw new Error(`${where}: unknown word '${text}'`);
  return words[text]!;
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
