// The steps of a slot's way from one node to another, as every real cluster walks it: open, hand keys over, decide
// (assign-slots.ts); and back: turn, hand back, decide for the old owner. Each may be repeated, so a move may be taken
// up anywhere.
// Speaks RESP to the nodes and knows nothing else of them.
// Invariant: at every moment each key is at one node that clients are led to, by ASK at worst.

import type { Words } from '../../../lib/connection/exchange.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, type MovingNode, RefusedError } from '../link/cluster-link.ts';
import { untilKnows } from './assign-slots.ts';
import { keysWords, type SlotRoute, setSlot } from './slot-commands.ts';

export interface Batch {
  readonly keys: number;
  readonly bytes: number;
  /** Keys to hand over next; none: the slot is empty. */
  readonly next: readonly string[];
}

/** Handing keys over waits for another node: what has to be said meanwhile must not queue behind it. */
const lanes = 16;

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
): Promise<{ total: number; next: string[] }> {
  const importing = setSlot(route.slot, 'IMPORTING', route.from.id);
  if (stale) await transaction(link, route.to, [setSlot(route.slot, 'NODE', route.from.id), importing]);
  else await link.ask(route.to, importing);
  const commands = [
    setSlot(route.slot, 'MIGRATING', route.to.id),
    ['CLUSTER', 'COUNTKEYSINSLOT', String(route.slot)],
    keysWords(route.slot, limit),
  ];
  const [opened, total, next] = await link.exchange(route.from, commands);
  if (opened instanceof ReplyError) throw new RefusedError(route.from, commands[0]!, opened.message);
  return { total: Number(total), next: next as string[] };
}

export async function keysIn(link: ClusterLink, node: MovingNode, slot: number, limit: number): Promise<string[]> {
  return (await link.ask(node, keysWords(slot, limit))) as string[];
}

/** Hands `keys` over in one exchange and finds the next ones. */
export async function handOver(
  link: ClusterLink,
  route: SlotRoute,
  keys: readonly string[],
  limit: number,
  exchangeMs: number,
): Promise<Batch> {
  // Without REPLACE at first: a copy that a broken exchange left behind is overwritten only when it is known to be one.
  let replies = await exchangeKeys(link, route, keys, limit, exchangeMs, []);
  let moved = replies.at(-2);
  if (moved instanceof ReplyError && moved.message.includes('BUSYKEY')) {
    // While the slot is open only the node that clients ask first can have the newer value of a key that both have.
    replies = await exchangeKeys(link, route, keys, limit, exchangeMs, ['REPLACE']);
    moved = replies.at(-2);
  }
  if (moved instanceof ReplyError) throw new RefusedError(route.from, ['MIGRATE'], moved.message);
  const next = replies.at(-1);
  if (next instanceof ReplyError) throw new RefusedError(route.from, keysWords(route.slot, limit), next.message);
  let bytes = 0;
  for (const size of replies.slice(0, -2)) if (typeof size === 'number') bytes += size;
  return { keys: keys.length, bytes, next: next as string[] };
}

function exchangeKeys(
  link: ClusterLink,
  { slot, from, to }: SlotRoute,
  keys: readonly string[],
  limit: number,
  exchangeMs: number,
  options: Words,
): Promise<unknown[]> {
  const head = ['MIGRATE', to.host, String(to.port), '', '0', String(exchangeMs), ...options, ...link.migrateAuth];
  const commands = [
    ...keys.map((key) => ['MEMORY', 'USAGE', key, 'SAMPLES', '1']),
    [...head, 'KEYS', ...keys],
    keysWords(slot, limit),
  ];
  // The node answers within its own time limit; ours only ends what a dead node leaves open.
  return link.exchange(from, commands, exchangeMs * 2 + 1000, 1 + (slot % lanes));
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
async function transaction(link: ClusterLink, node: MovingNode, commands: readonly Words[]): Promise<void> {
  const replies = await link.exchange(node, [['MULTI'], ...commands, ['EXEC']]);
  const outcome = replies.at(-1);
  const last = Array.isArray(outcome) ? outcome.at(-1) : outcome;
  if (last instanceof ReplyError) throw new RefusedError(node, commands.at(-1)!, last.message);
}
