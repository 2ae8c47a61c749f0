// Every reason for which a server does not run a call now, in one list: the order of redis-server 7.0's processCommand,
// which clients see.
// Owns nothing: each check is a function of the server's state, the client and the call. Two of them do more than look:
// memory makes room first (eviction), and access rules note what they deny in the ACL log.
// Invariant: no other place of the engine refuses a call of a client; scripts have a list of their own (script/run.ts),
// for the commands they call, with the checks that both have in common from here.

import { Flag } from '../../lib/command/flags.ts';
import type { CommandRow } from '../../lib/command/table.ts';
import { ReplyError, refusals } from '../../lib/wire/reply.ts';
import { keysOf, mayReplicate, permissionFlags, takesMemory, writes } from './call-traits.ts';
import type { Client } from './client.ts';
import type { Engine } from './engine.ts';
import { notOffered } from './guarded.ts';
import { arityRefusal, wrongArity } from './registry.ts';

/** The state of a server, as far as the gate looks at it. */
export type GateState = Pick<
  Engine,
  | 'config'
  | 'access'
  | 'cluster'
  | 'memory'
  | 'persistence'
  | 'replication'
  | 'readOnly'
  | 'primaryDown'
  | 'loading'
  | 'copying'
  | 'copyingBeside'
  | 'busy'
  | 'pauses'
>;

/** The call waits until a pause is over, then passes the gate anew. */
export const held: unique symbol = Symbol('held');

type Refusal = ReplyError | undefined;

/** Undefined: run it. Else the error to answer, or `held`. */
export function gate(
  state: GateState,
  client: Client,
  row: CommandRow,
  argv: readonly string[],
): Refusal | typeof held {
  return (
    arity(row, argv) ??
    protectedCommand(state, client, row) ??
    authentication(state, client, row) ??
    insideMulti(client, row) ??
    accessRules(state, client, row, argv) ??
    clusterSlots(state, client, row, argv) ??
    fullMemory(state, client, row) ??
    failedDisk(state, client, row) ??
    fewReplicas(state, client, row) ??
    readOnlyReplica(state, client, row) ??
    subscriberContext(client, row) ??
    primaryDown(state, client, row) ??
    loading(state, client, row) ??
    busyScript(state, row) ??
    replicaConnection(client, row) ??
    paused(state, client, row)
  );
}

const noAuth = new ReplyError('NOAUTH Authentication required.');
const noMulti = new ReplyError('ERR Command not allowed inside a transaction');
const loadingRefusal = new ReplyError(refusals.loading);
const masterDown = new ReplyError(refusals.masterDown);
const noReplicas = new ReplyError('NOREPLICAS Not enough good replicas to write.');
const replicaRefusal = new ReplyError("ERR Replica can't interact with the keyspace");
const readOnlyRefusal = new ReplyError(refusals.readOnly);
const outOfMemory = new ReplyError("OOM command not allowed when used memory > 'maxmemory'.");
const subscriberCommands = new Set([
  'subscribe',
  'ssubscribe',
  'psubscribe',
  'unsubscribe',
  'sunsubscribe',
  'punsubscribe',
  'ping',
  'quit',
  'reset',
]);
const shardCommands = new Set(['ssubscribe', 'sunsubscribe', 'spublish']);

function arity(row: CommandRow, argv: readonly string[]): Refusal {
  return wrongArity(row, argv) ? arityRefusal(row.name) : undefined;
}

/** DEBUG and MODULE, unless the configuration allows them. */
function protectedCommand(state: GateState, client: Client, row: CommandRow): Refusal {
  return (row.flags & Flag.admin) === 0 ? undefined : notOffered(state.config, client, row);
}

function authentication(state: GateState, client: Client, row: CommandRow): Refusal {
  return !client.authenticated && state.access.lacksAuth(client, row) ? noAuth : undefined;
}

function insideMulti(client: Client, row: CommandRow): Refusal {
  return client.transaction !== undefined && (row.flags & Flag.noMulti) !== 0 ? noMulti : undefined;
}

