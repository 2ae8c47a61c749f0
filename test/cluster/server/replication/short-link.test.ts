import assert from 'node:assert/strict';
import { type BundledCluster, type BundledNode, startCluster } from '../../../../server/index.ts';
import { ask, info } from '../../../kit/ask.ts';
import { until } from '../../../kit/until.ts';
import { replicasOf } from './kit.ts';

// Masters that die one after another: the last replica was linked to the last master for less than a tick of the bus,
// and takes its place all the same.

describe('a master that dies as soon as its replicas have found it', function () {
  this.timeout(60_000);
  let cluster: BundledCluster;

  before(async () => {
    cluster = await startCluster({ masters: 3, replicas: 2, config: { 'cluster-node-timeout': '1000' } });
  });

  after(() => cluster?.close());

  const roleOf = async (node: BundledNode): Promise<string> => String((await info(node))['role']);

  it('is followed by one of them', async () => {
    const first = cluster.nodes[0]!;
    const family = await replicasOf(first, cluster.nodes);
    assert.equal(family.length, 2);
    await until('both are linked', async () => {
      const facts = await Promise.all(family.map((node) => info(node)));
      return facts.every((fact) => fact['master_link_status'] === 'up');
    });
    await first.kill();
    let winner: BundledNode | undefined;
    let other: BundledNode | undefined;
    const linked = async (): Promise<boolean> => {
      for (const [at, node] of family.entries()) {
        const facts = await info(family[1 - at]!);
        if (facts['master_port'] !== String(node.port) || facts['master_link_status'] !== 'up') continue;
        [winner, other] = [node, family[1 - at]!];
        return true;
      }
      return false;
    };
    const deadline = Date.now() + 20_000;
    while (!(await linked())) assert.ok(Date.now() < deadline, 'nobody took the place');
    await winner!.kill();
    await until('the last one is master', async () => (await roleOf(other!)) === 'master', 20_000);
    await until('all slots are served', async () =>
      String(await ask(other!, 'CLUSTER', 'INFO')).includes('cluster_state:ok'),
    );
  });
});
