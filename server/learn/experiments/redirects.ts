// MOVED and ASK as the nodes say them, and what a client makes of them.

import { slotOf } from '../../../lib/index.ts';
import { startCluster } from '../../index.ts';
import type { Lab } from '../lab.ts';

const isRefusal = (reply: unknown, word: string): boolean => reply instanceof Error && reply.message.startsWith(word);

export async function redirects(lab: Lab): Promise<void> {
  const bundled = await startCluster({ masters: 3, replicas: 0 });
  lab.onEnd(() => bundled.close());
  const slot = slotOf('{lesson}');
  const source = bundled.ownerOf(slot);
  const [target, third] = bundled.nodes.filter((node) => node !== source);
  if (target === undefined || third === undefined) throw new Error('three masters were started');

  await lab.part('MOVED: the slot lives elsewhere, for good');
  await lab.ask(source, 'SET', '{lesson}here', 'v');
  const moved = await lab.ask(third, 'GET', '{lesson}here');
  lab.check(
    `the wrong node answers MOVED ${slot} and the owner's address; it forwards nothing`,
    isRefusal(moved, `MOVED ${slot} ${source.host}:${source.port}`),
  );
  await lab.say('A client follows it and corrects its map, so that the next call goes to the owner at once.');

  await lab.part('ASK: this key, this once');
  await lab.say(`While a slot is moving, the source still owns it. For keys that it has, it answers; for a key that it does
    not have, the target may be the one to ask.`);
  const move = await bundled.beginMove(slot, target);
  lab.check(
    'a key that has not moved is answered by the source',
    (await lab.ask(source, 'GET', '{lesson}here')) === 'v',
  );
  const asked = await lab.ask(source, 'GET', '{lesson}gone');
  lab.check('a missing key gives ASK', isRefusal(asked, `ASK ${slot} ${target.host}:${target.port}`));

  await lab.part('ASKING opens the door for one command');
  const turned = await lab.ask(target, 'SET', '{lesson}new', 'n');
  lab.check('the target alone sends everyone back: MOVED to the source', isRefusal(turned, `MOVED ${slot}`));
  await lab.ask(target, 'ASKING');
  lab.check('after ASKING it takes the command', (await lab.ask(target, 'SET', '{lesson}new', 'n')) === 'OK');
  const again = await lab.ask(target, 'GET', '{lesson}new');
  lab.check('the next one needs ASKING again', isRefusal(again, 'MOVED'));

  await lab.part('TRYAGAIN: half here, half there');
  await lab.ask(target, 'ASKING');
  const half = await lab.ask(target, 'MGET', '{lesson}here', '{lesson}new');
  lab.check('a command over keys of both nodes has to wait for the move', isRefusal(half, 'TRYAGAIN'));

  await lab.part('The client does all of this');
  const client = lab.client(bundled.seeds);
  await client.set('{lesson}client', 'c');
  lab.check('it writes and reads while the slot is open', (await client.get('{lesson}client')) === 'c');
  const open = client.stats().redirects;
  lab.check(`it followed ${open.ask} ASK, and its map did not change for it`, open.ask > 0);
  await move.commit();
  lab.check('after the move it reads on', (await client.get('{lesson}client')) === 'c');
  lab.check('it followed MOVED to the new owner', client.stats().redirects.moved > open.moved);
}
