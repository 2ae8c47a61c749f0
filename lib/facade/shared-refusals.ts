// What cannot be asked of a connection that many callers share and that comes and goes: to become something else. Such a
// command would be answered with OK, change one socket of several for everybody, and be forgotten with it.

import { RedisError } from '../base/errors.ts';
import type { Call } from '../connection/call.ts';
import type { Argument } from '../wire/encoder.ts';

type Reason = (argv: readonly Argument[], db: number) => string | undefined;

const word = (argument: Argument | undefined): string => String(argument).toLowerCase();

const reasons: Readonly<Record<string, Reason>> = {
  select: ([, wanted], db) => {
    if (Number(String(wanted)) === db) return undefined;
    const instead = `cluster.duplicate([], { redisOptions: { db: ${String(wanted)} } })`;
    return `cannot change the database ${db} of a cluster client; make a client for it: ${instead}`;
  },
  monitor: () => 'needs a connection of its own; use monitor() of one of nodes()',
  sync: () => 'needs a connection of its own',
  psync: () => 'needs a connection of its own',
  reset: () => 'would log out one of several connections; make a client of its own: duplicate()',
  hello: ([, version]) =>
    version === undefined
      ? undefined
      : 'cannot change the protocol of one of several connections; use the option protocol',
  client: ([, subcommand, mode]) =>
    word(subcommand) === 'reply' && word(mode) !== 'on' ? 'would silence a connection that others wait for' : undefined,
};

const names: ReadonlySet<string> = new Set(Object.keys(reasons));

/** Why a keyless call cannot be carried out on a cluster's connections; `db`: their database. */
export function refusalOnShared({ argv }: Call, db: number): Error | undefined {
  const name = word(argv[0]);
  if (!names.has(name)) return undefined;
  const reason = reasons[name]!(argv, db);
  if (reason === undefined) return undefined;
  const asked = argv.slice(0, name === 'select' ? 2 : 1).map(String);
  const text = [asked[0]!.toUpperCase(), ...asked.slice(1)].join(' ');
  return new RedisError(`${text} ${reason} (its connections are shared, and come and go)`, {
    code: name === 'select' ? 'ERR_DATABASE' : 'ERR_SHARED_CONNECTION',
  });
}
