// The words about the cluster: CLUSTER with its subcommands. Each reads its arguments, asks one cluster rule
// and answers; what the rule wants done is the desk's business. Knows no sockets and no messages.

import { printShards, printSlots } from '../../lib/wire/cluster-text.ts';
import { OK, type Reply, ReplyError, Status, Verbatim } from '../../lib/wire/reply.ts';
import { slotCount, slotOfBinary } from '../../lib/wire/slot.ts';
import { bumpEpoch, setConfigEpoch } from '../cluster/epochs.ts';
import type { EndpointType } from '../cluster/guard.ts';
import { forget, meet, replicate, reset } from '../cluster/members.ts';
import {
  addSlots,
  badSlot,
  delSlots,
  flushSlots,
  onlyMasters,
  parseSlot,
  setSlotImporting,
  setSlotMigrating,
  setSlotNode,
  setSlotStable,
} from '../cluster/ownership.ts';
import { bitmapOf, slotsIn } from '../cluster/slots.ts';
import { type ClusterState, me, myMaster, type Outcome, refuse, replicasOf, type Step } from '../cluster/state.ts';
import { type BusStats, infoText, nodeLine, nodesText, type PeerView, shards, slotRanges } from '../cluster/text.ts';
import type { Client } from '../engine/client.ts';
import type { CommandGroup, Handler } from '../engine/registry.ts';

interface LinkFacts {
  readonly direction: 'to' | 'from';
  readonly openedAt: number;
  readonly waiting: number;
}

/** What the words need of the node they are spoken to. */
export interface ClusterContext {
  readonly state: ClusterState;
  /** The state as clients are told it. */
  readonly advertisedState: ClusterState;
  readonly up: boolean;
  readonly endpointType: EndpointType;
  /** The nodes talk TLS: the ports they tell each other are those with TLS. */
  readonly secure: boolean;
  readonly allowReplicaMigration: boolean;
  readonly stats: BusStats;
  apply(step: Step): void;
  peer(id: string): PeerView | undefined;
  /** The open links to a peer and from it; times in ms, sizes in bytes. */
  links(id: string): readonly LinkFacts[];
  /** How many masters report a node as failing. */
  reporters(id: string): number;
  failover(mode: 'agreed' | 'force' | 'takeover'): Outcome;
  randomId(): string;
}

type Word = (context: ClusterContext, ctx: Client, argv: readonly string[]) => Reply;

/** CLUSTER with its subcommands over `desk`, and the session's flags; undefined: cluster mode is off. */
export function clusterWords(context: ClusterContext | undefined): CommandGroup<Client> {
  const group: Record<string, Handler<Client>> = {};
  for (const [name, flag] of Object.entries(sessionFlags)) {
    group[name] = context === undefined ? () => disabled : flag;
  }
  for (const [name, word] of Object.entries(words)) {
    group[`cluster|${name}`] = context === undefined ? () => disabled : (ctx, argv) => word(context, ctx, argv);
  }
  return group;
}

const disabled = refuse('This instance has cluster support disabled');

const sessionFlags: CommandGroup<Client> = {
  asking: (client) => {
    client.asking = true;
    return OK;
  },
  readonly: (client) => {
    client.readonly = true;
    return OK;
  },
  readwrite: (client) => {
    client.readonly = false;
    return OK;
  },
};
const notInteger = refuse('value is not an integer or out of range');
const syntaxError = refuse('syntax error');

function settle(context: ClusterContext, outcome: Outcome): Reply {
  if (outcome instanceof ReplyError) return outcome;
  context.apply(outcome);
  return OK;
}

function tooManyWords(argv: readonly string[]): ReplyError {
  return refuse(`unknown subcommand or wrong number of arguments for '${argv[1]}'. Try CLUSTER HELP.`);
}

function parseInteger(word: string): number | undefined {
  return /^(?:0|-?[1-9]\d{0,17})$/.test(word) ? Number(word) : undefined;
}

