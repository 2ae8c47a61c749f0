// The steps of a slot's way from one node to another, as every real cluster walks it: open, hand keys over, decide
// (assign-slots.ts); and back: turn, hand back, decide for the old owner. Each may be repeated, so a move may be taken
// up anywhere. A slot is moved with its keys of all databases (Valkey 9 has several in a cluster).
// Speaks RESP to the nodes and knows nothing else of them.
// Invariant: at every moment each key is at one node that clients are led to, by ASK at worst.

import type { Argv } from '../../../lib/connection/exchange.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, type MovingNode, RefusedError } from '../link/cluster-link.ts';
import { untilKnows } from './assign-slots.ts';
import { countArgv, keysArgv, type SlotRoute, setSlot } from './slot-commands.ts';

/** Keys of a slot in one of its databases. */
export interface KeyBatch {
  readonly database: number;
  readonly keys: readonly string[];
}

export interface Batch {
  readonly keys: number;
  readonly bytes: number;
  /** Keys to hand over next; none: the slot is empty in every database. */
  readonly next: KeyBatch;
}

/** Handing keys over waits for another node: what has to be said meanwhile must not queue behind it. */
const lanes = 16;

const none: KeyBatch = { database: 0, keys: [] };

/**
 * From now on `from` answers ASK for keys that it does not have. Resolves to the keys that it has, and how many.
 * `stale`: `to` takes somebody else for the owner. A node that imports a slot believes no claim to it, so after a
 * failover of the source it goes on waiting for a dead node, and with that calls the whole cluster down.
 */
export async function openSlot(
  link: ClusterLink,
  route: SlotRoute,
  limit: number,
  stale = false,
): Promise<{ total: number; next: KeyBatch }> {
  const importing = setSlot(route.slot, 'IMPORTING', route.from.id);
  if (stale) await transaction(link, route.to, [setSlot(route.slot, 'NODE', route.from.id), importing]);
  else await link.ask(route.to, importing);
  const opening = setSlot(route.slot, 'MIGRATING', route.to.id);
  const [opened, ...looks] = await link.exchange(route.from, [opening, ...lookArgvs(route.slot, limit)]);
  if (opened instanceof ReplyError) throw new RefusedError(route.from, opening, opened.message);
  return lookFurther(link, route.from, route.slot, limit, looks);
}

/** The first database of the slot that has keys, with up to `limit` of them. */
export async function keysIn(link: ClusterLink, node: MovingNode, slot: number, limit: number): Promise<KeyBatch> {
  const looks = await link.exchange(node, lookArgvs(slot, limit));
  return (await lookFurther(link, node, slot, limit, looks)).next;
}

function lookArgvs(slot: number, limit: number): Argv[] {
  return [countArgv(slot), keysArgv(slot, limit)];
}

/** `first`: what database 0 answered; the others are asked as well. */
async function lookFurther(
  link: ClusterLink,
  node: MovingNode,
  slot: number,
  limit: number,
  first: readonly unknown[],
): Promise<{ total: number; next: KeyBatch }> {
  const databases = await link.databasesOf(node);
  const others = Array.from({ length: databases - 1 }, (_, at) =>
    link.exchange(node, lookArgvs(slot, limit), link.timeoutMs, 0, at + 1),
  );
  let total = 0;
  let next = none;
  for (const [database, [count, keys]] of [first, ...(await Promise.all(others))].entries()) {
    for (const reply of [count, keys]) {
      if (reply instanceof ReplyError) throw new RefusedError(node, keysArgv(slot, limit), reply.message);
    }
    total += Number(count);
    if (next.keys.length === 0 && (keys as string[]).length > 0) next = { database, keys: keys as string[] };
  }
  return { total, next };
}

/** Hands `batch` over in one exchange and finds the next keys. */
export async function handOver(
  link: ClusterLink,
  route: SlotRoute,
  batch: KeyBatch,
  limit: number,
  exchangeMs: number,
): Promise<Batch> {
  // Without REPLACE at first: a copy that a broken exchange left behind is overwritten only when it is known to be one.
  let replies = await exchangeKeys(link, route, batch, limit, exchangeMs, []);
  let moved = replies.at(-2);
  if (moved instanceof ReplyError && moved.message.includes('BUSYKEY')) {
    // While the slot is open only the node that clients ask first can have the newer value of a key that both have.
    replies = await exchangeKeys(link, route, batch, limit, exchangeMs, ['REPLACE']);
    moved = replies.at(-2);
  }
  if (moved instanceof ReplyError) throw new RefusedError(route.from, ['MIGRATE'], moved.message);
  const next = replies.at(-1);
  if (next instanceof ReplyError) throw new RefusedError(route.from, keysArgv(route.slot, limit), next.message);
  let bytes = 0;
  for (const size of replies.slice(0, -2)) if (typeof size === 'number') bytes += size;
  const here = next as string[];
  if (here.length > 0) return { keys: batch.keys.length, bytes, next: { database: batch.database, keys: here } };
  const more = (await link.databasesOf(route.from)) > 1;
  return { keys: batch.keys.length, bytes, next: more ? await keysIn(link, route.from, route.slot, limit) : none };
}

function exchangeKeys(
  link: ClusterLink,
  { slot, from, to }: SlotRoute,
  { database, keys }: KeyBatch,
  limit: number,
  exchangeMs: number,
  options: Argv,
): Promise<unknown[]> {
  const head = ['MIGRATE', to.host, String(to.port), '', String(database), String(exchangeMs)];
  const commands = [
    ...keys.map((key) => ['MEMORY', 'USAGE', key, 'SAMPLES', '1']),
    [...head, ...options, ...link.migrateAuth, 'KEYS', ...keys],
    keysArgv(slot, limit),
  ];
  // The node answers within its own time limit; ours only ends what a dead node leaves open.
  return link.exchange(from, commands, exchangeMs * 2 + 1000, 1 + (slot % lanes), database);
}

/**
 * Turns an open slot round: its new node owns it from here on, and hands the keys back to the old one, which imports.
 * The old node gives the slot up first and in one step: were it to hear of the new owner before it imports, it would
 * drop the keys that it still has.
 */
export async function reverse(link: ClusterLink, { slot, from, to }: SlotRoute): Promise<void> {
  await link.alone(async () => {
    await untilKnows(link, to, [from]);
    await transaction(link, from, [
      setSlot(slot, 'STABLE'),
      ['CLUSTER', 'DELSLOTS', String(slot)],
      setSlot(slot, 'NODE', to.id),
      setSlot(slot, 'IMPORTING', to.id),
    ]);
    await transaction(link, to, [setSlot(slot, 'NODE', to.id), setSlot(slot, 'MIGRATING', from.id)]);
  });
}

/** Only the refusal of the last command counts: the ones before it may have been done already. */
async function transaction(link: ClusterLink, node: MovingNode, commands: readonly Argv[]): Promise<void> {
  const replies = await link.exchange(node, [['MULTI'], ...commands, ['EXEC']]);
  const outcome = replies.at(-1);
  const last = Array.isArray(outcome) ? outcome.at(-1) : outcome;
  if (last instanceof ReplyError) throw new RefusedError(node, commands.at(-1)!, last.message);
}
