// What may help the reader of a server's refusal, as `error.hint`: the message stays the server's, users match on it.
// Only asked for errors, by their code.

import { withHint } from '../base/hint.ts';
import { keyIndexes } from '../command/keys.ts';
import { type Call, explainWith } from '../connection/call.ts';
import { SingleRouter } from '../router/single.ts';
import { parseRedirect } from '../wire/reply.ts';
import { slotOf } from '../wire/slot.ts';

type Hint = (call: Call, error: Error) => string | undefined;

/** Most keys named, and most characters of each. */
const maxKeys = 4;
const maxLength = 40;

function crossSlot(call: Call): string {
  const slots = new Map<number, string>();
  for (const at of keyIndexes(call.argv)) {
    const key = call.argv[at]!;
    const slot = slotOf(key);
    if (slots.has(slot)) continue;
    const text = String(typeof key === 'string' ? key : Buffer.from(key));
    slots.set(slot, text.length > maxLength ? `${text.slice(0, maxLength)}...` : text);
  }
  const named = [...slots].slice(0, maxKeys).map(([slot, key]) => `${key} (slot ${slot})`);
  if (slots.size > maxKeys) named.push(`keys of ${slots.size - maxKeys} more slots`);
  const where = named.length > 1 ? `${named.join(', ')} are in different slots` : 'the keys are in different slots';
  const split = "crossSlot: 'split' for MGET, MSET, DEL, UNLINK, EXISTS and TOUCH";
  return `${where}: give keys that belong together one {hash tag}, or use the Cluster's option ${split}`;
}

const redirected: Hint = (call, { message }) => {
  const redirect = call.sink instanceof SingleRouter ? parseRedirect(message) : undefined;
  if (redirect === undefined) return undefined;
  const { slot, host, port } = redirect;
  const owner = `slot ${slot} is served by ${host === '' ? `port ${port} of this host` : `${host}:${port}`}`;
  return `${owner}. A Redis talks to one node only: use new Cluster([{ host, port }]), or the Cluster itself instead of one of its nodes()`;
};

const where = (option: string): string =>
  `new Redis({ ${option} }), new Cluster(nodes, { redisOptions: { ${option} } })`;

/** Refusals that have no code of their own, by their beginnings. */
const texts: Readonly<Record<string, string>> = {
  'ERR This instance has cluster support disabled':
    'this server is no cluster: use new Redis({ host, port }), or start it with cluster-enabled yes',
  "ERR wrong number of arguments for 'auth' command":
    'servers before Redis 6 know no user names: leave username out, the password is enough',
};

const hints: Readonly<Record<string, Hint>> = {
  CROSSSLOT: crossSlot,
  MOVED: redirected,
  ASK: redirected,
  NOAUTH: () => `the server wants a password: ${where('password')}`,
  WRONGPASS: () => `check ${where('username, password')}`,
  READONLY: ({ sink }) =>
    sink instanceof SingleRouter
      ? 'this is a replica: connect to its master, or use Cluster, which finds it'
      : undefined,
  ERR: (_call, { message }) => Object.entries(texts).find(([text]) => message.startsWith(text))?.[1],
};

explainWith((call, error) => {
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string' || !Object.hasOwn(hints, code)) return;
  const hint = hints[code]!(call, error);
  if (hint !== undefined) withHint(error, hint);
});
