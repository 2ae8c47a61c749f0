// Failure detection: PFAIL is one node's view, FAIL is the majority's.

import { startCluster } from '../../index.ts';
import { type Lab, seconds, viewOf } from '../lab.ts';

export async function gossip(lab: Lab): Promise<void> {
  const timeout = lab.fast ? 500 : 2000;
  const bundled = await startCluster({ config: { 'cluster-node-timeout': String(timeout) } });
  lab.onEnd(() => bundled.close());
  const masters = bundled.nodes.filter((node) => node.role === 'master');
  const [watcher] = masters as [(typeof masters)[0]];
  const victim = bundled.nodes.find((node) => node.role === 'replica' && node.masterId !== watcher.id);
  if (victim === undefined) throw new Error('there are three replicas');
  const flagsAt = async (node: typeof watcher): Promise<readonly string[]> =>
    (await viewOf(lab, node)).find(({ id }) => id === victim.id)?.flags ?? [];

  await lab.part('Every node talks to every other');
  await lab.say(`Nodes hold one connection to each other on the cluster bus. Each second they send PING to a few, and to any
    from which they have not heard for half of cluster-node-timeout, which is ${timeout} ms here (15000 by default). Each PING
    and PONG carries the sender's slots and epoch, and gossip: what it thinks of some other nodes.`);
  const sent = String(await lab.quiet(watcher, 'CLUSTER', 'INFO')).match(/cluster_stats_messages_p[io]ng_sent:\d+/g);
  lab.show(...(sent ?? []));
  lab.check('pings and pongs are counted', (sent?.length ?? 0) >= 2);

  await lab.part('A node stops answering');
  await lab.say(`Node ${victim.port}, a replica, is frozen: its sockets stay open, nothing is answered. A dead process would be
    found in the same way.`);
  const frozen = performance.now();
  victim.pause();
  const suspected = await lab.until('someone suspects it', async () => {
    const views = await Promise.all(masters.map(flagsAt));
    return views.some((flags) => flags.includes('fail?') || flags.includes('fail'));
  });
  const suspectedAfter = performance.now() - frozen;
  // Timed from here: reading takes longer than gossip.
  const agreed = lab
    .until('all masters have it as failing', async () => {
      const views = await Promise.all(masters.map(flagsAt));
      return views.every((flags) => flags.includes('fail'));
    })
    .then(() => performance.now() - frozen);
  agreed.catch(() => undefined);
  await lab.say(`After ${seconds(suspectedAfter)} a master marks it PFAIL ("fail?"): it has not answered for
    cluster-node-timeout. That is an opinion. It goes to the others as gossip.`);
  lab.check('suspicion took at least the node timeout', suspected && suspectedAfter >= timeout * 0.9);

  await lab.part('The majority agrees');
  const agreedAfter = await agreed;
  lab.show(...(await viewOf(lab, watcher)).filter(({ id }) => id === victim.id).map(({ line }) => line));
  lab.check(
    `after ${seconds(agreedAfter)} every master says FAIL: two of three masters had reported it`,
    agreedAfter >= suspectedAfter,
  );
  await lab.say(`Only masters with slots count for the majority. Whoever finds it reached sends FAIL to all, so that nobody
    has to wait for gossip. A master that is FAIL may be replaced by its replica; PFAIL alone never starts an election.`);
  await lab.ask(watcher, 'CLUSTER', 'COUNT-FAILURE-REPORTS', victim.id);

  await lab.part('It comes back');
  victim.resume();
  await lab.until('nobody has it as failing', async () => {
    const views = await Promise.all(masters.map(flagsAt));
    return views.every((flags) => !flags.includes('fail') && !flags.includes('fail?'));
  });
  lab.check('a replica that answers is taken back at once', (await flagsAt(watcher)).includes('slave'));
  await lab.say(
    'A master with slots is taken back only after twice the node timeout without an election: until then it waits.',
  );
}
