// A near cache: answers kept in the client, dropped when the server says so.

import { slotOf } from '../../../lib/index.ts';
import { startCluster } from '../../index.ts';
import type { Lab } from '../lab.ts';

export async function cache(lab: Lab): Promise<void> {
  const bundled = await startCluster({ masters: 3, replicas: 1 });
  lab.onEnd(() => bundled.close());
  const reader = lab.client(bundled.seeds, { clientSideCache: {} });
  const writer = lab.client(bundled.seeds);
  await writer.set('price', '10');

  await lab.part('The first read asks, the next ones do not');
  await lab.say(`With CLIENT TRACKING a node remembers which keys a connection has read. The client keeps the answer until the
    node sends an invalidation for the key.`);
  for (let at = 0; at < 100; at++) await reader.get('price');
  const { cache: counted } = reader.stats();
  lab.show(`hits ${counted?.hits}, misses ${counted?.misses}`);
  lab.check('100 reads, one question', counted?.misses === 1 && counted.hits === 99);

  await lab.part('A write by somebody else');
  await writer.set('price', '11');
  const seen = await lab.until('the new value is read', async () => (await reader.get('price')) === '11');
  lab.check('the invalidation came, the next read asked again', seen);

  await lab.part('A slot that moves');
  await lab.say(`The node that tracks the key is no longer its owner after a move. What was kept of that slot is dropped, and
    read anew from the new owner, which tracks it from then on.`);
  const owner = bundled.ownerOf(slotOf('price'));
  const target = bundled.nodes.find((node) => node.role === 'master' && node !== owner);
  if (target === undefined) throw new Error('three masters were started');
  await bundled.moveSlot(slotOf('price'), target);
  await writer.set('price', '12');
  const moved = await lab.until('the value of the new owner is read', async () => (await reader.get('price')) === '12');
  lab.check('the value written at the new owner is read', moved);
}
