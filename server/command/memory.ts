// MEMORY: where the bytes are. What a key takes is an estimate that the keyspace keeps; the heap's figures are V8's.

import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import { Double, OK, type Reply, Verbatim } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { baseBytes } from '../eviction/eviction.ts';
import { readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { deadlineBytes, entryBytes } from '../keyspace/footprint.ts';

export interface MemoryFacts {
  readonly used: number;
  readonly peak: number;
  readonly rss: number;
  /** Bytes that V8 has given out, and those it holds for that. */
  readonly allocated: number;
  readonly active: number;
  readonly backlog: number;
  readonly replicaBuffers: number;
  readonly aofBuffer: number;
  readonly clients: number;
  readonly keys: number;
  readonly expires: number;
  /** What is not the users' data. */
  readonly overhead: number;
}

export function memoryFacts(engine: Engine): MemoryFacts {
  const { heapUsed, heapTotal, external, rss } = process.memoryUsage();
  const { backlog, replicaBuffers } = engine.replication?.memory() ?? { backlog: 0, replicaBuffers: 0 };
  const aofBuffer = engine.persistence?.logBuffer ?? 0;
  const clients = engine.bufferBytes.now;
  const { stores } = engine.databases;
  const keys = stores.reduce((sum, { size }) => sum + size, 0);
  const expires = stores.reduce((sum, store) => sum + store.expires, 0);
  const buffers = backlog + replicaBuffers + aofBuffer;
  return {
    used: engine.memory.used + buffers,
    peak: engine.memory.peak + buffers,
    rss,
    allocated: heapUsed + external,
    active: heapTotal + external,
    backlog,
    replicaBuffers,
    aofBuffer,
    clients,
    keys,
    expires,
    overhead: baseBytes + clients + buffers + keys * entryBytes + expires * deadlineBytes,
  };
}

function usage(ctx: Context, argv: readonly string[]): Reply {
  for (let at = 3; at < argv.length; at++) {
    if (!sameWord(argv[at], 'samples') || argv[at + 1] === undefined) syntaxError();
    if (readLong(argv[++at]!) < 0) syntaxError();
  }
  const entry = ctx.store.peek(argv[2]!);
  // The estimate is of the whole value: there is nothing to sample.
  return entry === undefined ? null : ctx.store.bytesOf(entry);
}

function ratio(part: number, whole: number): Double {
  return new Double(whole === 0 ? 0 : part / whole);
}

function stats(engine: Engine): Reply {
  const facts = memoryFacts(engine);
  const dataset = facts.used - facts.overhead;
  const pairs: [Reply, Reply][] = [
    ['peak.allocated', facts.peak],
    ['total.allocated', facts.used],
    ['startup.allocated', baseBytes],
    ['replication.backlog', facts.backlog],
    ['clients.slaves', facts.replicaBuffers],
    ['clients.normal', facts.clients],
    ['cluster.links', 0],
    ['aof.buffer', facts.aofBuffer],
    ['lua.caches', 0],
    ['functions.caches', 0],
  ];
  for (const { index, size, expires } of engine.databases.stores) {
    if (size === 0) continue;
    const tables = new Map<Reply, Reply>([
      ['overhead.hashtable.main', size * entryBytes],
      ['overhead.hashtable.expires', expires * deadlineBytes],
      ['overhead.hashtable.slot-to-keys', 0],
    ]);
    pairs.push([`db.${index}`, tables]);
  }
  pairs.push(
    ['overhead.total', facts.overhead],
    ['keys.count', facts.keys],
    ['keys.bytes-per-key', facts.keys === 0 ? 0 : Math.floor((facts.used - baseBytes) / facts.keys)],
    ['dataset.bytes', dataset],
    ['dataset.percentage', ratio(dataset * 100, facts.used - baseBytes)],
    ['peak.percentage', ratio(facts.used * 100, facts.peak)],
    ['allocator.allocated', facts.allocated],
    ['allocator.active', facts.active],
    ['allocator.resident', facts.rss],
    ['allocator-fragmentation.ratio', ratio(facts.active, facts.allocated)],
    ['allocator-fragmentation.bytes', facts.active - facts.allocated],
    ['allocator-rss.ratio', ratio(facts.rss, facts.active)],
    ['allocator-rss.bytes', facts.rss - facts.active],
    ['rss-overhead.ratio', new Double(1)],
    ['rss-overhead.bytes', 0],
    ['fragmentation', ratio(facts.rss, facts.allocated)],
    ['fragmentation.bytes', facts.rss - facts.allocated],
  );
  return new Map(pairs);
}

const littleData = 5 * 1024 * 1024;
const bigClients = 200 * 1024;

function doctor(engine: Engine): Reply {
  const facts = memoryFacts(engine);
  if (facts.used < littleData) {
    return new Verbatim('This instance is empty or holds very little: there is nothing to say about its memory yet.\n');
  }
  const troubles: string[] = [];
  if (facts.peak / facts.used > 1.5) {
    troubles.push('High peak: the instance once held half as much again; the process may keep those pages.');
  }
  if (facts.rss / facts.allocated > 1.4 && facts.rss - facts.allocated > 2 * littleData) {
    troubles.push(
      'High resident memory: the heap has grown and holds free pages; garbage collection gives them back in time.',
    );
  }
  if (engine.clients.size > 0 && facts.clients / engine.clients.size > bigClients) {
    troubles.push('Big client buffers: clients read slower than they are answered, or send more than is run.');
  }
  if (facts.replicaBuffers > 10 * 1024 * 1024) {
    troubles.push('Big replica buffers: a replica does not keep up with the stream.');
  }
  if (troubles.length === 0) return new Verbatim('No trouble was found with the memory of this instance.\n');
  return new Verbatim(`Troubles with memory:\n\n${troubles.map((trouble) => ` * ${trouble}\n`).join('')}`);
}

function heapReport(): Reply {
  const { heap_size_limit, total_heap_size, used_heap_size, malloced_memory, external_memory } = getHeapStatistics();
  const spaces = getHeapSpaceStatistics().map(
    ({ space_name, space_size, space_used_size }) => `${space_name}: ${space_used_size} of ${space_size} bytes\n`,
  );
  return new Verbatim(
    `V8 heap: ${used_heap_size} of ${total_heap_size} bytes, at most ${heap_size_limit}\n` +
      `outside of it: ${external_memory} bytes in buffers, ${malloced_memory} bytes of V8 itself\n${spaces.join('')}`,
  );
}

/** Collects garbage where the process was started so that it may. */
function purge(): Reply {
  (globalThis as { gc?: () => void }).gc?.();
  return OK;
}

export function memoryCommands(engine: Engine): CommandGroup<Client> {
  return {
    'memory|usage': usage,
    'memory|stats': () => stats(engine),
    'memory|doctor': () => doctor(engine),
    'memory|malloc-stats': heapReport,
    'memory|purge': purge,
  };
}
