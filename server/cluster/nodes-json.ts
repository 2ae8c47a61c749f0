// The cluster configuration of a node as JSON, both ways: the same facts as nodes.conf, for people and scripts. Pure.
// {version, last_save, myself, current_epoch, last_vote_epoch, nodes{id -> {node_id, addr, bus_port, hostname, role,
// master_id, shard_id, slots[[start, end]], flags[], config_epoch}}, slots{"start-end" -> id}, migrating{slot -> id}, importing, unclaimed[slot],
// imported[{start, end, source, released_at}]}
// `version` counts the saves. Invariant: parsing what was printed gives the same state, or throws one clear Error.

import type { NodeLine } from '../../lib/wire/cluster-nodes.ts';
import { type ImportInDoubt, importsInDoubt } from './moves-in-doubt.ts';
import { assemble, maxNodes, readShard } from './nodes-conf.ts';
import { ownedRanges, rangesOf } from './slots.ts';
import type { ClusterNode, ClusterState } from './state.ts';
import { flagWords } from './text.ts';

export interface JsonFacts {
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly savedAt: number;
}

export function printNodesJson(state: ClusterState, { version, savedAt }: JsonFacts): string {
  const known = [...state.nodes.values()].filter((node) => !node.handshake);
  const slots = ownedRanges(state).map(({ start, end, owner }) => [rangeText(start, end), owner] as const);
  const content = {
    version,
    last_save: new Date(savedAt).toISOString(),
    myself: state.myself,
    current_epoch: state.currentEpoch,
    last_vote_epoch: state.lastVoteEpoch,
    nodes: Object.fromEntries(known.map((node) => [node.id, nodeRecord(state, node)])),
    slots: Object.fromEntries(slots),
    migrating: Object.fromEntries(state.migrating),
    importing: Object.fromEntries(state.importing),
    unclaimed: [...state.unclaimed],
    imported: importsInDoubt(state).map(({ releasedAt, ...rest }) => ({ ...rest, released_at: releasedAt })),
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

function nodeRecord(state: ClusterState, node: ClusterNode): Record<string, unknown> {
  return {
    node_id: node.id,
    addr: `${node.host}:${node.port}`,
    bus_port: node.cport,
    hostname: node.hostname,
    role: node.role,
    master_id: node.master ?? '',
    shard_id: node.shard,
    slots: rangesOf(state, node.id),
    flags: flagWords(node, node.id === state.myself),
    config_epoch: node.configEpoch,
  };
}

function rangeText(start: number, end: number): string {
  return start === end ? String(start) : `${start}-${end}`;
}

/** Throws an Error that says what is wrong. */
export function parseNodesJson(text: string): { readonly state: ClusterState; readonly version: number } {
  const content = record(JSON.parse(text), 'the file');
  const records = Object.values(record(content['nodes'], 'nodes'));
  if (records.length > maxNodes) throw new Error(`it has more than ${maxNodes} nodes`);
  const open = { migrating: openSlots(content, 'migrating'), importing: openSlots(content, 'importing') };
  const myself = word(content['myself'], 'myself');
  const lines = records.map((each) => lineFrom(record(each, 'a node'), myself, open));
  const state = assemble(lines, {
    currentEpoch: count(content['current_epoch'], 'current_epoch'),
    lastVoteEpoch: count(content['last_vote_epoch'], 'last_vote_epoch'),
    shards: shardsIn(records),
    // Files of before have none.
    doubts: {
      unclaimed: list(content['unclaimed'] ?? [], 'unclaimed').map((slot) => count(slot, 'unclaimed', 16_383)),
      imported: list(content['imported'] ?? [], 'imported').map((each) => importFrom(record(each, 'an import'))),
    },
  });
  return { state, version: count(content['version'], 'version') };
}

/** Files of before have none. */
function shardsIn(records: readonly unknown[]): Map<string, string> {
  const withShard = records.map((each) => record(each, 'a node')).filter((each) => each['shard_id'] !== undefined);
  return new Map(
    withShard
      .filter((each) => each['role'] === 'master')
      .map((each) => [word(each['node_id'], 'node_id'), readShard(word(each['shard_id'], 'shard_id'), 'shard_id')]),
  );
}

function lineFrom(from: Fields, myself: string, open: Pick<NodeLine, 'migrating' | 'importing'>): NodeLine {
  const id = word(from['node_id'], 'node_id');
  const address = word(from['addr'], `addr of ${id}`);
  const colon = address.lastIndexOf(':');
  if (colon < 0) throw new Error(`addr of ${id}: no port in '${address}'`);
  const flags = list(from['flags'], `flags of ${id}`).map((flag) => word(flag, `flags of ${id}`));
  const isReplica = flags.includes('slave');
  if (isReplica !== (from['role'] === 'replica')) throw new Error(`role of ${id}: its flags say another`);
  const master = word(from['master_id'], `master_id of ${id}`);
  const mine = id === myself;
  return {
    id,
    host: address.slice(0, colon),
    port: count(Number(address.slice(colon + 1) || 'x'), `port of ${id}`, 65_535),
    cport: count(from['bus_port'], `bus_port of ${id}`, 65_535),
    hostname: word(from['hostname'], `hostname of ${id}`),
    flags: [...flags.filter((flag) => flag !== 'myself'), ...(mine ? ['myself'] : [])],
    master: master === '' ? null : master,
    pingSent: 0,
    pongReceived: 0,
    configEpoch: count(from['config_epoch'], `config_epoch of ${id}`),
    connected: false,
    ranges: list(from['slots'], `slots of ${id}`).map((range) => rangeFrom(range, id)),
    migrating: mine ? open.migrating : new Map(),
    importing: mine ? open.importing : new Map(),
  };
}

function rangeFrom(value: unknown, id: string): [number, number] {
  const [start, end, more] = list(value, `slots of ${id}`).map((slot) => count(slot, `slots of ${id}`, 16_383));
  if (start === undefined || end === undefined || more !== undefined || end < start) {
    throw new Error(`slots of ${id}: a range is [start, end]`);
  }
  return [start, end];
}

function importFrom(from: Fields): ImportInDoubt {
  const [start, end] = [count(from['start'], 'start', 16_383), count(from['end'], 'end', 16_383)];
  const released = from['released_at'];
  const releasedAt = released === undefined ? undefined : count(released, 'released_at');
  return { start, end, source: word(from['source'], 'source'), releasedAt };
}

function openSlots(content: Fields, field: string): Map<number, string> {
  const slots = Object.entries(record(content[field], field));
  return new Map(slots.map(([slot, id]) => [count(Number(slot || 'x'), field, 16_383), word(id, field)]));
}

type Fields = Readonly<Record<string, unknown>>;

function record(value: unknown, where: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Error(`${where} is no object`);
}

function list(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Error(`${where} is no array`);
}

function word(value: unknown, where: string): string {
  if (typeof value === 'string') return value;
  throw new Error(`${where} is no text`);
}

function count(value: unknown, where: string, most: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new Error(`${where} is no number within 0..${most}`);
}
