// The client's slot map: where it comes from, what corrects it, and how seldom it is asked for.

import { slotOf } from '../../../lib/index.ts';
import { startCluster } from '../../index.ts';
import type { Lab } from '../lab.ts';

export async function map(lab: Lab): Promise<void> {
  const bundled = await startCluster({ config: { 'cluster-node-timeout': lab.fast ? '500' : '2000' } });
  lab.onEnd(() => bundled.close());
  const [seed] = bundled.seeds as [(typeof bundled.seeds)[0]];
  const client = lab.client([seed]);
  await client.ping();
  const sum = (): number => Object.values(client.stats().refreshes).reduce((total, count) => total + (count ?? 0), 0);

  await lab.part('One seed is enough');
  await lab.say(
    `The client was given one address. It asked that node for CLUSTER SLOTS, and has the whole map from it.`,
  );
  const owners = new Set(client.slots.map(([master]) => master));
  lab.check(`all ${client.slots.length} slots have one of ${owners.size} masters`, owners.size === 3);
  lab.check('the map was asked for once, by "connect"', client.stats().refreshes['connect'] === 1 && sum() === 1);

  await lab.part('MOVED corrects one slot');
  const slot = slotOf('{topic}');
  const source = bundled.ownerOf(slot);
  const target = bundled.nodes.find((node) => node.role === 'master' && node !== source);
  if (target === undefined) throw new Error('three masters were started');
  await client.set('{topic}', 'v');
  await bundled.moveSlot(slot, target);
  lab.check('the map still says the old owner', client.slots[slot]?.[0] === `${source.host}:${source.port}`);
  await client.get('{topic}');
  lab.check('one call, one MOVED followed', client.stats().redirects.moved === 1);
  lab.check('now it says the new one', client.slots[slot]?.[0] === `${target.host}:${target.port}`);
  await client.get('{topic}');
  lab.check('the next call went there directly', client.stats().redirects.moved === 1);

  await lab.part('Many MOVED, few questions');
  await lab.say(
    'A MOVED is a hint that more may have changed, so the whole map is asked for as well: once, not for each hint.',
  );
  const range = source.slots[0] ?? [0, 0];
  for (let at = 0; at < 20; at++) await bundled.moveSlot(range[0] + at, target);
  const keys = keysOf(range[0], 20);
  const before = sum();
  await Promise.all(keys.map((key) => client.get(key)));
  await lab.until('the map is whole', () =>
    keys.every((key) => client.slots[slotOf(key)]?.[0] === `${target.host}:${target.port}`),
  );
  const asked = sum() - before;
  lab.check(`20 slots had moved, the map was asked for ${asked} ${asked === 1 ? 'time' : 'times'}`, asked < 10);

  await lab.part('A node is gone');
  await lab.say(
    'No node says MOVED for a master that is dead. A lost connection is the hint, and other nodes are asked.',
  );
  const replica = bundled.nodes.find(({ masterId }) => masterId === target.id);
  await target.kill();
  lab.check('the call waits for the replica to be promoted, and succeeds', (await client.get('{topic}')) === 'v');
  lab.check(
    `the map names the new master`,
    replica !== undefined && client.slots[slot]?.[0] === `${replica.host}:${replica.port}`,
  );
  lab.show(JSON.stringify(client.stats().refreshes));
}

/** One key for each of `count` slots from `first` on. */
function keysOf(first: number, count: number): string[] {
  const found = new Map<number, string>();
  for (let at = 0; found.size < count; at++) {
    const slot = slotOf(`key:${at}`);
    if (slot >= first && slot < first + count) found.set(slot, `key:${at}`);
  }
  return [...found.values()];
}