function accessRules(state: GateState, client: Client, row: CommandRow, argv: readonly string[]): Refusal {
  // A client that did not have to authenticate may be of a user with rules all the same.
  const ruled = !client.authenticated || client.user.limited;
  return ruled ? state.access.forbidden(client, row, argv) : undefined;
}

/** Whether this node serves the keys of the call; EXEC is checked for all its queue. */
function clusterSlots(state: GateState, client: Client, row: CommandRow, argv: readonly string[]): Refusal {
  const { cluster } = state;
  if (cluster === undefined) return undefined;
  const queue = row.name === 'exec' ? (client.transaction?.queue ?? []) : undefined;
  const keys = queue?.flatMap((queued) => keysOf(queued.command.row, queued.argv)) ?? keysOf(row, argv);
  if (keys.length === 0) return undefined;
  return cluster.guard({
    keys,
    write: writes(row, client.transaction),
    shardChannel: shardCommands.has(row.name),
    migrate: queue?.some((queued) => queued.command.row.name === 'migrate') ?? row.name === 'migrate',
    asking: client.asking || (row.flags & Flag.asking) !== 0,
    readonly: client.readonly,
    plain: client.plain,
  });
}

function fullMemory(state: GateState, client: Client, row: CommandRow): Refusal {
  if (state.memory.limit <= 0 || state.memory.admit() !== 'full') return undefined;
  return takesMemory(row, client.transaction) ? outOfMemory : undefined;
}

/** PING too, so that whoever monitors a node learns of it. */
function failedDisk(state: GateState, client: Client, row: CommandRow): Refusal {
  if (state.persistence === undefined || state.readOnly) return undefined;
  return row.name === 'ping' || writes(row, client.transaction) ? state.persistence.refusal() : undefined;
}

function fewReplicas(state: GateState, client: Client, row: CommandRow): Refusal {
  return writes(row, client.transaction) ? missingReplicas(state) : undefined;
}

/** min-replicas-to-write, for a write. */
export function missingReplicas(state: Pick<GateState, 'replication'>): Refusal {
  return state.replication?.enoughReplicas === false ? noReplicas : undefined;
}

function readOnlyReplica(state: GateState, client: Client, row: CommandRow): Refusal {
  return state.readOnly && writes(row, client.transaction) ? readOnlyRefusal : undefined;
}

/** With RESP2, replies and messages of a subscriber cannot be distinguished. */
function subscriberContext(client: Client, row: CommandRow): Refusal {
  if (client.protocol !== 2 || !client.inPubSub || subscriberCommands.has(row.name)) return undefined;
  return new ReplyError(
    `ERR Can't execute '${row.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
  );
}

function primaryDown(state: GateState, client: Client, row: CommandRow): Refusal {
  if (!state.primaryDown) return undefined;
  return (permissionFlags(row, client.transaction) & Flag.stale) === 0 ? masterDown : undefined;
}

/** The data is being read from the disk, or the first copy of it from the primary. */
function loading(state: GateState, client: Client, row: CommandRow): Refusal {
  if (!state.loading && !state.copying && !state.copyingBeside) return undefined;
  const flags = permissionFlags(row, client.transaction);
  if (state.loading && (flags & Flag.loading) === 0) return loadingRefusal;
  if (state.copyingBeside && (flags & Flag.noAsyncLoading) !== 0) return loadingRefusal;
  return state.copying && (flags & (Flag.loading | Flag.stale)) === 0 ? loadingRefusal : undefined;
}

/** A script has run for longer than busy-reply-threshold. */
function busyScript(state: GateState, row: CommandRow): Refusal {
  return (row.flags & Flag.allowBusy) === 0 ? state.busy : undefined;
}

/** The connections of replicas and of MONITOR, which carry a stream. */
function replicaConnection(client: Client, row: CommandRow): Refusal {
  if (!client.monitor && !client.replicaLink) return undefined;
  return (row.flags & Flag.readonly) !== 0 || mayReplicate(row, client.transaction) ? replicaRefusal : undefined;
}

function paused({ pauses }: GateState, client: Client, row: CommandRow): typeof held | undefined {
  if (pauses.kind === undefined || client.primaryLink || client.replicaLink) return undefined;
  return pauses.kind === 'all' || mayReplicate(row, client.transaction) ? held : undefined;
}
