// Resharding as every tool does it: SETSLOT, GETKEYSINSLOT, MIGRATE, SETSLOT.

import { slotOf } from '../../../lib/index.ts';
import { startCluster } from '../../index.ts';
import { type Lab, viewOf } from '../lab.ts';

export async function reshard(lab: Lab): Promise<void> {
  const bundled = await startCluster({ masters: 3, replicas: 0 });
  lab.onEnd(() => bundled.close());
  const slot = slotOf('{order}');
  const source = bundled.ownerOf(slot);
  const [target, third] = bundled.nodes.filter((node) => node !== source);
  if (target === undefined || third === undefined) throw new Error('three masters were started');
  const client = lab.client(bundled.seeds);
  for (let at = 0; at < 5; at++) await client.set(`{order}${at}`, `value ${at}`);

  await lab.part('Before');
  await lab.say(`Slot ${slot} with five keys is at ${source.port} and shall go to ${target.port}. A reader goes on all the
    time; it counts errors and wrong values.`);
  const reader = readOn(client);
  lab.onEnd(() => reader.stop());
  await lab.ask(source, 'CLUSTER', 'COUNTKEYSINSLOT', slot);

  await lab.part('The target is notified first');
  await lab.say('The other way round, the source would send clients to a node that does not expect them.');
  await lab.ask(target, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', source.id);
  await lab.ask(source, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.id);
  const marks = (await viewOf(lab, source)).find(({ flags }) => flags.includes('myself'));
  const mark = `[${slot}->-${target.id}]`;
  lab.show(mark);
  lab.check('CLUSTER NODES of the source shows the open slot', marks?.line.includes(mark) === true);

  await lab.part('Keys move in batches');
  const batch = (await lab.ask(source, 'CLUSTER', 'GETKEYSINSLOT', slot, 3)) as string[];
  await lab.say('MIGRATE hands them over in one step each: the key is at the source, or at the target, never at both.');
  const place = [target.host, target.port, '', 0, 5000, 'KEYS'] as const;
  lab.check('MIGRATE answers OK', (await lab.ask(source, 'MIGRATE', ...place, ...batch)) === 'OK');
  const left = await lab.quiet(source, 'CLUSTER', 'COUNTKEYSINSLOT', slot);
  const there = await lab.quiet(target, 'CLUSTER', 'COUNTKEYSINSLOT', slot);
  lab.check(`${left} keys are left at the source, ${there} are at the target`, left === 2 && there === 3);
  await client.set('{order}new', 'born on the way');
  const born = await lab.quiet(target, 'CLUSTER', 'COUNTKEYSINSLOT', slot);
  lab.check('a key that is made now is made at the target: the source answered ASK', born === 4);
  const rest = (await lab.quiet(source, 'CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[];
  await lab.ask(source, 'MIGRATE', ...place, ...rest);

  await lab.part('The slot gets its new owner');
  await lab.say(`The target is notified first again: it raises its configuration epoch, and by that its claim wins everywhere.
    The source would otherwise give the slot away before anyone has it.`);
  await lab.ask(target, 'CLUSTER', 'SETSLOT', slot, 'NODE', target.id);
  await lab.ask(source, 'CLUSTER', 'SETSLOT', slot, 'NODE', target.id);
  await lab.until('the third node knows', () => third.state?.owners.get(slot) === target.id);
  lab.check(`the third node got no command; gossip brought it the new owner`, bundled.ownerOf(slot) === target);

  await lab.part('After');
  const moved = reader.rounds;
  await lab.until('the reader has read after the move', () => reader.rounds > moved + 2);
  const { reads, wrong } = await reader.stop();
  const { redirects } = client.stats();
  await lab.say(
    `The reader made ${reads} reads; its client followed ${redirects.ask} ASK and ${redirects.moved} MOVED.`,
  );
  lab.check('no read failed and no value was wrong', reads > 0 && wrong === 0);
  lab.check('the client followed ASK on the way', redirects.ask > 0);
  lab.check('its map names the new owner', client.slots[slot]?.[0] === `${target.host}:${target.port}`);
  await lab.say(
    '`npx lingcache reshard` and `bundled.moveSlot(slot, node)` do these steps, and undo them when one fails.',
  );
}

function readOn(client: ReturnType<Lab['client']>): {
  readonly rounds: number;
  stop(): Promise<{ reads: number; wrong: number }>;
} {
  const counts = { reads: 0, wrong: 0, rounds: 0 };
  let going = true;
  const loop = (async () => {
    while (going) {
      for (let at = 0; at < 5; at++) {
        const value = await client.get(`{order}${at}`).catch((error: Error) => error);
        counts.reads++;
        if (value !== `value ${at}`) counts.wrong++;
      }
      counts.rounds++;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  return {
    get rounds() {
      return counts.rounds;
    },
    stop: async () => {
      going = false;
      await loop;
      return counts;
    },
  };
}
