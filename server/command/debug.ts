// DEBUG: the words that need the engine alone. Those about files, replicas and other nodes are added by their rooms.

import { Attributed, BigNumber, Double, OK, Push, type Reply, ReplyError, Verbatim } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import { type DebugSubcommand, helpReply } from '../engine/debug-subcommands.ts';
import type { Engine } from '../engine/engine.ts';
import { AsyncReply, type CommandGroup, type Outcome } from '../engine/registry.ts';
import { fail, readLong } from '../keyspace/arguments.ts';
import { fuzzGlob } from '../keyspace/glob-fuzz.ts';
import { parseDouble, parseLong } from '../keyspace/number.ts';
import type { Store } from '../keyspace/store.ts';
import { debugHelp } from './debug-help.ts';
import { noSuchKey } from './expire.ts';

const noConfigFile = new ReplyError('ERR The server is running without a config file');
const notAProcess = new ReplyError('ERR this node is no process of its own');

const longestTimer = 0x7fffffff;

/** As C reads a number: what does not begin with one is 0. */
function looseNumber(text: string): number {
  return Number.parseInt(text, 10) || 0;
}

/** A process of its own stops as redis-server does; a node inside a program keeps its own clients waiting instead. */
function sleep(engine: Engine, client: Client, text: string): Outcome {
  const ms = Math.min(Math.max(0, (parseDouble(text) ?? (Number.parseFloat(text) || 0)) * 1000), longestTimer);
  const { node } = engine;
  if (node?.blockFor !== undefined) {
    node.blockFor(ms);
    return OK;
  }
  if (client.denyBlocking) return OK;
  return new AsyncReply((settle) => {
    const done = (): void => {
      engine.slowLog.note(client, ['DEBUG', 'SLEEP', text], ms, 'debug');
      engine.latency.note('command', ms);
      settle(OK);
    };
    if (node?.freezeFor !== undefined) return node.freezeFor(ms, done);
    const timer = engine.world.after(ms, done);
    return () => timer.cancel();
  });
}

/** Most keys and bytes that one POPULATE makes: it runs without a pause. */
const mostKeys = 50_000_000;

function readPositive(text: string): number {
  const value = parseLong(text) ?? -1;
  return value < 0 ? fail('value is out of range, must be positive') : value;
}

function populate(client: Client, argv: readonly string[]): Reply {
  const [, , countText, prefix = 'key', sizeText] = argv as [string, string, string, string?, string?];
  const count = readPositive(countText);
  const size = sizeText === undefined ? 0 : readPositive(sizeText);
  if (count > mostKeys) fail('value is out of range');
  for (let at = 0; at < count; at++) addFiller(client.store, `${prefix}:${at}`, `value:${at}`, size);
  return OK;
}

/** Made outside of the replicated history, as redis-server does. */
function addFiller(store: Store, key: string, text: string, size: number): void {
  if (store.find(key) !== undefined) return;
  const value = size === 0 ? text : text.slice(0, size).padEnd(size, '\0');
  store.put(key, value).form = 'raw';
  store.signal(key);
}

const numbers = [0, 1, 2];

/** One reply of each type of the protocol, for the tests of clients. */
const samples: Readonly<Record<string, (client: Client) => Reply>> = {
  string: () => 'Hello World',
  integer: () => 12345,
  // Clients' tests look for these very digits.
  // biome-ignore lint/suspicious/noApproximativeNumericConstant: not meant as the constant
  double: () => new Double(3.141),
  bignum: () => new BigNumber('1234567999999999999999999999999999999'),
  null: () => null,
  array: () => numbers,
  set: () => new Set(numbers),
  map: () => new Map(numbers.map((at) => [at, at === 1])),
  attrib: () =>
    new Attributed(
      new Map<Reply, Reply>([['key-popularity', ['key:123', 90]]]),
      'Some real reply following the attribute',
    ),
  push: (client) => {
    if (client.protocol === 2) return new ReplyError('ERR RESP2 is not supported by this command');
    client.sink.send(new Push(['server-cpu-usage', 42]));
    return 'Some real reply following the push reply';
  },
  verbatim: () => new Verbatim('This is a verbatim\nstring'),
  true: () => true,
  false: () => false,
};

function protocol(client: Client, name: string): Reply {
  const sample = Object.hasOwn(samples, name.toLowerCase()) ? samples[name.toLowerCase()] : undefined;
  if (sample !== undefined) return sample(client);
  return new ReplyError(
    'ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false',
  );
}

function sdsLength(client: Client, key: string): Reply {
  const value = client.store.inspect(key)?.value;
  if (value === undefined) return noSuchKey;
  if (typeof value !== 'string') return new ReplyError('ERR Not an sds encoded string.');
  // Strings of this server have no spare room.
  const part = (name: string, length: number): string =>
    `${name}_sds_len:${length}, ${name}_sds_avail:0, ${name}_zmalloc: ${length + 16}`;
  return new Verbatim(`${part('key', key.length)}, ${part('val', value.length)}`);
}

