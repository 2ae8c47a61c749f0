// The commands about the cluster: CLUSTER with its subcommands, READONLY and its kin. Each reads its arguments, applies
// one cluster rule and replies; the step that the rule gives is applied by the member. Knows no sockets and no messages.

import { printShards, printSlots } from '../../lib/wire/cluster-text.ts';
import { OK, type Reply, ReplyError, Status, Verbatim } from '../../lib/wire/reply.ts';
import { slotCount, slotOfBinary } from '../../lib/wire/slot.ts';
import { bumpEpoch, setConfigEpoch } from '../cluster/epochs.ts';
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
import { type ClusterState, me, myMaster, type Outcome, refuse, replicasOf } from '../cluster/state.ts';
import { infoText, nodeLine, nodesText, shards, slotRanges } from '../cluster/text.ts';
import type { Client } from '../engine/client.ts';
import type { CommandGroup, Handler } from '../engine/registry.ts';
import type { ClusterMember } from './membership.ts';
import type { OpenLink } from './peer-table.ts';

type ClusterCommand = (member: ClusterMember, client: Client, argv: readonly string[]) => Reply;

/** CLUSTER with its subcommands of this node, and the session's flags; undefined: cluster mode is off. */
export function clusterCommands(member: ClusterMember | undefined): CommandGroup<Client> {
  const group: Record<string, Handler<Client>> = {};
  for (const [name, flag] of Object.entries(sessionFlags)) {
    group[name] = member === undefined ? () => disabled : flag;
  }
  for (const [name, command] of Object.entries(commands)) {
    group[`cluster|${name}`] = member === undefined ? () => disabled : (client, argv) => command(member, client, argv);
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

function settle(member: ClusterMember, outcome: Outcome): Reply {
  if (outcome instanceof ReplyError) return outcome;
  member.apply(outcome);
  return OK;
}

function tooManyWords(argv: readonly string[]): ReplyError {
  return refuse(`unknown subcommand or wrong number of arguments for '${argv[1]}'. Try CLUSTER HELP.`);
}

function parseInteger(argument: string): number | undefined {
  return /^(?:0|-?[1-9]\d{0,17})$/.test(argument) ? Number(argument) : undefined;
}

type Ranges = [number, number][];

/** Single slots from argv[2] on. */
function slotList(argv: readonly string[]): Ranges | ReplyError {
  const ranges: Ranges = [];
  for (const argument of argv.slice(2)) {
    const slot = parseSlot(argument);
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
): ClusterCommand {
  return (member, _client, argv) => {
    const ranges = read(argv);
    return ranges instanceof ReplyError ? ranges : settle(member, rule(member.state, ranges));
  };
}

const setSlot: ClusterCommand = (member, client, argv) => {
  if (me(member.state).role === 'replica') return refuse(onlyMasters);
  const slot = parseSlot(argv[2]!);
  if (slot === undefined) return refuse(badSlot);
  const action = argv[3]!.toLowerCase();
  const id = argv[4] ?? '';
  if (action === 'stable' && argv.length === 4) return settle(member, setSlotStable(member.state, slot));
  if (argv.length === 5) {
    if (action === 'migrating') return settle(member, setSlotMigrating(member.state, slot, id));
    if (action === 'importing') return settle(member, setSlotImporting(member.state, slot, id));
    const facts = {
      keysHere: client.store.countInSlot(slot),
      allowReplicaMigration: member.settings.allowReplicaMigration,
    };
    if (action === 'node') return settle(member, setSlotNode(member.state, slot, id, facts));
  }
  return refuse('Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP');
};

const countKeysInSlot: ClusterCommand = (_member, client, argv) => {
  const slot = parseInteger(argv[2]!);
  if (slot === undefined) return notInteger;
  return slot < 0 || slot >= slotCount ? refuse('Invalid slot') : client.store.countInSlot(slot);
};

const getKeysInSlot: ClusterCommand = (_member, client, argv) => {
  const slot = parseInteger(argv[2]!);
  const count = parseInteger(argv[3]!);
  if (slot === undefined || count === undefined) return notInteger;
  if (slot < 0 || slot >= slotCount || count < 0) return refuse('Invalid slot or number of keys');
  return client.store.keysInSlot(slot, count);
};

const replicas: ClusterCommand = (member, { plain }, argv) => {
  const node = member.state.nodes.get(argv[2]!);
  if (node === undefined) return refuse(`Unknown node ${argv[2]}`);
  if (node.role === 'replica') return refuse('The specified node is not a master');
  return replicasOf(member.state, node.id).map((replica) =>
    nodeLine(member.state, replica, (id) => member.links.view(id), plain),
  );
};

const failover: ClusterCommand = (member, _client, argv) => {
  const mode = argv[2]?.toLowerCase();
  if (argv.length > 3) return tooManyWords(argv);
  if (mode !== undefined && mode !== 'force' && mode !== 'takeover') return syntaxError;
  return settle(member, member.failover.start(mode ?? 'agreed'));
};

const resetCommand: ClusterCommand = (member, client, argv) => {
  const mode = argv[2]?.toLowerCase();
  if (argv.length > 3) return tooManyWords(argv);
  if (mode !== undefined && mode !== 'hard' && mode !== 'soft') return syntaxError;
  return settle(
    member,
    reset(member.state, client.store.size, mode === 'hard' ? member.cluster.randomId() : undefined),
  );
};

/** CLUSTER SLOT-STATS: keys in each slot of this node's shard. What costs time to measure is not measured. */
const slotStats: ClusterCommand = (member, client, argv) => {
  const bitmap = bitmapOf(member.state, myMaster(member.state).id);
  const stat = (slot: number): Reply => [slot, new Map<Reply, Reply>([['key-count', client.store.countInSlot(slot)]])];
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
  const sorted = mine.sort((a, b) => sign * (client.store.countInSlot(a) - client.store.countInSlot(b)) || a - b);
  return sorted.slice(0, order.limit).map(stat);
};

function statOrder(args: readonly string[]): { limit: number; ascending: boolean } | ReplyError {
  const order = { limit: slotCount, ascending: false };
  for (let at = 0; at < args.length; at++) {
    const argument = args[at]!.toLowerCase();
    if (argument === 'asc' || argument === 'desc') order.ascending = argument === 'asc';
    else if (argument === 'limit' && at + 1 < args.length) {
      const limit = parseInteger(args[++at]!);
      if (limit === undefined) return notInteger;
      if (limit < 1 || limit > slotCount) {
        return refuse(`Limit has to lie in between 1 and ${slotCount} (maximum number of slots).`);
      }
      order.limit = limit;
    } else return syntaxError;
  }
  return order;
}

const links: ClusterCommand = (member) =>
  [...member.state.nodes.keys()].flatMap((id) => member.links.links(id).map(linkReply(id)));

function linkReply(id: string): (link: OpenLink) => Reply {
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

const commands: Readonly<Record<string, ClusterCommand>> = {
  addslots: changeSlots(slotList, addSlots),
  addslotsrange: changeSlots(rangeList, addSlots),
  delslots: changeSlots(slotList, delSlots),
  delslotsrange: changeSlots(rangeList, delSlots),
  flushslots: (member, client) => settle(member, flushSlots(member.state, client.store.size)),
  setslot: setSlot,
  bumpepoch: (member) => {
    const { step, bumped } = bumpEpoch(member.state);
    member.apply(step);
    return new Status(`${bumped ? 'BUMPED' : 'STILL'} ${me(step.state).configEpoch}`);
  },
  'set-config-epoch': (member, _client, argv) => {
    const epoch = parseInteger(argv[2]!);
    return epoch === undefined ? notInteger : settle(member, setConfigEpoch(member.state, epoch));
  },
  saveconfig: (member) => settle(member, { state: member.state, effects: [{ kind: 'save' }] }),
  meet: (member, _client, argv) => settle(member, meet(member.state, argv[2]!, argv[3]!, argv[4])),
  forget: (member, client, argv) => settle(member, forget(member.state, argv[2]!, client.world.now())),
  replicate: (member, client, argv) => settle(member, replicate(member.state, argv[2]!, client.store.size)),
  reset: resetCommand,
  failover,
  countkeysinslot: countKeysInSlot,
  getkeysinslot: getKeysInSlot,
  keyslot: (_member, _client, argv) => slotOfBinary(argv[2]!),
  myid: (member) => member.state.myself,
  myshardid: (member) => me(member.state).shard,
  'slot-stats': slotStats,
  nodes: (member, { plain }) => new Verbatim(nodesText(member.advertisedState, (id) => member.links.view(id), plain)),
  slots: (member, { plain }) => printSlots(slotRanges(member.advertisedState, member.settings.endpointType, plain)),
  shards: (member) =>
    printShards(shards(member.advertisedState, member.settings.endpointType, member.settings.secure ?? false)),
  info: (member) => new Verbatim(infoText(member.state, member.up, member.links.stats)),
  links,
  replicas,
  slaves: replicas,
  'count-failure-reports': (member, _client, argv) => {
    return member.state.nodes.has(argv[2]!)
      ? member.failures.reporters(argv[2]!).size
      : refuse(`Unknown node ${argv[2]}`);
  },
  help: helpReply,
};
