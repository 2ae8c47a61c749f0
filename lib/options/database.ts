// The one database of a cluster client. Its connections are shared by all its calls and come and go, so it is chosen
// once, by an option or by the path of a startup node's URL, and selected in the handshake of each. Servers have
// others than 0 only as Valkey 9 with `cluster-databases`; what cannot be had is refused in clear words.

import { type ClusterAllFailedError, OptionError, RedisError } from '../base/errors.ts';
import { hintOf } from '../base/hint.ts';
import type { Seed } from '../topology/seeds.ts';
import { ReplyError } from '../wire/reply.ts';
import type { ClusterOptions } from './options.ts';

/**
 * Notes in `options.redisOptions` which database the client is for: `redisOptions.db`, `db`, or what the URLs of the
 * startup nodes say, in this order. Throws OptionError when the options differ, or the startup nodes do.
 */
export function adoptDatabase(options: ClusterOptions, seeds: readonly Seed[]): void {
  const given = agreed([
    { where: 'redisOptions.db', db: options.redisOptions?.db },
    { where: 'db', db: options.db },
  ]);
  const db = given ?? agreed(seeds.map(({ key, options: own }) => ({ where: `startup node ${key}`, db: own.db })));
  if (db && options.redisOptions?.db !== db) options.redisOptions = { ...options.redisOptions, db };
}

interface Named {
  readonly where: string;
  readonly db: number | string | null | undefined;
}

/** The database that all of them name; those that name none do not count. */
function agreed(all: readonly Named[]): number | undefined {
  const named = all.filter(({ db }) => db !== undefined && db !== null && db !== '');
  const [first] = named;
  if (first === undefined) return undefined;
  const db = Number(first.db);
  if (!Number.isInteger(db) || db < 0) {
    throw new OptionError('db', `Invalid option db of ${first.where}. Expected a whole number from 0`);
  }
  const other = named.find((one) => Number(one.db) !== db);
  if (other === undefined) return db;
  const both = `${first.where} says ${first.db}, ${other.where} says ${other.db}`;
  throw new OptionError('db', `Invalid option db: a cluster client has one database for all nodes, and ${both}`);
}

/** The clear form of a failed round in which nodes said that they have no such database, whatever the others said. */
export function databaseRefusal(error: unknown): RedisError | undefined {
  const errors = (error as Partial<ClusterAllFailedError>).errors ?? [];
  for (const one of errors) {
    const cause = selectRefusalIn(one);
    if (cause === undefined) continue;
    const { node } = one as { node?: string };
    const why = hintOf(cause) ?? 'the database asked for cannot be selected (option db, or the path of a URL)';
    return new RedisError(`${cause.message}: ${why}`, { code: 'ERR_DATABASE', node, cause });
  }
  return undefined;
}

function selectRefusalIn(error: unknown): ReplyError | undefined {
  let cause = error;
  for (let depth = 0; depth < 5 && cause instanceof Error; depth++, cause = cause.cause) {
    if (cause instanceof ReplyError && cause.command?.name === 'select') return cause;
  }
  return undefined;
}
