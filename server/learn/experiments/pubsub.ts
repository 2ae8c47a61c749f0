// Classic messages go to every node; sharded ones stay in the shard of their channel.

import { slotOf } from '../../../lib/index.ts';
import { startCluster } from '../../index.ts';
import { infoOf, type Lab } from '../lab.ts';

export async function pubsub(lab: Lab): Promise<void> {
  const bundled = await startCluster({ bus: 'tcp' });
  lab.onEnd(() => bundled.close());
  const heard: string[] = [];
  const subscriber = lab.client(bundled.seeds);
  const note = (channel: string, text: string): void => void heard.push(`${channel}=${text}`);
  subscriber.on('message', note);
  subscriber.on('smessage', note);
  const publisher = lab.client(bundled.seeds);
  await publisher.ping();
  const sent = async (kind: string): Promise<number[]> =>
    Promise.all(bundled.nodes.map((node) => infoOf(lab, node, `cluster_stats_messages_${kind}_received`)));
  const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

  await lab.part('PUBLISH: any node, every node');
  await lab.say(`A subscriber sits on any node, a publisher talks to any node. So each message goes over the bus to all of
    them: five more nodes here, and as many as the cluster has elsewhere.`);
  await subscriber.subscribe('news');
  const before = total(await sent('publish'));
  await publisher.publish('news', 'hello');
  await lab.until('the message is here', () => heard.includes('news=hello'));
  const copies = await lab.until('all nodes have it', async () => {
    const now = total(await sent('publish')) - before;
    return now >= 5 && now;
  });
  lab.check(`one message was received ${copies} times on the bus`, copies === 5);

  await lab.part('SPUBLISH: the shard of the channel');
  const slot = slotOf('{room:1}');
  const owner = bundled.ownerOf(slot);
  await lab.say(`A sharded channel has a slot like a key. SSUBSCRIBE and SPUBLISH go to the master of slot ${slot}, ${owner.port};
    only its replica gets a copy.`);
  await subscriber.ssubscribe('{room:1}');
  const sharded = total(await sent('publishshard'));
  const classic = total(await sent('publish'));
  await publisher.spublish('{room:1}', 'hi');
  await lab.until('the message is here', () => heard.includes('{room:1}=hi'));
  const shardCopies = await lab.until('the replica has it', async () => {
    const now = total(await sent('publishshard')) - sharded;
    return now >= 1 && now;
  });
  lab.check(`it was received ${shardCopies} time on the bus`, shardCopies === 1);
  lab.check('and not as a classic message', total(await sent('publish')) === classic);

  await lab.part('The slot moves, the subscription follows');
  const target = bundled.nodes.find((node) => node.role === 'master' && node !== owner);
  if (target === undefined) throw new Error('three masters were started');
  await lab.say(
    'When a slot moves, its old node ends the subscriptions (sunsubscribe); this client subscribes at the new one.',
  );
  await bundled.moveSlot(slot, target);
  await lab.until('the new owner has the subscriber', async () => {
    const counts = (await lab.quiet(target, 'PUBSUB', 'SHARDNUMSUB', '{room:1}')) as unknown[];
    return Number(counts[1]) === 1;
  });
  await publisher.spublish('{room:1}', 'still here');
  await lab.until('the message is here', () => heard.includes('{room:1}=still here'));
  lab.check('a message after the move arrives', true);
  await lab.say(
    'Neither kind is kept: who is not subscribed at that moment never gets the message. Streams keep theirs.',
  );
}