function tableStats(kind: string, size: number): string {
  if (size === 0) return `[${kind} HT]\nNo stats available for empty dictionaries\n`;
  const table = 2 ** Math.max(2, Math.ceil(Math.log2(size)));
  return `[${kind} HT]\nHash table 0 stats (main hash table):\n table size: ${table}\n number of elements: ${size}\n`;
}

function hashTableStats(engine: Engine, text: string): Reply {
  const store = engine.databases.stores[readLong(text)];
  if (store === undefined) return new ReplyError('ERR Out of range database');
  return new Verbatim(tableStats('Dictionary', store.size) + tableStats('Expires', store.expires));
}

function keyTableStats(client: Client, key: string): Reply {
  const value = client.store.inspect(key)?.value;
  if (value === undefined) return noSuchKey;
  if (typeof value === 'string' || (value.encoding !== 'hashtable' && value.encoding !== 'skiplist')) {
    return new ReplyError('ERR The value stored at the specified key is not represented using an hash table');
  }
  return new Verbatim(tableStats('Value', value.size));
}

function replyBuffer(argv: readonly string[]): Reply {
  const [, , what, value] = argv as [string, string, string, string];
  if (what.toLowerCase() === 'resizing') return OK;
  if (what.toLowerCase() !== 'peak-reset-time') {
    return new ReplyError(`ERR unknown subcommand or wrong number of arguments for '${argv[1]}'. Try DEBUG HELP.`);
  }
  if (!/^(?:never|reset)$/i.test(value)) readLong(value);
  return OK;
}

const badThreshold = new ReplyError('ERR argument must be a memory value bigger than 1 and smaller than 4gb');
const mostThreshold = 2 ** 32;

/** The limits hold for lists of nodes; those here have none, so it is only checked. */
function packedThreshold(engine: Engine, text: string): Reply {
  const bytes = engine.config.bytesOf(text);
  return bytes === undefined || bytes >= mostThreshold ? badThreshold : OK;
}

function rewriteAll(engine: Engine): Reply {
  const { node } = engine;
  return node?.configFile === undefined ? noConfigFile : (node.rewriteConfig(true) ?? OK);
}

/** A process of its own ends with a report; a node inside a program does not take the program with it. */
function crash(engine: Engine, signal: 'SIGSEGV' | 'SIGABRT'): Outcome {
  if (engine.node?.crash === undefined) return notAProcess;
  engine.node.crash(signal);
  return OK;
}

function debugWords(engine: Engine): Record<string, DebugSubcommand> {
  return {
    help: { least: 0, run: () => helpReply('debug', debugHelp) },
    sleep: { least: 1, run: (client, argv) => sleep(engine, client, argv[2]!) },
    populate: { least: 1, most: 3, run: populate },
    protocol: { least: 1, run: (client, argv) => protocol(client, argv[2]!) },
    error: { least: 1, run: (_client, argv) => new ReplyError(argv[2]!) },
    log: {
      least: 1,
      run: (_client, argv) => {
        engine.world.log(`DEBUG LOG: ${argv[2]}`);
        return OK;
      },
    },
    sdslen: { least: 1, run: (client, argv) => sdsLength(client, argv[2]!) },
    htstats: { least: 1, run: (_client, argv) => hashTableStats(engine, argv[2]!) },
    'htstats-key': { least: 1, run: (client, argv) => keyTableStats(client, argv[2]!) },
    'set-active-expire': {
      least: 1,
      run: (_client, argv) => {
        engine.databases.activeExpiry = looseNumber(argv[2]!) !== 0;
        return OK;
      },
    },
    'set-skip-checksum-validation': {
      least: 1,
      run: (_client, argv) => {
        engine.databases.skipChecksums = looseNumber(argv[2]!) !== 0;
        return OK;
      },
    },
    'pause-cron': {
      least: 1,
      run: (_client, argv) => {
        engine.databases.cronPaused = looseNumber(argv[2]!) !== 0;
        return OK;
      },
    },
    'config-rewrite-force-all': { least: 0, run: () => rewriteAll(engine) },
    segfault: { least: 0, most: Number.POSITIVE_INFINITY, run: () => crash(engine, 'SIGSEGV') },
    panic: { least: 0, most: Number.POSITIVE_INFINITY, run: () => crash(engine, 'SIGABRT') },
    assert: { least: 0, most: Number.POSITIVE_INFINITY, run: () => crash(engine, 'SIGABRT') },
    'quicklist-packed-threshold': { least: 1, run: (_client, argv) => packedThreshold(engine, argv[2]!) },
    replybuffer: { least: 2, run: (_client, argv) => replyBuffer(argv) },
    'stringmatch-test': { least: 0, run: () => fuzzGlob(engine.world) },
    structsize: { least: 0, run: () => 'bits:64 ' },
  };
}

export function debugCommands(engine: Engine): CommandGroup<Client> {
  engine.debug.add(debugWords(engine));
  return { debug: (client, argv) => engine.debug.run(client, argv) };
}
