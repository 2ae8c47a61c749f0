// From an argv to a command that runs: the gate, then the queue of a transaction or the run itself. Knows no sockets.
// Invariant: a command that was refused here has changed nothing, and spoils the transaction it was meant for.

import type { CommandRow } from '../../lib/command/table.ts';
import { QUEUED, type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { mayReplicate } from './call-traits.ts';
import type { Client, Queued, Transaction } from './client.ts';
import type { Engine } from './engine.ts';
import { gate, held } from './gate.ts';
import { feedMonitors } from './monitor.ts';
import type { Command } from './registry.ts';

/** Commands of a transaction that run at once instead of being queued. */
const runsInMulti = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset']);
/** Codes of redirects and refusals of the cluster: EXEC answers them as they are. */
const routing = new Set(['MOVED', 'ASK', 'TRYAGAIN', 'CROSSSLOT', 'CLUSTERDOWN']);
/** Runs requests: execute(), or what stands around it. */
export type Execute = (engine: Engine, client: Client, argv: readonly string[]) => Reply | undefined;

/** Runs one request of a client. `undefined`: nothing to send now (blocked, or the command has sent its replies). */
export function execute(engine: Engine, client: Client, argv: readonly string[]): Reply | undefined {
  if (client.captor !== undefined) return client.captor.run(argv);
  const command = engine.registry.find(argv);
  if (command instanceof ReplyError) {
    return engine.browserGuard.catches(client, argv) ? undefined : reject(engine, client, undefined, command);
  }
  const row = command.rowOf === undefined ? command.row : command.rowOf(argv);
  client.lastCommand = row.name;
  if (command.looksAtClients && client.transaction === undefined && !engine.arrivals.allRead) {
    return postpone(engine, client, argv, (again) => engine.arrivals.wait(again));
  }
  if (engine.tracking.clients > 0) engine.tracking.enforceLimit();
  const refusal = gate(engine, client, row, argv);
  if (refusal === held) return postpone(engine, client, argv, (again) => engine.pauses.wait(again));
  if (refusal !== undefined) {
    // The queue is not shown any more, so at least the end of it is.
    if (row.name === 'exec' && client.transaction !== undefined && engine.monitors.size > 0) {
      feedMonitors(engine.monitors, client, row, argv);
    }
    return reject(engine, client, command, refusal);
  }
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

/** Applies the commands of this node's primary: no checks but that the command exists. */
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
  for (const argument of queued.argv) transaction.bytes += argument.length;
  return QUEUED;
}

function reject(engine: Engine, client: Client, command: Command<Client> | undefined, refusal: Reply): Reply {
  if (command !== undefined) command.rejected++;
  engine.stats.rejected++;
  client.asking = false;
  if (client.tracking?.caching === true) endCaching(client, command?.row);
  const transaction = client.transaction;
  let answer = refusal;
  if (command?.row.name === 'exec' && refusal instanceof ReplyError) {
    // After a redirect the client starts the transaction again where it belongs.
    client.discard();
    if (!routing.has(refusal.code)) {
      answer = new ReplyError(`EXECABORT Transaction discarded because of: ${refusal.message.replace(/^ERR /, '')}`);
    }
  } else if (transaction !== undefined) transaction.aborted = true;
  if (answer instanceof ReplyError) engine.countError(answer);
  return answer;
}

/** Blocks a client until `wait` calls back (a pause is over, say), then runs its request from the start. */
function postpone(
  engine: Engine,
  client: Client,
  argv: readonly string[],
  wait: (again: () => void) => () => void,
): undefined {
  const again = (): void => {
    if (client.blocked !== blocked) return;
    client.blocked = undefined;
    const reply = execute(engine, client, argv);
    if (client.blocked === undefined) client.sink.settle(reply);
  };
  const forget = wait(again);
  const blocked = {
    argv,
    kind: 'paused' as const,
    onTimeout: undefined,
    cancel: () => {
      forget();
      if (client.blocked === blocked) client.blocked = undefined;
    },
  };
  client.blocked = blocked;
  return undefined;
}
