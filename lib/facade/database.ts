// The one database of a cluster client. Its connections are shared by all its calls and come and go, so it is chosen
// once, by an option or by the path of a startup node's URL, and selected in the handshake of each. Servers have
// others than 0 only as Valkey 9 with `cluster-databases`; what cannot be had is refused in clear words.

import { type ClusterAllFailedError, OptionError, RedisError } from '../base/errors.ts';
import { hintOf } from '../base/hint.ts';
import type { Call } from '../connection/call.ts';
import type { Seed } from '../topology/seeds.ts';
import { ReplyError } from '../wire/reply.ts';
import type { ClusterOptions } from './options.ts';

/**
 * Notes in `options.redisOptions` which database the client is for, by whichever of its names it was given. Throws
 * OptionError when two of them differ.
 */
export function adoptDatabase(options: ClusterOptions, seeds: readonly Seed[]): void {
  const named = [
    ...seeds.map(({ key, options: { db } }) => ({ where: `startup node ${key}`, db: Number(db || 0) })),
    { where: 'db', db: options.db ?? 0 },
    { where: 'redisOptions.db', db: options.redisOptions?.db ?? 0 },
  ].filter(({ db }) => db !== 0);
  const [first] = named;
  if (first === undefined) return;
  const other = named.find(({ db }) => db !== first.db);
  if (other !== undefined) {
    const both = `${first.where} says ${first.db}, ${other.where} says ${other.db}`;
    throw new OptionError('db', `Invalid option db: a cluster client has one database for all nodes, and ${both}`);
  }
  if (!Number.isInteger(first.db) || first.db < 0) {
    throw new OptionError('db', `Invalid option db of ${first.where}. Expected a whole number from 0`);
  }
  if (options.redisOptions?.db !== first.db) options.redisOptions = { ...options.redisOptions, db: first.db };
}

/** Why a SELECT cannot be carried out on shared connections; undefined for other calls, and for the database in use. */
export function refusalOfSelect(call: Call, db: number): Error | undefined {
  const [name, wanted] = call.argv;
  if (typeof name !== 'string' || name.length !== 6 || name.toLowerCase() !== 'select') return undefined;
  if (Number(String(wanted)) === db) return undefined;
  const why = 'its connections are shared and come and go';
  const instead = `make a client for it: cluster.duplicate([], { redisOptions: { db: ${String(wanted)} } })`;
  return new RedisError(
    `SELECT ${String(wanted)} cannot change the database ${db} of a cluster client (${why}); ${instead}`,
    {
      code: 'ERR_DATABASE',
    },
  );
}

/** The clear form of what every node said, when that is that it has no such database. */
export function databaseRefusal(error: unknown): RedisError | undefined {
  const errors = (error as Partial<ClusterAllFailedError>).errors ?? [];
  const refusals = errors.map(selectRefusalIn);
  const [refusal] = refusals;
  if (refusal === undefined || refusals.includes(undefined)) return undefined;
  const { node } = errors[0] as { node?: string };
  return new RedisError(`${refusal.message}: ${hintOf(refusal) ?? 'no such database'}`, {
    code: 'ERR_DATABASE',
    node,
    cause: refusal,
  });
}

function selectRefusalIn(error: unknown): ReplyError | undefined {
  let cause = error;
  for (let depth = 0; depth < 5 && cause instanceof Error; depth++, cause = cause.cause) {
    if (cause instanceof ReplyError && cause.command?.name === 'select') return cause;
  }
  return undefined;
}
