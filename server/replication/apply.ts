// A replica's data: taking a copy in, applying effects, giving a copy out. Between the engine and replication.

import { ReplyError } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import { loadDelayMs, loadPieceBytes } from '../engine/load-pace.ts';
import { nobody, trust, trusted, wellFormed, withoutExpiry } from '../engine/replay.ts';
import { serverVersion } from '../engine/version.ts';
import { Databases } from '../keyspace/databases.ts';
import type { RdbContent } from '../persistence/rdb/file.ts';
import { capturedContent, loadSink } from '../persistence/rdb/snapshot.ts';
import type { Loading } from './master-link.ts';
import type { Words } from './stream.ts';

/** A master that speaks of what this server does not know may do so without end. */
const refusalsLogged = 10;

/** A copy of all data, made beside the data there is: readers see the old data, and a copy cut short changes nothing. */
export function startLoading(
  engine: Engine,
  ofThisHistory: boolean,
  onFinish: (facts: ReadonlyMap<string, string>) => void,
): Loading {
  const { databases } = engine;
  const { world, stores } = databases;
  const beside = new Databases(world, { count: stores.length, indexSlots: engine.clusterEnabled });
  const { sink, summary } = loadSink(beside, { dropExpired: false });
  // Who has nothing to show is not ready; who has an old copy may show it. Where databases are to be swapped, only one
  // of the history that the new copy is of.
  const swaps = engine.config.get('repl-diskless-load') === 'swapdb';
  engine.copying = stores.every(({ size }) => size === 0) || (swaps && !ofThisHistory);
  engine.copyingBeside = swaps && !engine.copying;
  engine.takingCopy = !swaps;
  const end = (): void => {
    engine.copying = false;
    engine.copyingBeside = false;
    engine.takingCopy = false;
  };
  let paced = 0;
  return {
    sink,
    pieceBytes: () => loadPieceBytes(engine),
    delayMs: () => {
      const keys = summary.keys - paced;
      paced = summary.keys;
      return loadDelayMs(engine, keys);
    },
    finish: () => {
      end();
      for (const store of stores) store.swapWith(beside.stores[store.index]!);
      takeFunctions(engine, summary.functions);
      databases.onEmptied?.();
      onFinish(summary.aux);
      engine.finish();
    },
    abort: end,
  };
}

/** Data without its functions is better than none: the link to the master would break again and again. */
function takeFunctions(engine: Engine, sources: readonly string[]): void {
  try {
    engine.functions?.replaceAll(sources);
  } catch (error) {
    engine.world.log((error as Error).message);
  }
}

/** Everything in the databases, keys past their deadline too: their deletion is replicated when it comes. */
export function captureAll(
  engine: Engine,
  functionsOnly: boolean,
  facts: readonly (readonly [string, string])[],
): RdbContent {
  let content: RdbContent | undefined;
  withoutExpiry(engine, () => {
    const functions = engine.functions?.sources ?? [];
    content = capturedContent(engine.databases, { version: serverVersion, functions, more: facts });
  });
  return functionsOnly ? { ...content!, databases: [] } : content!;
}

/** Applies what comes from this node's master, as facts. */
export class Applier {
  readonly #engine: Engine;
  #client: Client;
  #refused = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#client = trusted(engine);
  }

  /** The link stands: it is a client among the others, who can be listed and killed. */
  attach(ends: { readonly local: string; readonly remote: string }, close: () => void): void {
    const { store } = this.#client;
    const client = this.#engine.connect({ ...nobody, address: ends.remote, localAddress: ends.local, close });
    this.#client = trust(client);
    client.store = store;
  }

  detach(): void {
    this.#engine.disconnect(this.#client);
  }

  /** The database that the stream speaks of. */
  get db(): number {
    return this.#client.store.index;
  }

  /** The first one for what is no database. */
  select(db: number): void {
    this.#client.store = this.#engine.databases.stores[db] ?? this.#engine.databases.stores[0]!;
  }

  /** One command, or the commands of one transaction: their effects leave as one. */
  apply(unit: readonly Words[]): void {
    this.#client.lastActive = this.#engine.world.now();
    withoutExpiry(this.#engine, () => {
      for (const words of unit) this.#run(words);
    });
    this.#engine.finish();
  }

  #run(words: Words): void {
    const command = wellFormed(this.#engine, words);
    const reply = command instanceof ReplyError ? command : this.#engine.run(this.#client, command, words);
    if (reply instanceof ReplyError && ++this.#refused <= refusalsLogged) {
      const known = this.#engine.registry.findTrusted(words);
      const name = known instanceof ReplyError ? '<unknown>' : known.row.name;
      // Harnesses look for the beginning of this line.
      this.#engine.world.log(
        `== CRITICAL == This replica is sending an error to its master: '${reply.message.replace(/^ERR /, '')}' after processing the command '${name}'`,
      );
    }
  }
}
