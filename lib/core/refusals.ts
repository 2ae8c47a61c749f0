// What cannot be asked of a connection that many callers share and that comes and goes: to become something else. Such a
// command would be answered with OK, change one socket of several for everybody, and be forgotten with it.

import { RedisError } from '../base/errors.ts';
import { withHint } from '../base/hint.ts';
import type { Call } from '../connection/call.ts';
import type { Argument } from '../wire/encoder.ts';
import { ReplyError } from '../wire/reply.ts';

type Refusal = (argv: readonly Argument[], db: number) => Error | undefined;

const lower = (argument: Argument | undefined): string => String(argument).toLowerCase();

function refused(name: string, why: string): Error {
  const text = `${name.toUpperCase()} ${why} (the connections of a cluster client are shared, and come and go)`;
  return new RedisError(text, { code: 'ERR_SHARED_CONNECTION' });
}

// In the words of a server in cluster mode, which users know: a client of several databases is for one of them.
function refusedSelect(wanted: Argument | undefined, db: number): Error | undefined {
  const number = String(wanted);
  // What is no number the server refuses itself.
  if (!/^\d{1,9}$/.test(number) || Number(number) === db) return undefined;
  const instead = `make a client for it: cluster.duplicate([], { redisOptions: { db: ${number} } })`;
  const hint = `a cluster client has one database for all its connections, this one ${db}; where servers have database ${number}, ${instead}`;
  return withHint(new ReplyError('ERR SELECT is not allowed in cluster mode'), hint);
}

const refusals: Readonly<Record<string, Refusal>> = {
  select: ([, wanted], db) => refusedSelect(wanted, db),
  monitor: () => refused('monitor', 'needs a connection of its own: use monitor() of one of nodes()'),
  sync: () => refused('sync', 'needs a connection of its own'),
  psync: () => refused('psync', 'needs a connection of its own'),
  reset: () => refused('reset', 'would log out one of several connections: make a client of its own, duplicate()'),
  hello: ([, version]) =>
    version === undefined
      ? undefined
      : refused('hello', 'cannot change the protocol of one connection: use the option'),
  client: ([, subcommand, mode]) =>
    lower(subcommand) === 'reply' && lower(mode) !== 'on'
      ? refused('client reply', 'would silence a connection that others wait for')
      : undefined,
};

const names: ReadonlySet<string> = new Set(Object.keys(refusals));

/** Why a keyless call cannot be carried out on a cluster's connections; `db`: their database. */
export function refusalOnShared({ argv }: Call, db: number): Error | undefined {
  const name = lower(argv[0]);
  return names.has(name) ? refusals[name]!(argv, db) : undefined;
}