type Ranges = [number, number][];

/** Single slots from argv[2] on. */
function slotList(argv: readonly string[]): Ranges | ReplyError {
  const ranges: Ranges = [];
  for (const word of argv.slice(2)) {
    const slot = parseSlot(word);
    if (slot === undefined) return refuse(badSlot);
    ranges.push([slot, slot]);
  }
  return ranges;
}

/** Pairs of bounds from argv[2] on. */
function rangeList(argv: readonly string[]): Ranges | ReplyError {
  if (argv.length % 2 !== 0) {
    return refuse(`wrong number of arguments for 'cluster|${argv[1]!.toLowerCase()}' command`);
  }
  const ranges: Ranges = [];
  for (let at = 2; at < argv.length; at += 2) {
    const start = parseSlot(argv[at]!);
    const end = parseSlot(argv[at + 1]!);
    if (start === undefined || end === undefined) return refuse(badSlot);
    ranges.push([start, end]);
  }
  return ranges;
}

function changeSlots(
  read: (argv: readonly string[]) => Ranges | ReplyError,
  rule: (state: ClusterState, ranges: Ranges) => Outcome,
): Word {
  return (context, _ctx, argv) => {
    const ranges = read(argv);
    return ranges instanceof ReplyError ? ranges : settle(context, rule(context.state, ranges));
  };
}

const setSlot: Word = (context, ctx, argv) => {
  if (me(context.state).role === 'replica') return refuse(onlyMasters);
  const slot = parseSlot(argv[2]!);
  if (slot === undefined) return refuse(badSlot);
  const action = argv[3]!.toLowerCase();
  const id = argv[4] ?? '';
  if (action === 'stable' && argv.length === 4) return settle(context, setSlotStable(context.state, slot));
  if (argv.length === 5) {
    if (action === 'migrating') return settle(context, setSlotMigrating(context.state, slot, id));
    if (action === 'importing') return settle(context, setSlotImporting(context.state, slot, id));
    const facts = {
      keysHere: ctx.store.countInSlot(slot),
      allowReplicaMigration: context.allowReplicaMigration,
    };
    if (action === 'node') return settle(context, setSlotNode(context.state, slot, id, facts));
  }
  return refuse('Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP');
};

const countKeysInSlot: Word = (_desk, ctx, argv) => {
  const slot = parseInteger(argv[2]!);
  if (slot === undefined) return notInteger;
  return slot < 0 || slot >= slotCount ? refuse('Invalid slot') : ctx.store.countInSlot(slot);
};

const getKeysInSlot: Word = (_desk, ctx, argv) => {
  const slot = parseInteger(argv[2]!);
  const count = parseInteger(argv[3]!);
  if (slot === undefined || count === undefined) return notInteger;
  if (slot < 0 || slot >= slotCount || count < 0) return refuse('Invalid slot or number of keys');
  return ctx.store.keysInSlot(slot, count);
};

const replicas: Word = (context, { plain }, argv) => {
  const node = context.state.nodes.get(argv[2]!);
  if (node === undefined) return refuse(`Unknown node ${argv[2]}`);
  if (node.role === 'replica') return refuse('The specified node is not a master');
  return replicasOf(context.state, node.id).map((replica) =>
    nodeLine(context.state, replica, (id) => context.peer(id), plain),
  );
};

const failover: Word = (context, _ctx, argv) => {
  const word = argv[2]?.toLowerCase();
  if (argv.length > 3) return tooManyWords(argv);
  if (word !== undefined && word !== 'force' && word !== 'takeover') return syntaxError;
  return settle(context, context.failover(word ?? 'agreed'));
};

const resetWord: Word = (context, ctx, argv) => {
  const word = argv[2]?.toLowerCase();
  if (argv.length > 3) return tooManyWords(argv);
  if (word !== undefined && word !== 'hard' && word !== 'soft') return syntaxError;
  return settle(context, reset(context.state, ctx.store.size, word === 'hard' ? context.randomId() : undefined));
};

