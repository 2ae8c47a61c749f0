// Commands about the server as a whole: INFO, CONFIG, TIME, WAIT, SLOWLOG, LATENCY, MEMORY, ROLE, MONITOR, SHUTDOWN.

import { OK, type Reply, ReplyError, refusals, Verbatim } from '../../lib/wire/reply.ts';
import { refusal } from '../config/config.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import { isEnabled } from '../engine/guarded.ts';
import type { RefusedParameter } from '../engine/ports.ts';
import { AsyncReply, type CommandGroup, type Outcome } from '../engine/registry.ts';
import { fail, readAtLeast, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { info } from './info.ts';

/** What may not change while data is read in. */
const fixedWhileLoading = new Set(['appendonly', 'repl-diskless-load', 'dir']);
const loadingRefusal = new ReplyError(refusals.loading);

function setConfig(engine: Engine, client: Client, argv: readonly string[]): Outcome {
  if (argv.length % 2 !== 0) syntaxError();
  const pairs: [string, string][] = [];
  for (let at = 2; at < argv.length; at += 2) pairs.push([argv[at]!, argv[at + 1]!]);
  const names = pairs.map(([name]) => name.toLowerCase());
  if ((engine.loading || engine.copying || engine.copyingBeside) && names.some((name) => fixedWhileLoading.has(name))) {
    return loadingRefusal;
  }
  const before = names.map((name): [string, string] => [name, engine.config.get(name)]);
  const unguarded = isEnabled(engine.config, client, 'enable-protected-configs');
  const refused = engine.config.set(pairs, { quietly: true, unguarded });
  if (refused !== undefined) return new ReplyError(`ERR ${refused}`);
  const undo = ({ name, why }: RefusedParameter): ReplyError => {
    restore(engine, before);
    return new ReplyError(`ERR ${refusal(name, why)}`);
  };
  if (names.includes('dir')) {
    const why = engine.node?.moveTo(before[names.indexOf('dir')]![1]);
    if (why !== undefined) return undo({ name: 'dir', why });
  }
  const unlogged = names.includes('appendonly') ? engine.persistence?.followParameter(client.denyBlocking) : undefined;
  if (unlogged !== undefined) return undo({ name: 'appendonly', why: unlogged });
  const listens = before.filter(([name, value]) => isListenParameter(name) && engine.config.get(name) !== value);
  if (listens.length === 0) {
    engine.config.notify(names);
    return OK;
  }
  const { node } = engine;
  const first = listens[0]![0];
  if (node === undefined) return undo({ name: first, why: "can't set immutable config" });
  if (client.denyBlocking) return undo({ name: first, why: 'not possible inside a transaction or a script' });
  return new AsyncReply((settle) => {
    const done = (why: RefusedParameter | undefined): void => {
      if (why === undefined) engine.config.notify(names);
      settle(why === undefined ? OK : undo(why));
    };
    node.rebind(
      listens.map(([name]) => name),
      done,
    );
    return () => undefined;
  });
}

function restore(engine: Engine, before: readonly (readonly [string, string])[]): void {
  for (const [name, value] of before) engine.config.put(name, value);
}

/** Whether it says where or how the server listens. */
function isListenParameter(name: string): boolean {
  return name === 'bind' || name === 'port' || (name.startsWith('tls-') && name !== 'tls-replication');
}

function slowLog(engine: Engine, argv: readonly string[]): Reply {
  if (argv.length > 3) fail(`unknown subcommand or wrong number of arguments for '${argv[1]}'. Try SLOWLOG HELP.`);
  const asked = argv[2] === undefined ? 10 : readAtLeast(argv[2], -1, 'count should be greater than or equal to -1');
  const count = asked === -1 ? engine.slowLog.entries.length : asked;
  return engine.slowLog.entries
    .slice(0, count)
    .map((entry) => [entry.id, entry.at, entry.microseconds, entry.argv, entry.address, entry.name]);
}

function wait(engine: Engine, client: Client, argv: readonly string[]): Outcome {
  const count = readLong(argv[1]!);
  const timeoutMs = readLong(argv[2]!, 'timeout is not an integer or out of range');
  if (timeoutMs < 0) fail('timeout is negative');
  if (engine.databases.mode !== 'primary')
    return new ReplyError(
      'ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.',
    );
  const { replication } = engine;
  // No replicas can ever acknowledge here: the honest answer is at hand, whatever the time-out.
  if (replication === undefined) return 0;
  return new AsyncReply((settle) => replication.wait(client.denyBlocking ? 0 : count, timeoutMs, settle), 0);
}

function time(engine: Engine): Reply {
  const now = engine.world.wallClock();
  const seconds = Math.floor(now / 1000);
  return [String(seconds), String(Math.floor((now - seconds * 1000) * 1000))];
}

function resetStats(engine: Engine): Reply {
  for (const command of engine.registry.all()) {
    command.calls = 0;
    command.rejected = 0;
    command.failed = 0;
    command.spent = 0;
    command.histogram = undefined;
  }
  Object.assign(engine.stats, {
    connections: 0,
    commands: 0,
    rejected: 0,
    rejectedConnections: 0,
    errors: 0,
    outputLimitClosings: 0,
    queryLimitClosings: 0,
    input: 0,
    output: 0,
    reads: 0,
    writes: 0,
  });
  engine.errorCodes.clear();
  engine.memory.resetStats();
  engine.clientMemory.evicted = 0;
  engine.access.acl.resetCounts();
  engine.databases.hits = 0;
  engine.databases.misses = 0;
  engine.databases.expired = 0;
  engine.databases.lazyFreed = 0;
  engine.persistence?.resetCounts();
  engine.replication?.resetCounts();
  return OK;
}

function shutdown(engine: Engine, argv: readonly string[]): Outcome {
  const words = new Set(argv.slice(1).map((word) => word.toLowerCase()));
  for (const word of words) if (!['save', 'nosave', 'now', 'force', 'abort'].includes(word)) syntaxError();
  if (words.has('abort') && words.size > 1) syntaxError();
  if (words.has('save') && words.has('nosave')) syntaxError();
  if (engine.busy !== undefined && !words.has('nosave') && !words.has('abort')) return engine.busy;
  const { node } = engine;
  if (node === undefined) return new ReplyError('ERR this server is shut down by the process it runs in');
  if (words.has('abort')) return node.abortShutdown() ?? OK;
  const save = words.has('save') ? 'yes' : words.has('nosave') ? 'no' : 'default';
  return new AsyncReply((settle) => {
    // A node that stops sends no reply.
    node.shutdown({ save, now: words.has('now'), force: words.has('force') }, (refusal) => {
      if (refusal !== undefined) settle(refusal);
    });
    return () => undefined;
  });
}

function replicaOf(engine: Engine, argv: readonly string[]): Reply {
  if (engine.clusterEnabled) return new ReplyError('ERR REPLICAOF not allowed in cluster mode.');
  if (sameWord(argv[1], 'no') && sameWord(argv[2], 'one')) return OK;
  return new ReplyError('ERR this server has no replication');
}

const noConfigFile = new ReplyError('ERR The server is running without a config file');

export function serverCommands(engine: Engine): CommandGroup<Client> {
  return {
    info: (client, argv) => new Verbatim(info(engine, client, argv.slice(1))),
    'config|get': (_client, argv) => engine.config.match(argv.slice(2)),
    'config|set': (client, argv) => setConfig(engine, client, argv),
    'config|resetstat': () => resetStats(engine),
    'config|rewrite': () => {
      const { node } = engine;
      return node?.configFile === undefined ? noConfigFile : (node.rewriteConfig() ?? OK);
    },
    replicaof: (_client, argv) => replicaOf(engine, argv),
    slaveof: (_client, argv) => replicaOf(engine, argv),
    time: () => time(engine),
    wait: (client, argv) => wait(engine, client, argv),
    lastsave: () => Math.floor(engine.started / 1000),
    role: () => engine.replication?.role() ?? ['master', 0, []],
    monitor: (client) => {
      if (client.denyBlocking) return new ReplyError("ERR MONITOR isn't allowed for DENY BLOCKING client");
      client.monitor = true;
      engine.monitors.add(client);
      return OK;
    },
    shutdown: (_client, argv) => shutdown(engine, argv),
    'slowlog|get': (_client, argv) => slowLog(engine, argv),
    'slowlog|len': () => engine.slowLog.entries.length,
    'slowlog|reset': () => {
      engine.slowLog.entries = [];
      return OK;
    },
  };
}
