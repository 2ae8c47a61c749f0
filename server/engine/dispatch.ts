// From an argv to a command that runs: the chain of checks, in the order of redis-server 7.0, then the queue of a
// transaction or the run itself. Knows no sockets; what routing says comes from the engine's guard.
// Invariant: a command that was refused here has changed nothing, and spoils the transaction it was meant for.

import { Flag } from '../../lib/command/flags.ts';
import { keyIndexesOf } from '../../lib/command/keys.ts';
import { type CommandRow, commandOf } from '../../lib/command/table.ts';
import { QUEUED, type Reply, ReplyError, refusals } from '../../lib/wire/reply.ts';
import type { GuardRequest } from '../cluster/guard.ts';
import type { Client, Queued, Transaction } from './client.ts';
import type { Engine } from './engine.ts';
import { notOffered } from './guarded.ts';
import { feedMonitors } from './monitor.ts';
import { arityRefusal, type Command } from './registry.ts';

const noAuth = new ReplyError('NOAUTH Authentication required.');
const noMulti = new ReplyError('ERR Command not allowed inside a transaction');
const loading = new ReplyError(refusals.loading);
const masterDown = new ReplyError(refusals.masterDown);
const noReplicas = new ReplyError('NOREPLICAS Not enough good replicas to write.');
const replicaRefusal = new ReplyError("ERR Replica can't interact with the keyspace");
const readOnlyRefusal = new ReplyError(refusals.readOnly);

/** What a client in a transaction may say even when memory is full: it ends the transaction. */
const leavesMulti = new Set(['discard', 'quit', 'reset']);
const outOfMemory = new ReplyError("OOM command not allowed when used memory > 'maxmemory'.");