/** CLUSTER SLOT-STATS: keys in each slot of this node's shard. What costs time to measure is not measured. */
const slotStats: Word = (context, ctx, argv) => {
  const bitmap = bitmapOf(context.state, myMaster(context.state).id);
  const stat = (slot: number): Reply => [slot, new Map<Reply, Reply>([['key-count', ctx.store.countInSlot(slot)]])];
  const mine = [...slotsIn(bitmap)];
  if (argv[2]!.toLowerCase() === 'slotsrange' && argv.length === 5) {
    const [start, end] = [parseSlot(argv[3]!), parseSlot(argv[4]!)];
    if (start === undefined || end === undefined) return refuse(badSlot);
    if (start > end) return refuse(`Start slot number ${start} is greater than end slot number ${end}`);
    return mine.filter((slot) => slot >= start && slot <= end).map(stat);
  }
  if (argv[2]!.toLowerCase() !== 'orderby') return syntaxError;
  if (argv[3]!.toLowerCase() !== 'key-count') return refuse('Unrecognized sort metric for ORDERBY.');
  const order = statOrder(argv.slice(4));
  if (order instanceof ReplyError) return order;
  const sign = order.ascending ? 1 : -1;
  const sorted = mine.sort((a, b) => sign * (ctx.store.countInSlot(a) - ctx.store.countInSlot(b)) || a - b);
  return sorted.slice(0, order.limit).map(stat);
};

function statOrder(words: readonly string[]): { limit: number; ascending: boolean } | ReplyError {
  const order = { limit: slotCount, ascending: false };
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!.toLowerCase();
    if (word === 'asc' || word === 'desc') order.ascending = word === 'asc';
    else if (word === 'limit' && at + 1 < words.length) {
      const limit = parseInteger(words[++at]!);
      if (limit === undefined) return notInteger;
      if (limit < 1 || limit > slotCount) {
        return refuse(`Limit has to lie in between 1 and ${slotCount} (maximum number of slots).`);
      }
      order.limit = limit;
    } else return syntaxError;
  }
  return order;
}

const links: Word = (context) => [...context.state.nodes.keys()].flatMap((id) => context.links(id).map(linkReply(id)));

function linkReply(id: string): (link: LinkFacts) => Reply {
  return ({ direction, openedAt, waiting }) =>
    new Map<Reply, Reply>([
      ['direction', direction],
      ['node', id],
      ['create-time', Math.floor(openedAt)],
      ['events', waiting > 0 ? 'rw' : 'r'],
      ['send-buffer-allocated', waiting],
      ['send-buffer-used', waiting],
    ]);
}

