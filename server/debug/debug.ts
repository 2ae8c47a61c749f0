// The subcommands of DEBUG that need more than the engine: files, the form in which values are written, the replicas.
// Owns: nothing. Those of the engine alone are in command/debug.ts; other rooms may add their own to engine.debug.
// Does not know: how a file is read or written, nor the replicas; persistence and replication do as they are asked.
// Invariant: RELOAD and LOADAOF leave what the file says, and nothing else runs on the data meanwhile.

import { note } from '../../lib/base/world.ts';
import { OK, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { DebugSubcommand } from '../engine/debug-subcommands.ts';
import type { Engine } from '../engine/engine.ts';
import { AsyncReply, type Outcome } from '../engine/registry.ts';
import { encodingOf } from '../keyspace/encoding.ts';
import type { Entry } from '../keyspace/store.ts';
import { ListValue } from '../keyspace/types/list.ts';
import type { PersistenceManager } from '../persistence/persistence.ts';
import { digestAll, digestEntry } from '../persistence/rdb/debug-digest.ts';
import { dumpValue } from '../persistence/rdb/dump.ts';
import { addSnapshotNow } from '../persistence/rdb/snapshot.ts';
import { toPortable } from '../persistence/rdb/value-bridge.ts';

const noSuchKey = new ReplyError('ERR no such key');
const noFiles = new ReplyError('ERR this server keeps nothing on the disk');
const notSaved = new ReplyError('ERR');
const notLoaded = new ReplyError('ERR Error trying to load the RDB dump');
const badOption = new ReplyError('ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.');

/** The type byte in front of a dumped value, the version and the checksum behind it. */
const dumpFrame = 11;

function describe(engine: Engine, client: Client, key: string): Reply {
  const entry = client.store.inspect(key);
  if (entry === undefined) return noSuchKey;
  const size = dumpValue(toPortable(entry.value)).length - dumpFrame;
  const idle = Math.floor(client.store.idleMs(entry) / 1000);
  const lru = Math.floor(engine.world.now() / 1000) & 0xffffff;
  return new Status(
    `Value at:0x7f0000000000 refcount:1 encoding:${encodingOf(entry)} serializedlength:${size} lru:${lru} lru_seconds_idle:${idle}${listFacts(engine, entry)}`,
  );
}

/** What a quicklist of these elements would look like. */
function listFacts(engine: Engine, { value }: Entry): string {
  if (!(value instanceof ListValue)) return '';
  const fill = engine.config.number('list-max-listpack-size');
  const compressed = engine.config.number('list-compress-depth') === 0 ? 0 : 1;
  const { nodes, bytes } = value.layout(fill);
  const average = (value.size / nodes).toFixed(2);
  return ` ql_nodes:${nodes} ql_avg_node:${average} ql_listpack_max:${fill} ql_compressed:${compressed} ql_uncompressed_size:${bytes}`;
}

function printed(client: Client, key: string, encoding: string, engine: Engine): Reply {
  const entry = client.store.inspect(key);
  if (entry === undefined) return noSuchKey;
  const name = encoding === 'listpack' ? 'Listpack' : 'Quicklist';
  if (encodingOf(entry) !== encoding) return new ReplyError(`ERR Not a ${encoding} encoded object.`);
  note(engine.world, `${name} of ${(entry.value as { size: number }).size} elements${listFacts(engine, entry)}`);
  return new Status(`${name} structure printed on stdout`);
}

function reload(engine: Engine, saving: PersistenceManager | undefined, argv: readonly string[]): Reply {
  const options = new Set(argv.slice(2).map((option) => option.toLowerCase()));
  for (const option of options) if (!['merge', 'noflush', 'nosave'].includes(option)) return badOption;
  if (saving === undefined) return noFiles;
  const { snapshots } = saving;
  if (!options.has('nosave') && !snapshots.now()) return notSaved;
  const { databases, world } = engine;
  if (!options.has('noflush')) for (const store of databases.stores) store.clear();
  try {
    const merge = options.has('merge');
    const { functions } = addSnapshotNow(snapshots.path, databases, {
      merge,
      dropExpired: databases.mode === 'primary',
    });
    if (options.has('noflush')) for (const source of functions) engine.functions?.add(source, merge);
    else engine.functions?.replaceAll(functions);
  } catch (error) {
    world.log(`DEBUG RELOAD: ${error instanceof Error ? error.message : String(error)}`);
    return notLoaded;
  }
  world.log('DB reloaded by DEBUG RELOAD');
  return OK;
}

/** The others are answered LOADING meanwhile. */
function loadLog(engine: Engine, saving: PersistenceManager | undefined): Outcome {
  if (saving === undefined) return noFiles;
  return new AsyncReply((settle) => {
    engine.loading = true;
    void saving
      .reloadLog()
      .then((): Reply => {
        engine.world.log('Append Only File loaded by DEBUG LOADAOF');
        return OK;
      })
      .catch((error: unknown) => {
        engine.world.log(`DEBUG LOADAOF: ${error instanceof Error ? error.message : String(error)}`);
        return new ReplyError('ERR Error trying to load the append only file, check the log');
      })
      .then((reply) => {
        engine.loading = false;
        settle(reply);
      });
    return () => undefined;
  });
}

/** What DEBUG asks of the replication. */
export interface DebugReplication {
  /** Sends a command to the replicas that this node does not run. */
  replicate(argv: readonly string[]): void;
  /** Gives the stream a new id, which no replica knows. */
  changeId(): void;
}

export function debugSubcommands(
  engine: Engine,
  saving: PersistenceManager | undefined,
  replication: DebugReplication,
): Record<string, DebugSubcommand> {
  return {
    digest: { least: 0, run: () => new Status(digestAll(engine.databases)) },
    'digest-value': {
      least: 0,
      most: Number.POSITIVE_INFINITY,
      run: (client, argv) => argv.slice(2).map((key) => new Status(digestEntry(client.store.inspect(key)))),
    },
    object: { least: 1, run: (client, argv) => describe(engine, client, argv[2]!) },
    listpack: { least: 1, run: (client, argv) => printed(client, argv[2]!, 'listpack', engine) },
    quicklist: { least: 1, most: 2, run: (client, argv) => printed(client, argv[2]!, 'quicklist', engine) },
    reload: { least: 0, most: Number.POSITIVE_INFINITY, run: (_client, argv) => reload(engine, saving, argv) },
    'set-disable-deny-scripts': {
      least: 1,
      run: (_client, argv) => {
        engine.scriptsMayCallAll = argv[2] !== '0';
        return OK;
      },
    },
    'aof-flush-sleep': {
      least: 1,
      run: (_client, argv) => {
        saving?.aof.sleepBeforeFlush(Math.max(0, Number.parseInt(argv[2]!, 10) || 0) / 1000);
        return OK;
      },
    },
    loadaof: { least: 0, run: () => loadLog(engine, saving) },
    replicate: {
      least: 1,
      most: Number.POSITIVE_INFINITY,
      run: (_client, argv) => {
        replication.replicate(argv.slice(2));
        return OK;
      },
    },
    'change-repl-id': {
      least: 0,
      run: () => {
        engine.world.log('Changing replication IDs after receiving DEBUG change-repl-id');
        replication.changeId();
        return OK;
      },
    },
  };
}
