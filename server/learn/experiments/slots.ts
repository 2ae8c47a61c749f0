// Slots: CRC16 of a key or of its hash tag, modulo 16384.

import { slotOf } from '../../../lib/index.ts';
import { startCluster } from '../../index.ts';
import type { Lab } from '../lab.ts';

export async function slots(lab: Lab): Promise<void> {
  const bundled = await startCluster({ masters: 3, replicas: 0 });
  lab.onEnd(() => bundled.close());
  const [first] = bundled.nodes as [(typeof bundled.nodes)[0]];

  await lab.part('A key has a slot');
  await lab.say(`A cluster has 16384 hash slots. The slot of a key is CRC16(key) modulo 16384: any node and any client can
    compute it, nobody has to look it up.`);
  const slot = await lab.ask(first, 'CLUSTER', 'KEYSLOT', 'foo');
  lab.check(`the client computes the same: slotOf('foo') is ${slotOf('foo')}`, slot === slotOf('foo'));

  await lab.part('A slot has a node');
  await lab.say(
    'Each master owns ranges of slots. Only who owns what is shared among the nodes, never where a key is.',
  );
  for (const node of bundled.nodes)
    lab.show(`${node.port} owns ${node.slots.map((range) => range.join('-')).join(' ')}`);
  const client = lab.client(bundled.seeds);
  const total = 6000;
  const pipeline = client.pipeline();
  for (let at = 0; at < total; at++) pipeline.set(`user:${at}`, at);
  await pipeline.exec();
  const counts = await Promise.all(bundled.nodes.map((node) => lab.quiet(node, 'DBSIZE')));
  await lab.say(
    `${total} keys user:0 to user:${total - 1} were written. CRC16 spreads them: ${counts.join(', ')} keys.`,
  );
  lab.check(
    'each master has between a quarter and a half of them',
    counts.every((count) => Number(count) > total / 4 && Number(count) < total / 2),
  );

  await lab.part('Hash tags put keys together');
  await lab.say(`When a key has a non-empty text between the first { and the next }, only that text is hashed. Keys with the
    same tag share a slot, so commands, transactions and scripts over several of them are possible.`);
  const tagged = ['{user:1000}.following', '{user:1000}.followers', 'user:1000'];
  const tags = [];
  for (const key of tagged) tags.push(await lab.ask(first, 'CLUSTER', 'KEYSLOT', key));
  lab.check('all three have the same slot', new Set(tags).size === 1);
  lab.check('an empty tag is no tag: foo{}{bar} is hashed whole', slotOf('foo{}{bar}') !== slotOf('bar'));

  await lab.part('Commands over several slots are refused');
  const owner = bundled.ownerOf(slotOf('a'));
  const refused = await lab.ask(owner, 'MSET', 'a', 1, 'b', 2);
  lab.check('the node answers CROSSSLOT', refused instanceof Error && refused.message.startsWith('CROSSSLOT'));
  const tagOwner = bundled.ownerOf(slotOf('x'));
  const taken = await lab.ask(tagOwner, 'MSET', '{x}a', 1, '{x}b', 2);
  lab.check('with a common tag it is done', taken === 'OK');
  await lab.say('A pipeline is no such command: this client sends each call of it to the node of its own slot.');
  const replies = await client.pipeline().set('a', 1).set('b', 2).exec();
  lab.check('a pipeline over both slots works', replies?.every(([error]) => error === null) === true);
}
