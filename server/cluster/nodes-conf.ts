// The cluster configuration of a node as redis keeps it in nodes.conf, both ways. Pure.
// Lines of CLUSTER NODES without the nodes in handshake, then `vars currentEpoch N lastVoteEpoch M`.
// Invariant: whatever the text, parsing gives a state that the rules can work on, or throws one clear Error.

import { type NodeLine, parseNodes } from '../../lib/wire/cluster-nodes.ts';
import { slotCount } from '../../lib/wire/slot.ts';
import { type MovesInDoubt, noDoubts, printDoubts, readDoubt, withDoubts } from './moves-in-doubt.ts';
import { SlotTable } from './slot-table.ts';
import { rangesOf } from './slots.ts';
import { type ClusterNode, type ClusterState, newNode, newState, shardOf } from './state.ts';
import { nodeLine } from './text.ts';

export const maxNodes = 10_000;
const flagNames = new Set([
  'myself',
  'master',
  'slave',
  'fail?',
  'fail',
  'handshake',
  'noaddr',
  'nofailover',
  'noflags',
]);

const shardPrefix = 'shard-';

export function printNodesFile(state: ClusterState): string {
  const known = [...state.nodes.values()].filter((node) => !node.handshake);
  const lines = known.map((node) => fileLine(state, node));
  const epochs = `currentEpoch ${state.currentEpoch} lastVoteEpoch ${state.lastVoteEpoch}`;
  return `${lines.join('\n')}\nvars ${epochs}${shardVars(state.nodes)}${printDoubts(state)}\n`;
}

/** Shards that are not what who follows whom says: redis-server passes over vars that it does not know. */
function shardVars(nodes: ClusterState['nodes']): string {
  const known = knownShards.get(nodes);
  if (known !== undefined) return known;
  let text = '';
  for (const { id, role, shard, handshake } of nodes.values()) {
    if (role === 'master' && !handshake && shard !== shardOf(id)) text += ` ${shardPrefix}${id} ${shard}`;
  }
  knownShards.set(nodes, text);
  return text;
}

// While slots move the nodes stay the same.
const knownShards = new WeakMap<ClusterState['nodes'], string>();

interface KnownLine {
  readonly ranges: ReturnType<typeof rangesOf>;
  readonly configEpoch: number;
  readonly text: string;
}

// While slots are opened and closed the others' lines stay as they are, and most of them while slots move.
const knownLines = new WeakMap<ClusterNode, KnownLine>();

function fileLine(state: ClusterState, node: ClusterNode): string {
  if (node.id === state.myself) return nodeLine(state, node, noPeers);
  const master = node.master === null ? undefined : state.nodes.get(node.master);
  const { configEpoch } = master ?? node;
  const ranges = rangesOf(state, node.id);
  const known = knownLines.get(node);
  if (known !== undefined && known.ranges === ranges && known.configEpoch === configEpoch) return known.text;
  const text = nodeLine(state, node, noPeers);
  knownLines.set(node, { ranges, configEpoch, text });
  return text;
}

function noPeers(): undefined {
  return undefined;
}

/** Throws an Error that says what is wrong. */
export function parseNodesFile(text: string): ClusterState {
  const rows = text.split('\n').filter((row) => row.trim() !== '');
  const vars = rows.filter((row) => /^vars\s/.test(row));
  if (vars.length !== 1 || rows.at(-1) !== vars[0]) {
    throw new Error(vars.length === 0 ? 'it has no line of vars: its end is missing' : 'vars is not its last line');
  }
  if (rows.length > maxNodes + 1) throw new Error(`it has more than ${maxNodes} nodes`);
  const lines = parseNodes(rows.slice(0, -1).join('\n'));
  return assemble(lines, readVars(vars[0]!));
}

/** Of a state, what the lines do not say. */
export interface Vars {
  readonly currentEpoch: number;
  readonly lastVoteEpoch: number;
  /** Id of a master -> its shard, where that is not the one it founded. */
  readonly shards: ReadonlyMap<string, string>;
  readonly doubts: MovesInDoubt;
}

