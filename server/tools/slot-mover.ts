// Moves a slot the way every cluster tool does, with plain commands to both nodes; works on bundled and real nodes
// alike. Source: CLUSTER SETSLOT, "Redis Cluster live resharding explained"; MIGRATE.

import type { Redis } from '../../lib/index.ts';

export interface MovableNode {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly client: Redis;
}

/** Reads the id of the node behind a client. */
export async function movable(client: Redis): Promise<MovableNode> {
  const { host = '127.0.0.1', port = 6379 } = client.options;
  return { id: String(await client.call('CLUSTER', 'MYID')), host, port, client };
}

/** Opens a slot: new keys go to the target, clients see ASK for keys that are not at the source. */
export async function openSlot(slot: number, source: MovableNode, target: MovableNode): Promise<void> {
  await target.client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source.id);
  await source.client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.id);
}

/** Gives an open slot to its target; everyone else learns of it by gossip or MOVED. */
export async function closeSlot(slot: number, source: MovableNode, target: MovableNode): Promise<void> {
  await target.client.call('CLUSTER', 'SETSLOT', slot, 'NODE', target.id);
  await source.client.call('CLUSTER', 'SETSLOT', slot, 'NODE', target.id);
}

/**
 * Waits until both nodes have heard of the same current epoch. A slot handed back before that would be taken by a
 * node that does not know how high it has to bump its own, and be lost to it again by the next gossip.
 */
export async function agreeOnEpoch(one: MovableNode, other: MovableNode, limit = 5000): Promise<void> {
  const epochOf = async ({ client }: MovableNode): Promise<string | undefined> =>
    /cluster_current_epoch:(\d+)/.exec(String(await client.call('CLUSTER', 'INFO')))?.[1];
  for (const end = performance.now() + limit; performance.now() < end; ) {
    const [mine, theirs] = await Promise.all([epochOf(one), epochOf(other)]);
    if (mine === theirs) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`nodes ${one.port} and ${other.port} did not agree on an epoch within ${limit} ms`);
}

/** Undoes openSlot() of a slot without keys. */
export async function keepSlot(slot: number, source: MovableNode, target: MovableNode): Promise<void> {
  await source.client.call('CLUSTER', 'SETSLOT', slot, 'STABLE');
  await target.client.call('CLUSTER', 'SETSLOT', slot, 'STABLE');
}

/** Moves a slot with its keys, `batch` keys an exchange; resolves with the number of keys moved. */
export async function moveSlot(slot: number, source: MovableNode, target: MovableNode, batch = 10): Promise<number> {
  await openSlot(slot, source, target);
  let moved = 0;
  for (;;) {
    const keys = (await source.client.callBuffer('CLUSTER', 'GETKEYSINSLOT', slot, batch)) as Buffer[];
    if (keys.length === 0) break;
    await source.client.call('MIGRATE', target.host, target.port, '', 0, 5000, 'KEYS', ...keys);
    moved += keys.length;
  }
  await closeSlot(slot, source, target);
  return moved;
}