const help: readonly (readonly [string, string])[] = [
  ['ADDSLOTS <slot> [<slot> ...]', 'Make this node the owner of unassigned slots.'],
  ['ADDSLOTSRANGE <start> <end> [<start> <end> ...]', 'The same for ranges of slots, bounds included.'],
  ['BUMPEPOCH', 'Take a new configuration epoch without asking the others.'],
  ['COUNT-FAILURE-REPORTS <node-id>', 'How many nodes report this one as failing.'],
  ['COUNTKEYSINSLOT <slot>', 'How many keys this node holds in a slot.'],
  ['DELSLOTS <slot> [<slot> ...]', 'Forget who owns these slots.'],
  ['DELSLOTSRANGE <start> <end> [<start> <end> ...]', 'The same for ranges of slots, bounds included.'],
  ['FAILOVER [FORCE|TAKEOVER]', 'Make this replica the master of its shard.'],
  ['FLUSHSLOTS', 'Give up every slot of this node.'],
  ['FORGET <node-id>', 'Remove a node from the view of this one.'],
  ['GETKEYSINSLOT <slot> <count>', 'Names of keys that this node holds in a slot.'],
  ['HELP', 'This text.'],
  ['INFO', 'The state of the cluster as this node sees it.'],
  ['KEYSLOT <key>', 'The slot of a key.'],
  ['LINKS', 'The bus links to and from the peers.'],
  ['MEET <ip> <port> [<bus-port>]', 'Join the cluster of the node at this address.'],
  ['MYID', 'The id of this node.'],
  ['MYSHARDID', 'The id that this node shares with its master or its replicas.'],
  ['NODES', 'Every known node with its slots, a line each.'],
  ['REPLICAS <node-id>', 'The replicas of a master.'],
  ['REPLICATE <node-id>', 'Turn this node into a replica of a master.'],
  ['RESET [HARD|SOFT]', 'Leave the cluster; HARD changes the id too.'],
  ['SAVECONFIG', 'Write the configuration of the cluster to its file.'],
  ['SET-CONFIG-EPOCH <epoch>', 'Set the epoch of a node that knows no other yet.'],
  ['SETSLOT <slot> (IMPORTING <id>|MIGRATING <id>|STABLE|NODE <id>)', 'Move a slot, step by step.'],
  ['SHARDS', 'Shards with their slots and nodes.'],
  ['SLOT-STATS (SLOTSRANGE <start> <end>|ORDERBY key-count [LIMIT <n>] [ASC|DESC])', 'Keys in slots.'],
  ['SLOTS', 'Ranges of slots with the nodes that serve them.'],
];

function helpReply(): Reply {
  const head = 'CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:';
  return [head, ...help.flatMap(([form, text]) => [form, `    ${text}`])].map((line) => new Status(line));
}

const words: Readonly<Record<string, Word>> = {
  addslots: changeSlots(slotList, addSlots),
  addslotsrange: changeSlots(rangeList, addSlots),
  delslots: changeSlots(slotList, delSlots),
  delslotsrange: changeSlots(rangeList, delSlots),
  flushslots: (context, ctx) => settle(context, flushSlots(context.state, ctx.store.size)),
  setslot: setSlot,
  bumpepoch: (context) => {
    const { step, bumped } = bumpEpoch(context.state);
    context.apply(step);
    return new Status(`${bumped ? 'BUMPED' : 'STILL'} ${me(step.state).configEpoch}`);
  },
  'set-config-epoch': (context, _ctx, argv) => {
    const epoch = parseInteger(argv[2]!);
    return epoch === undefined ? notInteger : settle(context, setConfigEpoch(context.state, epoch));
  },
  saveconfig: (context) => settle(context, { state: context.state, effects: [{ kind: 'save' }] }),
  meet: (context, _ctx, argv) => settle(context, meet(context.state, argv[2]!, argv[3]!, argv[4])),
  forget: (context, ctx, argv) => settle(context, forget(context.state, argv[2]!, ctx.world.now())),
  replicate: (context, ctx, argv) => settle(context, replicate(context.state, argv[2]!, ctx.store.size)),
  reset: resetWord,
  failover,
  countkeysinslot: countKeysInSlot,
  getkeysinslot: getKeysInSlot,
  keyslot: (_desk, _ctx, argv) => slotOfBinary(argv[2]!),
  myid: (context) => context.state.myself,
  myshardid: (context) => me(context.state).shard,
  'slot-stats': slotStats,
  nodes: (context, { plain }) => new Verbatim(nodesText(context.advertisedState, (id) => context.peer(id), plain)),
  slots: (context, { plain }) => printSlots(slotRanges(context.advertisedState, context.endpointType, plain)),
  shards: (context) => printShards(shards(context.advertisedState, context.endpointType, context.secure)),
  info: (context) => new Verbatim(infoText(context.state, context.up, context.stats)),
  links,
  replicas,
  slaves: replicas,
  'count-failure-reports': (context, _ctx, argv) => {
    return context.state.nodes.has(argv[2]!) ? context.reporters(argv[2]!) : refuse(`Unknown node ${argv[2]}`);
  },
  help: helpReply,
};