function readVars(row: string): Vars {
  const tokens = row.trim().split(/\s+/).slice(1);
  if (tokens.length % 2 !== 0) throw new Error('vars: a name without a value');
  const epochs = { currentEpoch: 0, lastVoteEpoch: 0 };
  const shards = new Map<string, string>();
  let doubts = noDoubts;
  for (let at = 0; at < tokens.length; at += 2) {
    const [name, value] = [tokens[at]!, tokens[at + 1]!];
    const doubt = readDoubt(name, value);
    if (doubt !== undefined) doubts = joined(doubts, doubt);
    else if (name.startsWith(shardPrefix)) shards.set(name.slice(shardPrefix.length), readShard(value, `vars ${name}`));
    // Of later servers there may be more.
    else if (name === 'currentEpoch' || name === 'lastVoteEpoch') epochs[name] = readEpoch(value, `vars ${name}`);
  }
  return { ...epochs, shards, doubts };
}

function joined(one: MovesInDoubt, other: MovesInDoubt): MovesInDoubt {
  return {
    unclaimed: [...one.unclaimed, ...other.unclaimed],
    imported: [...one.imported, ...other.imported],
  };
}

export function readShard(text: string, where: string): string {
  if (!isId(text)) throw new Error(`${where}: '${text.slice(0, 60)}' is no id of a shard`);
  return text;
}

function readEpoch(text: string, where: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new Error(`${where}: '${text}' is not a number`);
  return value;
}

/** Puts a state together from lines of any origin, checking that they agree with each other. */
export function assemble(lines: readonly NodeLine[], vars: Vars): ClusterState {
  const { currentEpoch, lastVoteEpoch, shards } = vars;
  const mine = lines.filter((line) => line.flags.includes('myself'));
  if (mine.length !== 1) throw new Error(mine.length === 0 ? 'no node of it is myself' : 'two nodes of it are myself');
  const ids = new Set(lines.map(({ id }) => id));
  const nodes = new Map<string, ClusterNode>();
  for (const line of lines) {
    if (nodes.has(line.id)) throw new Error(`node ${line.id} is in it twice`);
    nodes.set(line.id, nodeFrom(line, ids, shards));
  }
  const myself = mine[0]!;
  const highest = Math.max(...[...nodes.values()].map(({ configEpoch }) => configEpoch));
  const state: ClusterState = {
    ...newState(myself.id, myself),
    nodes,
    owners: ownersFrom(lines),
    currentEpoch: Math.max(currentEpoch, highest),
    lastVoteEpoch,
    migrating: openSlots(myself.migrating, nodes),
    importing: openSlots(myself.importing, nodes),
  };
  return withDoubts(state, vars.doubts);
}

function nodeFrom(line: NodeLine, ids: ReadonlySet<string>, shards: Vars['shards']): ClusterNode {
  const { id, flags, master } = line;
  if (!isId(id)) throw new Error(`'${id.slice(0, 60)}' is no node id`);
  for (const flag of flags) if (!flagNames.has(flag)) throw new Error(`node ${id}: unknown flag '${flag}'`);
  if (flags.includes('master') && flags.includes('slave')) throw new Error(`node ${id}: both master and slave`);
  const role = flags.includes('slave') ? 'replica' : 'master';
  if (master !== null && (!isId(master) || master === id))
    throw new Error(`node ${id}: '${master}' cannot be its master`);
  if (role === 'master' && master !== null) throw new Error(`node ${id}: a master that has a master`);
  if (/[\s,]/.test(line.host)) throw new Error(`node ${id}: '${line.host}' is no address`);
  const cport = line.cport === 0 && line.port > 0 ? line.port + 10_000 : line.cport;
  const known = master !== null && ids.has(master) ? master : null;
  return {
    ...newNode(id, { host: line.host, port: line.port, cport, hostname: line.hostname }),
    role,
    shard: shards.get(known ?? id) ?? shardOf(known ?? id),
    master: known,
    // What a replica prints is its master's.
    configEpoch: role === 'replica' ? 0 : line.configEpoch,
    suspect: flags.includes('fail?'),
    failed: flags.includes('fail'),
    noFailover: flags.includes('nofailover'),
  };
}

function isId(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

function ownersFrom(lines: readonly NodeLine[]): SlotTable<string> {
  const owners = new Array<string | undefined>(slotCount).fill(undefined);
  for (const { id, ranges } of lines) {
    for (const [start, end] of ranges) {
      for (let slot = start; slot <= end; slot++) {
        if (owners[slot] !== undefined) throw new Error(`slot ${slot} belongs to two nodes`);
        owners[slot] = id;
      }
    }
  }
  return SlotTable.from(owners);
}

/** A move to or from a node that is not known any more is over. */
function openSlots(slots: ReadonlyMap<number, string>, nodes: ReadonlyMap<string, ClusterNode>): Map<number, string> {
  return new Map([...slots].filter(([, id]) => nodes.has(id)));
}
