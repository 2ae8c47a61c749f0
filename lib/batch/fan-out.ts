// Commands without keys that mean the whole cluster: asked of every shard's master and joined. Each part is routed by
// a slot of its shard, so it follows a failover like any other call.
// Policies after the command tips `request_policy` and `response_policy` (COMMAND INFO); replicas are not asked.

import { Call } from '../connection/call.ts';
import type { Argument } from '../wire/encoder.ts';
import { counted, type Join, like, listed, type Part, Split, sum } from './split.ts';

const first: Join = (values) => values[0];
const least: Join = (values) => like(values[0], Math.min(...values.map(counted)));
const concat: Join = (values) => values.flatMap((value) => listed(value));
const everywhere: Join = (values) =>
  columns(values).map((column) => like(column[0], Number(column.every((value) => Number(value) === 1))));
const distinct: Join = (values) => [
  ...new Map((concat(values) as unknown[]).map((value) => [String(value), value])).values(),
];
const anything: Join = (values) => values.find((value) => value !== null) ?? null;
/** PUBSUB NUMSUB: name, count, name, count. */
const sumPairs: Join = (values) => columns(values).map((column, index) => (index % 2 === 0 ? column[0] : sum(column)));

function columns(rows: readonly unknown[]): unknown[][] {
  const first = listed(rows[0]);
  const lists = rows.map((row) => listed(row, first.length));
  return first.map((_, at) => lists.map((list) => list[at]));
}

/** What each command's replies become, by name or `container|sub`. */
const fanOutPolicies: ReadonlyMap<string, Join> = new Map<string, Join>([
  ['dbsize', sum],
  ['keys', concat],
  ['randomkey', anything],
  ['flushall', first],
  ['flushdb', first],
  ['wait', least],
  ['script|load', first],
  ['script|flush', first],
  ['script|exists', everywhere],
  ['function|load', first],
  ['function|delete', first],
  ['function|flush', first],
  ['function|restore', first],
  ['config|set', first],
  ['config|resetstat', first],
  ['slowlog|reset', first],
  ['latency|reset', sum],
  ['memory|purge', first],
  ['pubsub|channels', distinct],
  ['pubsub|shardchannels', distinct],
  ['pubsub|numpat', sum],
  ['pubsub|numsub', sumPairs],
  ['pubsub|shardnumsub', sumPairs],
]);

/** Sends a part to the owner of each of `slots` (one slot a shard); false when the command means one node only. */
export function fanOut(call: Call, slots: readonly number[], send: (part: Call) => void): boolean {
  if (call.slot >= 0 || slots.length < 2) return false;
  const join = policyOf(call.argv);
  if (join === undefined) return false;
  const parts = slots.map((slot): Part => {
    const part = new Call(call.argv, slot, call.flags, call.encoding, undefined, call.sink);
    return { call: part, subject: [`slot ${slot}`] };
  });
  new Split(call, parts, join);
  for (const part of parts) send(part.call);
  return true;
}

/** What servers keep each for itself, and every call of a script or a function rests on. */
const scriptControls: ReadonlySet<string> = new Set(
  `script|load script|flush script|exists function|load function|delete function|flush function|restore`.split(' '),
);

/** True for commands that say which scripts and functions there are: one node's answer is of no use. */
export function isScriptControl(argv: readonly Argument[]): boolean {
  if (argv.length < 2) return false;
  const name = String(argv[0]).toLowerCase();
  if (name !== 'script' && name !== 'function') return false;
  return scriptControls.has(`${name}|${String(argv[1]).toLowerCase()}`);
}

/** True for commands with a policy. */
export function mayFanOut(argv: readonly Argument[]): boolean {
  return policyOf(argv) !== undefined;
}

function policyOf(argv: readonly Argument[]): Join | undefined {
  const name = String(argv[0]).toLowerCase();
  return (
    fanOutPolicies.get(name) ??
    (argv.length > 1 ? fanOutPolicies.get(`${name}|${String(argv[1]).toLowerCase()}`) : undefined)
  );
}