/** Words of a transaction that run at once instead of being queued. */
const runsInMulti = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset']);
const pubSubWords = new Set([
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
/** Leave a trace at the replicas though they are no writes. */
const replicates = new Set(['pfcount', 'publish', 'spublish']);
/** May turn out to write; a script that declares what it does has a row of its own. */
const runScripts = new Set(['eval', 'evalsha', 'fcall']);
/** Codes of refusals that tell where a transaction belongs: EXEC answers them as they are. */
const routing = new Set(['MOVED', 'ASK', 'TRYAGAIN', 'CROSSSLOT', 'CLUSTERDOWN']);
const shardWords = new Set(['ssubscribe', 'sunsubscribe', 'spublish']);

/** Runs one request of a client. `undefined`: nothing to send now (parked, or the command has sent its replies). */
export function execute(engine: Engine, client: Client, argv: readonly string[]): Reply | undefined {
  if (client.captor !== undefined) return client.captor.run(argv);
  const command = engine.registry.find(argv);
  if (command instanceof ReplyError) {
    return engine.browserGuard.catches(client, argv) ? undefined : reject(engine, client, undefined, command);
  }
  const row = command.rowOf === undefined ? command.row : command.rowOf(argv);
  client.lastCommand = row.name;
  if (engine.tracking.clients > 0) engine.tracking.enforceLimit();
  const refusal = check(engine, client, row, argv);
  if (refusal !== undefined) {
    // The queue is not shown any more, so at least the end of it is.
    if (row.name === 'exec' && client.transaction !== undefined && engine.monitors.size > 0) {
      feedMonitors(engine.monitors, client, row, argv);
    }
    return reject(engine, client, command, refusal);
  }
  if (engine.pauses.kind !== undefined && mustWait(engine, client, row)) return postpone(engine, client, argv);
  let reply: Reply | undefined;
  if (client.transaction !== undefined && !runsInMulti.has(row.name)) {
    reply = enqueue(client.transaction, { command, argv }, row);
  } else {
    engine.tracking.enter(client);
    reply = engine.run(client, command, argv);
    engine.finish();
    engine.tracking.enter(undefined);
  }
  if (client.asking && client.transaction === undefined && row.name !== 'asking') client.asking = false;
  if (client.tracking?.caching === true) endCaching(client, row);
  return reply;
}

/** CLIENT CACHING is good for one command or transaction; commands about the client do not count. */
function endCaching(client: Client, row: CommandRow | undefined): void {
  const counts = row === undefined || !row.name.startsWith('client|');
  if (counts && client.transaction === undefined && client.tracking !== undefined) client.tracking.caching = false;
}

/** Applies the words of this node's primary: no checks but that the command exists. */
export function apply(engine: Engine, client: Client, argv: readonly string[]): Reply | undefined {
  const command = engine.registry.findTrusted(argv);
  if (command instanceof ReplyError) return command;
  const reply = engine.run(client, command, argv);
  engine.finish();
  return reply;
}

function enqueue(transaction: Transaction, queued: Queued, row: CommandRow): Reply {
  transaction.queue.push(queued);
  transaction.anyFlags |= row.flags;
  transaction.allFlags &= row.flags;
  if (mayReplicate(row, undefined)) transaction.replicates = true;
  for (const word of queued.argv) transaction.bytes += word.length;
  return QUEUED;
}

function check(engine: Engine, client: Client, row: CommandRow, argv: readonly string[]): Reply | undefined {
  const { arity, flags } = row;
  if (arity > 0 ? argv.length !== arity : argv.length < -arity) return arityRefusal(row.name);
  if ((flags & Flag.admin) !== 0) {
    const refusal = notOffered(engine.config, client, row);
    if (refusal !== undefined) return refusal;
  }
  const gated = !client.authenticated || client.user.limited;
  if (gated && engine.access.lacksAuth(client, row)) return noAuth;
  const transaction = client.transaction;
  if (transaction !== undefined && (flags & Flag.noMulti) !== 0) return noMulti;
  if (gated) {
    const refusal = engine.access.forbidden(client, row, argv);
    if (refusal !== undefined) return refusal;
  }
  if (engine.hooks.guard !== undefined) {
    const refusal = route(engine, client, row, argv);
    if (refusal !== undefined) return refusal;
  }
  if (engine.memory.limit > 0 && engine.memory.admit() === 'full' && takesMemory(row, transaction)) return outOfMemory;
  // PING too, so that who watches a node learns of it.
  if (engine.hooks.diskRefusal !== undefined && !engine.readOnly && (row.name === 'ping' || writes(row, transaction))) {
    const refusal = engine.hooks.diskRefusal();
    if (refusal !== undefined) return refusal;
  }
  if (writes(row, transaction)) {
    if (engine.hooks.enoughReplicas?.() === false) return noReplicas;
    if (engine.readOnly) return readOnlyRefusal;
  }
  if (client.protocol === 2 && client.inPubSub && !pubSubWords.has(row.name)) {
    return new ReplyError(
      `ERR Can't execute '${row.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
    );
  }
  if ((client.monitor || client.replicaLink) && ((flags & Flag.readonly) !== 0 || mayReplicate(row, transaction))) {
    return replicaRefusal;
  }
  if (engine.primaryDown || engine.loading || engine.copying || engine.copyingBeside)
    return unready(engine, row, transaction);
  return (flags & Flag.allowBusy) === 0 ? engine.busy : undefined;
}

/** What a node without its data refuses: commands that need them, and EXEC when any command of its queue does. */
function unready(engine: Engine, row: CommandRow, transaction: Transaction | undefined): ReplyError | undefined {
  const flags = row.name === 'exec' && transaction !== undefined ? row.flags & transaction.allFlags : row.flags;
  if (engine.primaryDown && (flags & Flag.stale) === 0) return masterDown;
  if (engine.loading && (flags & Flag.loading) === 0) return loading;
  if (engine.copyingBeside && (flags & Flag.noAsyncLoading) !== 0) return loading;
  if (engine.copying && (flags & (Flag.loading | Flag.stale)) === 0) return loading;
  return (flags & Flag.allowBusy) === 0 ? engine.busy : undefined;
}

/** Whether the call is refused when memory is full. Queues of transactions may not grow then either. */
function takesMemory(row: CommandRow, transaction: Transaction | undefined): boolean {
  if ((row.flags & Flag.denyoom) !== 0) return true;
  if (transaction === undefined) return false;
  if (row.name !== 'exec') return !leavesMulti.has(row.name);
  return transaction.queue.some(({ command }) => (command.row.flags & Flag.denyoom) !== 0);
}

/** Whether the command, or for EXEC any command of its queue, writes. */
function writes(row: CommandRow, transaction: Transaction | undefined): boolean {
  if ((row.flags & Flag.write) !== 0) return true;
  return row.name === 'exec' && transaction !== undefined && (transaction.anyFlags & Flag.write) !== 0;
}

/** Asks the guard whether this node serves the keys of the call; EXEC is asked for all its queue. */
function route(engine: Engine, client: Client, row: CommandRow, argv: readonly string[]): ReplyError | undefined {
  let keys: string[];
  let migrate = row.name === 'migrate';
  if (row.name === 'exec') {
    const queue = client.transaction?.queue ?? [];
    keys = queue.flatMap((queued) => keysOf(queued.command.row, queued.argv));
    migrate = queue.some((queued) => queued.command.row.name === 'migrate');
  } else {
    keys = keysOf(row, argv);
  }
  if (keys.length === 0) return undefined;
  const request: GuardRequest = {
    keys,
    write: writes(row, client.transaction),
    shardChannel: shardWords.has(row.name),
    migrate,
    asking: client.asking || (row.flags & Flag.asking) !== 0,
    readonly: client.readonly,
    plain: client.plain,
  };
  const refusal = engine.hooks.guard?.(request);
  // A redirect at EXEC ends the transaction, and the client is told where to start it again.
  if (refusal !== undefined && row.name === 'exec') client.discard();
  return refusal;
}

/** The keys of a call, and the shard channels that are routed like keys. */
export function keysOf(row: CommandRow, argv: readonly string[]): string[] {
  const spec = row.keySpecs[0];
  if (spec === undefined) return [];
  const { begin, find } = spec;
  if (row.keySpecs.length === 1 && begin.kind === 'index' && find.kind === 'range' && find.last === 0) {
    const key = argv[begin.index];
    return key === undefined ? [] : [key];
  }
  return keyIndexesOf(row, argv).map((at) => argv[at]!);
}

function reject(engine: Engine, client: Client, command: Command<Client> | undefined, refusal: Reply): Reply {
  if (command !== undefined) command.rejected++;
  engine.stats.rejected++;
  client.asking = false;
  if (client.tracking?.caching === true) endCaching(client, command?.row);
  const transaction = client.transaction;
  let answer = refusal;
  if (command?.row.name === 'exec' && refusal instanceof ReplyError && !routing.has(refusal.code)) {
    client.discard();
    answer = new ReplyError(`EXECABORT Transaction discarded because of: ${refusal.message.replace(/^ERR /, '')}`);
  } else if (transaction !== undefined) transaction.aborted = true;
  if (answer instanceof ReplyError) engine.countError(answer);
  return answer;
}

/** Whether the pause there is holds this call. */
function mustWait(engine: Engine, client: Client, row: CommandRow): boolean {
  if (client.primaryLink || client.replicaLink) return false;
  return engine.pauses.kind === 'all' || mayReplicate(row, client.transaction);
}

/** Whether the command, or for EXEC any command of its queue, can say something to the replicas. */
function mayReplicate(row: CommandRow, transaction: Transaction | undefined): boolean {
  if (writes(row, transaction) || replicates.has(row.name)) return true;
  if (runScripts.has(row.name)) return row === commandOf(row.name);
  return row.name === 'exec' && transaction !== undefined && transaction.replicates;
}

/** Parks a client until the pause is over, then runs its request from the start. */
function postpone(engine: Engine, client: Client, argv: readonly string[]): undefined {
  const again = (): void => {
    if (client.parking !== parking) return;
    client.parking = undefined;
    const reply = execute(engine, client, argv);
    if (client.parking === undefined) client.sink.settle(reply);
  };
  const forget = engine.pauses.wait(again);
  const parking = {
    argv,
    kind: 'paused' as const,
    onTimeout: undefined,
    cancel: () => {
      forget();
      if (client.parking === parking) client.parking = undefined;
    },
  };
  client.parking = parking;
  return undefined;
}
