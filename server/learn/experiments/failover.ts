// An election: the master fails, a replica asks the masters for their votes.

import { slotOf } from '../../../lib/index.ts';
import { startCluster } from '../../index.ts';
import { infoOf, type Lab, seconds, viewOf } from '../lab.ts';

export async function failover(lab: Lab): Promise<void> {
  const timeout = lab.fast ? 500 : 2000;
  const bundled = await startCluster({ config: { 'cluster-node-timeout': String(timeout) } });
  lab.onEnd(() => bundled.close());
  const victim = bundled.ownerOf(slotOf('counter'));
  const witness = bundled.nodes.find((node) => node.role === 'master' && node !== victim);
  const replica = bundled.nodes.find(({ masterId }) => masterId === victim.id);
  if (witness === undefined || replica === undefined) throw new Error('there are three masters with a replica each');
  const client = lab.client(bundled.seeds);

  await lab.part('Before');
  const epoch = await infoOf(lab, witness, 'cluster_current_epoch');
  await lab.say(`Node ${victim.port} is the master of the slot of the key "counter", ${replica.port} its replica. The current
    epoch of the cluster is ${epoch}. A writer increments the counter every 20 ms.`);
  const writer = increment(client);
  lab.onEnd(() => writer.stop());
  await lab.until('it counts', () => writer.done > 5);

  await lab.part('The master dies');
  const died = performance.now();
  await victim.kill();
  await lab.until('the majority says FAIL', async () =>
    (await viewOf(lab, witness)).some(({ id, flags }) => id === victim.id && flags.includes('fail')),
  );
  const failedAfter = performance.now() - died;
  // Timed from here: reading takes longer than an election.
  const elected = lab
    .until('the replica is master', () => replica.role === 'master')
    .then(() => performance.now() - died);
  elected.catch(() => undefined);
  await lab.say(`After ${seconds(failedAfter)} the masters agree that it is FAIL. Its replica waits half a second
    and a random part of another, so that the news is everywhere and two replicas do not ask at once; one with more data waits
    less. Then it raises the current epoch and asks all masters for their votes.`);

  await lab.part('The replica is elected');
  const took = await elected;
  const after = await infoOf(lab, replica, 'cluster_current_epoch');
  await lab.say(`${seconds(took)} after the death it has a majority of votes (two of three), takes the slots under the new epoch
    ${after}, and sends everyone a PONG.`);
  lab.check(`the current epoch went from ${epoch} to ${after}`, after > epoch);
  await lab.until('all know', () => witness.state?.owners.get(slotOf('counter')) === replica.id);
  lab.check('the others give the slot to the new master', bundled.ownerOf(slotOf('counter')) === replica);

  await lab.part('What the writer saw');
  const before = writer.done;
  await lab.until('it counts again', () => writer.done > before + 5);
  const { errors, longest, done } = await writer.stop();
  await lab.say(`${done} increments were answered; the longest took ${seconds(longest)}. Calls for the dead master waited in the
    client, were not sent in the meantime, and went to the new master.`);
  lab.check('none of them failed', errors === 0);
  lab.check('the counter is at least what was acknowledged', Number(await client.get('counter')) >= done - 1);

  await lab.part('The old master comes back');
  await victim.restart();
  await lab.until('it is a replica', () => victim.role === 'replica');
  lab.check(
    `its slots have an owner with a higher epoch, so it becomes a replica of it`,
    victim.masterId === replica.id,
  );
}

function increment(client: ReturnType<Lab['client']>): {
  readonly done: number;
  stop(): Promise<{ errors: number; longest: number; done: number }>;
} {
  const counts = { done: 0, errors: 0, longest: 0 };
  let going = true;
  const loop = (async () => {
    while (going) {
      const started = performance.now();
      await client.incr('counter').then(
        () => counts.done++,
        () => counts.errors++,
      );
      counts.longest = Math.max(counts.longest, performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return {
    get done() {
      return counts.done;
    },
    stop: async () => {
      going = false;
      await loop;
      return counts;
    },
  };
}
