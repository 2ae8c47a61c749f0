// Configuration epochs: the higher one wins a slot.

import { startCluster } from '../../index.ts';
import { infoOf, type Lab, viewOf } from '../lab.ts';

export async function epochs(lab: Lab): Promise<void> {
  const bundled = await startCluster();
  lab.onEnd(() => bundled.close());
  const [first, second] = bundled.nodes as [(typeof bundled.nodes)[0], (typeof bundled.nodes)[0]];
  const replica = bundled.nodes.find(({ masterId }) => masterId === first.id);
  if (replica === undefined) throw new Error('each master has a replica');
  const epochAt = async (viewer: typeof first, id: string): Promise<number> =>
    (await viewOf(lab, viewer)).find((node) => node.id === id)?.epoch ?? 0;

  await lab.part('Two numbers');
  await lab.say(`The current epoch is the highest number that the cluster has seen: a logical clock. The configuration epoch of a
    master is the current epoch at which it got its slots; no two masters have the same.`);
  lab.show(
    ...(await viewOf(lab, second)).map(({ id, epoch, flags }) => `${id.slice(0, 8)} ${flags.join()} epoch ${epoch}`),
  );
  const masters = (await viewOf(lab, second)).filter(({ flags }) => flags.includes('master'));
  lab.check('the masters have three different epochs', new Set(masters.map(({ epoch }) => epoch)).size === 3);
  const current = await infoOf(lab, second, 'cluster_current_epoch');
  lab.check(
    `the current epoch, ${current}, is not below any of them`,
    masters.every(({ epoch }) => epoch <= current),
  );

  await lab.part('A failover by agreement takes a new epoch');
  await lab.say(`CLUSTER FAILOVER on a replica: the master pauses writes, the replica catches up, is voted for by the majority
    and takes the slots. No write is lost.`);
  lab.check('the replica answers OK', (await lab.ask(replica, 'CLUSTER', 'FAILOVER')) === 'OK');
  await lab.until('all know the new master', () =>
    bundled.nodes.every(({ state }) => state?.nodes.get(replica.id)?.role === 'master'),
  );
  const elected = await epochAt(second, replica.id);
  lab.check(`its configuration epoch, ${elected}, is above the old current epoch`, elected > current);

  await lab.part('TAKEOVER: no votes');
  await lab.say(`CLUSTER FAILOVER TAKEOVER raises the epoch without asking anyone: for when the majority is lost. It is right
    only because nobody else does the same at the same time.`);
  await lab.until('the old master has become a replica', () => first.masterId === replica.id);
  lab.check('the old master answers OK', (await lab.ask(first, 'CLUSTER', 'FAILOVER', 'TAKEOVER')) === 'OK');
  await lab.until('all know', () => bundled.nodes.every(({ state }) => state?.nodes.get(first.id)?.role === 'master'));
  const taken = await epochAt(second, first.id);
  lab.check(`it has the slots again, with epoch ${taken}`, taken > elected && first.slots.length > 0);

  await lab.part('The lower epoch gives way');
  await lab.say(`Node ${replica.port} had the slots a moment ago. It heard a claim with a higher epoch, and is a replica now.
    That is all that is needed: the nodes need not agree on time, nor on who spoke first.`);
  await lab.until('it has given way', () => replica.role === 'replica');
  lab.check('the one with the lower epoch follows the one with the higher', replica.masterId === first.id);

  await lab.part('Slots that move do it too');
  const slot = second.slots[0]?.[0] ?? 0;
  const before = await epochAt(second, first.id);
  await bundled.moveSlot(slot, second === bundled.ownerOf(slot) ? first : second);
  const after = await lab.until('all know', async () => {
    const epoch = await epochAt(second, first.id);
    return bundled.nodes.every(({ state }) => state?.owners.get(slot) === first.id) && epoch;
  });
  await lab.say(`The target of a slot raises its epoch when it takes it (${before} to ${after}), unless it is the highest
    already: then its claim wins as it is.`);
  lab.check('it did not go down', Number(after) >= before);
}
