// Replication is asynchronous: an acknowledged write can be lost. How, and what helps.

import { slotOf } from '../../../lib/index.ts';
import { startCluster } from '../../index.ts';
import type { Lab } from '../lab.ts';

export async function replication(lab: Lab): Promise<void> {
  const bundled = await startCluster({ config: { 'cluster-node-timeout': lab.fast ? '500' : '2000' } });
  lab.onEnd(() => bundled.close());
  const master = bundled.ownerOf(slotOf('{shop}'));
  const replica = bundled.nodes.find(({ masterId }) => masterId === master.id);
  if (replica === undefined) throw new Error('each master has a replica');

  await lab.part('A master answers first and copies afterwards');
  await lab.ask(master, 'SET', '{shop}paid:1', 'yes');
  const acknowledged = await lab.ask(master, 'WAIT', 1, 1000);
  lab.check('WAIT: one replica has it', acknowledged === 1);
  await lab.say('WAIT makes the copy visible to who asks. It does not undo the write when the answer is 0.');

  await lab.part('The hole');
  await lab.say(`The replica is frozen and its link cut, as by a broken switch. The master does not know yet, and goes on
    answering OK.`);
  replica.pause();
  await lab.ask(master, 'CLIENT', 'KILL', 'TYPE', 'REPLICA');
  lab.check('the write is acknowledged', (await lab.ask(master, 'SET', '{shop}paid:2', 'yes')) === 'OK');
  lab.check('WAIT: nobody has it', (await lab.ask(master, 'WAIT', 1, 200)) === 0);
  await lab.say('Now the master dies, and the replica is well again, and takes its place.');
  await master.kill();
  replica.resume();
  const promoted = await bundled.failover(replica, 'takeover');
  lab.check('the first write is there', (await lab.ask(promoted, 'GET', '{shop}paid:1')) === 'yes');
  lab.check('the second, which was acknowledged, is lost', (await lab.ask(promoted, 'GET', '{shop}paid:2')) === null);

  await lab.part('Smaller holes');
  await lab.say(`min-replicas-to-write makes a master refuse writes while fewer replicas are connected. The new master has none:
    the old one is dead.`);
  await lab.ask(promoted, 'CONFIG', 'SET', 'min-replicas-to-write', '1');
  const refused = await lab.ask(promoted, 'SET', '{shop}paid:3', 'yes');
  lab.check('the write is refused', refused instanceof Error && refused.message.startsWith('NOREPLICAS'));
  await master.restart();
  await lab.until('the old master is a replica in step', async () =>
    /slave0:.*state=online/.test(String(await lab.quiet(promoted, 'INFO', 'replication'))),
  );
  await lab.until(
    'writes are taken again',
    async () => (await lab.quiet(promoted, 'SET', '{shop}paid:3', 'yes')) === 'OK',
  );
  lab.check('with a replica, it is taken', (await lab.ask(promoted, 'WAIT', 1, 1000)) === 1);
  await lab.say(`Both make the window smaller, neither closes it: Redis Cluster does not promise that an acknowledged write
    survives. For a planned change, CLUSTER FAILOVER (not a kill) loses nothing.`);
}
