// Databases to RDB files and back.
// Owns: nothing; a snapshot is made of the databases that it is given.
// Does not know: when to save and where the file lies.
// Invariants: a snapshot shows one moment, however long its writing takes; a file that cannot be read whole leaves
// the databases empty, never half full.

import { getHeapStatistics } from 'node:v8';
import type { Databases } from '../../keyspace/databases.ts';
import { never, type Store } from '../../keyspace/store.ts';
import { readChunks, readChunksNow, writeWhole } from '../disk/atomic-file.ts';
import type { RdbContent, RdbDatabase, RdbKey, RdbSink } from './file.ts';
import { RdbReader, type RdbReaderOptions } from './file-reader.ts';
import { type RdbWriterOptions, writeRdb } from './file-writer.ts';
import { fromPortable, toPortable } from './value-bridge.ts';

/** What a file says about its writer. */
export interface SnapshotFacts {
  /** The server version, as `redis-ver`. */
  readonly version: string;
  /** The base of an append-only file. Default false. */
  readonly aofBase?: boolean;
  /** Sources of function libraries. Default none. */
  readonly functions?: readonly string[];
  /** Further facts, such as the stream that the data is the result of. Default none. */
  readonly more?: readonly (readonly [name: string, value: string])[];
}

/** The live contents: to be written before anything else runs. */
function liveContent(databases: Databases, facts: SnapshotFacts): RdbContent {
  return content(databases, facts, (store) => liveKeys(store));
}

/** The contents as they are now, to be written in any amount of time, and then released. */
export function capturedContent(databases: Databases, facts: SnapshotFacts): RdbContent {
  const { entries, release } = databases.hold();
  let written = 0;
  const keysOf = (store: Store): Iterable<RdbKey> => ({
    *[Symbol.iterator]() {
      for (const entry of entries.of(store)) {
        const { value, expireAt } = entries.read(entry);
        yield { key: entry.key, value: toPortable(value), expireAt };
        written++;
      }
    },
  });
  const progress = {
    keys: databases.stores.reduce((sum, store) => sum + store.size, 0),
    get written() {
      return written;
    },
    get kept() {
      return entries.bytes;
    },
  };
  return { ...content(databases, facts, keysOf), progress, release };
}

function content(databases: Databases, facts: SnapshotFacts, keysOf: (store: Store) => Iterable<RdbKey>): RdbContent {
  const aux: (readonly [string, string])[] = [
    ['redis-ver', facts.version],
    ['redis-bits', '64'],
    ['ctime', String(Math.floor(databases.world.wallClock() / 1000))],
    // Not of process.memoryUsage, which fails where a process may open no more files.
    ['used-mem', String(getHeapStatistics().used_heap_size)],
    ...(facts.more ?? []),
    ['aof-base', facts.aofBase === true ? '1' : '0'],
  ];
  const filled = databases.stores.filter((store) => store.size > 0);
  const parts = filled.map(
    (store): RdbDatabase => ({ index: store.index, size: store.size, expires: store.expires, keys: keysOf(store) }),
  );
  return { aux, functions: facts.functions ?? [], databases: parts };
}

/** Keys past their deadline too: whoever loads them counts what he leaves out. */
function* liveKeys(store: Store): Generator<RdbKey> {
  for (const { key, value, expireAt } of store.all()) yield { key, value: toPortable(value), expireAt };
}

/** SAVE: writes the whole file before it returns. Throws what the file system says; the file of before then stays. */
export function saveSnapshot(
  path: string,
  databases: Databases,
  facts: SnapshotFacts,
  options: RdbWriterOptions = {},
): void {
  writeWhole(path, writeRdb(liveContent(databases, facts), options));
}

