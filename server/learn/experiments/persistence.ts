// Persistence: the append only file brings the data back, nodes.conf the place in the cluster.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { slotOf } from '../../../lib/index.ts';
import { startCluster } from '../../index.ts';
import type { Lab } from '../lab.ts';

export async function persistence(lab: Lab): Promise<void> {
  const bundled = await startCluster({ processes: true, replicas: 0, config: { appendfsync: 'always' } });
  lab.onEnd(() => bundled.close());
  const client = lab.client(bundled.seeds);

  await lab.part('Two files, two questions');
  await lab.say(`Each node is a process of its own here. What is in the keys is kept in the append only file (or in an RDB
    snapshot); who the node is and which slots it has is kept in nodes.conf.`);
  const node = await bundled.ownerOf(slotOf('{ledger}'));
  const conf = readFileSync(join(node.folder, 'nodes.conf'), 'latin1').trimEnd().split('\n');
  lab.show(...conf);
  lab.check(
    'nodes.conf names the node itself',
    conf.some((line) => line.startsWith(node.id) && /myself/.test(line)),
  );
  lab.check('its last line has the epochs', /^vars currentEpoch \d+ lastVoteEpoch \d+$/.test(conf.at(-1) ?? ''));

  await lab.part('kill -9 with appendfsync always');
  const count = 200;
  for (let at = 0; at < count; at++) await client.rpush('{ledger}', at);
  await lab.say(`${count} entries were acknowledged. appendfsync always: none of them before it was on the disk.`);
  await node.kill('SIGKILL');
  await node.start();
  const kept = await lab.until('it serves', async () => {
    const length = await lab.quiet(node, 'LLEN', '{ledger}');
    return typeof length === 'number' ? length : 0;
  });
  lab.check(`all ${count} are there again`, kept === count);
  lab.check('it has its id again', (await lab.ask(node, 'CLUSTER', 'MYID')) === node.id);
  await bundled.settled();
  lab.check('and its slots: the client goes on', (await client.rpush('{ledger}', 'after')) === count + 1);

  await lab.say(`appendfsync everysec, the default, may lose the last second; no leaves it to the system.`);
  await withoutFiles(lab);
}

async function withoutFiles(lab: Lab): Promise<void> {
  await lab.part('Without a file');
  await lab.say(`Another cluster, with replicas, whose nodes write no files. A master is killed, and is up again before the node
    timeout: nobody has noticed, so it is still the master.`);
  const bundled = await startCluster();
  lab.onEnd(() => bundled.close());
  const master = bundled.ownerOf(slotOf('{ledger}'));
  const replica = bundled.nodes.find(({ masterId }) => masterId === master.id);
  if (replica === undefined) throw new Error('each master has a replica');
  await lab.ask(master, 'SET', '{ledger}', 'kept');
  await lab.until('the replica has the key', async () => (await lab.quiet(replica, 'DBSIZE')) === 1);
  await master.kill();
  await master.restart();
  await lab.until('it answers', async () => typeof (await lab.quiet(master, 'DBSIZE')) === 'number');
  lab.check('the master is empty', (await lab.ask(master, 'DBSIZE')) === 0 && master.role === 'master');
  await lab.until('the replica has copied it', async () => (await lab.quiet(replica, 'DBSIZE')) === 0);
  lab.check('its replica has copied the empty data set', (await lab.ask(replica, 'DBSIZE')) === 0);
  await lab.say(`So a master without persistence must not be started again by itself: its replica must have been elected before.
    Persistence belongs to each node, replication to the shard; they protect from different failures.`);
}
