import assert from 'node:assert/strict';
import { RealWorld } from '../../../../lib/base/world.ts';
import { ClusterLink, ownerIn } from '../../../../server/operator/link/cluster-link.ts';
import { MoveEngine } from '../../../../server/operator/reshard/reshard.ts';
import { type RealCluster, startRealCluster } from '../../../kit/real-cluster.ts';
import { until } from '../../../kit/until.ts';

// Many slots that change their owner on redis-server nodes, which broadcast their map with each claim made by itself.

const count = 200;

describe('claims of many slots at once', function () {
  this.timeout(60_000);
  let real: RealCluster;
  let link: ClusterLink;

  before(async () => {
    real = await startRealCluster({ masters: 3, replicas: 0 });
    link = new ClusterLink({ seeds: real.seeds, world: new RealWorld() });
  });
  after(async () => {
    link?.close();
    await real?.stop();
  });

  it('cost few broadcasts, take the newest epoch, and every node knows', async () => {
    const [source, target] = real.masters as [(typeof real.masters)[0], (typeof real.masters)[0]];
    const infoOf = async (name: string): Promise<number> =>
      Number(new RegExp(`${name}:(\\d+)`).exec(String(await target.ask('cluster', 'info')))?.[1] ?? 0);
    const before = await infoOf('cluster_stats_messages_pong_sent');
    const epoch = await infoOf('cluster_current_epoch');
    const view = await link.view();
    const mine = view.find(({ id }) => id === source.id)!.ranges[0]![0];
    const engine = new MoveEngine(link, { concurrency: count });
    const slots = Array.from({ length: count }, (_, at) => mine + at);
    const ends = await engine.moveAll(slots.map((slot) => ({ slot, target: target.id })));
    assert.deepEqual(
      ends.filter(({ phase }) => phase !== 'done'),
      [],
    );
    // One by one there are two for each slot; those of pings that came meanwhile are some few.
    const broadcast = (await infoOf('cluster_stats_messages_pong_sent')) - before;
    assert.ok(broadcast < count, `${broadcast} broadcasts`);
    assert.ok((await infoOf('cluster_my_epoch')) > epoch);
    await until('every node knows', async () => {
      const views = await Promise.all(real.masters.map((node) => link.viewOf(node)));
      return views.every((lines) => slots.every((slot) => ownerIn(lines, slot) === target.id));
    });
    await engine.close();
  });
});