export interface LoadOptions extends Pick<RdbReaderOptions, 'maxValueBytes'> {
  /** Leave out keys whose deadline has passed, as a primary does. A replica keeps them. Default true. */
  readonly dropExpired?: boolean;
  /** A key of the file replaces one that is there; otherwise that is an error. Default false. */
  readonly merge?: boolean;
  /** Called after each piece of the file with how many keys came of it; a promise is waited for. */
  readonly pause?: (keys: number) => Promise<void> | undefined;
}

export interface LoadSummary {
  /** Keys now held, and keys left out because their deadline had passed. */
  keys: number;
  expired: number;
  /** Those that were left out, in the order of the file. */
  readonly expiredKeys: { readonly db: number; readonly key: string }[];
  /** Keys left out because their value has no elements. */
  empty: number;
  /** The first of those. */
  readonly emptyKeys: string[];
  readonly functions: string[];
  readonly aux: Map<string, string>;
}

/** A file may hold any number of them. */
const emptyKeysNamed = 10;

/** A sink that fills empty databases, and what it has done so far. */
export function loadSink(databases: Databases, options: LoadOptions = {}): { sink: RdbSink; summary: LoadSummary } {
  const { dropExpired = true, merge = false } = options;
  const summary: LoadSummary = {
    keys: 0,
    expired: 0,
    expiredKeys: [],
    empty: 0,
    emptyKeys: [],
    functions: [],
    aux: new Map(),
  };
  const now = databases.stores[0]!.now();
  let store = databases.stores[0]!;
  const sink: RdbSink = {
    onAux: (name, value) => void summary.aux.set(name, value),
    onFunction: (source) => void summary.functions.push(source),
    onDatabase: (index) => {
      store = databases.stores[index]!;
    },
    onKey: ({ key, value, expireAt }) => {
      if (dropExpired && expireAt !== never && expireAt < now) {
        summary.expired++;
        summary.expiredKeys.push({ db: store.index, key });
        return;
      }
      withDeadlinesIgnored(databases, () => {
        if (!merge && store.has(key)) throw new Error(`RDB: the key '${key}' is in the file twice`);
        const entry = store.replace(key, fromPortable(value, databases.limits));
        if (expireAt !== never) store.setDeadline(entry, expireAt);
        store.signal(key);
      });
      summary.keys++;
    },
    onEmptyKey: (key) => {
      if (summary.empty++ < emptyKeysNamed) summary.emptyKeys.push(key);
    },
  };
  return { sink, summary };
}

/** Replaces everything in the databases by the file's contents. Rejects with an RdbError or what the file system says. */
export async function loadSnapshot(
  path: string,
  databases: Databases,
  options: LoadOptions = {},
): Promise<LoadSummary> {
  const { sink, summary } = loadSink(databases, options);
  const { maxValueBytes } = options;
  const count = { databases: databases.stores.length, skipChecksum: databases.skipChecksums };
  const reader = new RdbReader(sink, maxValueBytes === undefined ? count : { ...count, maxValueBytes });
  databases.clear();
  try {
    for await (const chunk of readChunks(path)) {
      const before = reader.keys;
      reader.feed(chunk);
      await options.pause?.(reader.keys - before);
      if (reader.done) break;
    }
    reader.end();
  } catch (error) {
    databases.clear();
    throw error;
  }
  return summary;
}

/** DEBUG RELOAD: adds what is in the file, with nothing else running meanwhile. Throws as loadSnapshot rejects. */
export function addSnapshotNow(path: string, databases: Databases, options: LoadOptions): LoadSummary {
  const { sink, summary } = loadSink(databases, options);
  const reader = new RdbReader(sink, {
    databases: databases.stores.length,
    skipChecksum: databases.skipChecksums,
  });
  for (const chunk of readChunksNow(path)) {
    reader.feed(chunk);
    if (reader.done) break;
  }
  reader.end();
  return summary;
}

function withDeadlinesIgnored(databases: Databases, run: () => void): void {
  const { mode } = databases;
  databases.mode = 'applying';
  try {
    run();
  } finally {
    databases.mode = mode;
  }
}
