// The new owner's claim to the slots that it imported. Servers after redis-server broadcast their whole slot map with each
// SETSLOT NODE of an imported slot, and whoever receives it compares all 16,384 slots: 500 slots claimed one after the
// other keep every node of the cluster busy for some 20 ms. Here many are claimed in one transaction with one broadcast.
// Does not know: when a slot may be claimed (assign-slots.ts).
// Invariant: a slot is claimed under an epoch that is the newest the node knows.

import type { Argv } from '../../../lib/connection/exchange.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import type { ClusterLink, MovingNode } from '../link/cluster-link.ts';
import { setSlot } from './slot-commands.ts';

const begin: Argv = ['MULTI'];
const bump: Argv = ['CLUSTER', 'BUMPEPOCH'];
const end: Argv = ['EXEC'];

/**
 * The replies of `owner` to SETSLOT NODE, one for each slot. Valkey 8 and later wait for replicas with each SETSLOT, which
 * a transaction cannot, and broadcast once by themselves: there, and where a transaction is refused, slots are claimed
 * one by one. Rejects when the node does not reply.
 */
export async function claimSlots(link: ClusterLink, owner: MovingNode, slots: readonly number[]): Promise<unknown[]> {
  if (slots.length > 1 && (await link.isRedis(owner))) {
    const replies = (await link.exchange(owner, transactionFor(slots, owner.id))).at(-1);
    if (Array.isArray(replies)) return slots.map((_slot, at) => replies[replyAt(at, slots.length)]);
    if (!(replies instanceof ReplyError)) throw new Error(`${owner.host}:${owner.port}: EXEC gave no list`);
  }
  return link.exchange(
    owner,
    slots.map((slot) => claim(slot, owner.id)),
  );
}

const claim = (slot: number, id: string): Argv => setSlot(slot, 'NODE', id);

/**
 * A slot that is not open any more is claimed without a broadcast and without a new epoch, so the epoch comes first, and
 * the last slot is left open: its broadcast carries them all.
 */
function transactionFor(slots: readonly number[], id: string): Argv[] {
  const silent = slots.slice(0, -1).flatMap((slot) => [setSlot(slot, 'STABLE'), claim(slot, id)]);
  return [begin, bump, ...silent, claim(slots.at(-1)!, id), end];
}

/** Behind the reply to BUMPEPOCH two for each slot, one for the last. */
function replyAt(at: number, count: number): number {
  return at === count - 1 ? 2 * count - 1 : 2 * at + 2;
}
