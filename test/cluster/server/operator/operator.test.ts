import assert from 'node:assert/strict';
import { RealWorld } from '../../../../lib/base/world.ts';
import { ClusterOperator, type MoveStatus, startCluster } from '../../../../server/index.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../../kit/real-cluster.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';

// Balancing and monitoring through the operator: on a bundled cluster, and by address on redis-server.

const keep: RealWorld = new RealWorld();

async function fill(port: number, keys: readonly string[]): Promise<void> {
  const client = await RespClient.connect(port);
  await Promise.all(keys.map((key) => client.call('SET', key, key)));
  client.close();
}

describe('the operator of a bundled cluster', () => {
  it('balances by weight onto an empty master, drains another, and says so in the metrics', async () => {
    await using cluster = await startCluster({ masters: 3, replicas: 0, config: {} });
    await using operator = cluster.operator({ moves: { concurrency: 8 } });
    const [a, b, c] = cluster.nodes.map(({ id }) => id) as [string, string, string];
    assert.deepEqual((await operator.balancer.check()).needed, false);
    assert.deepEqual((await operator.balancer.balance()).moves, []);
    const request = { strategy: 'weighted', weights: { [a]: 1.05 }, threshold: 0.1, maxMoves: 60 } as const;
    const { plan, moves } = await operator.balancer.balance(request);
    assert.equal(moves.length, 60);
    assert.ok(moves.every(({ phase, target }) => phase === 'done' && target.id === a));
    assert.ok(plan.after.maxDiffPercent < plan.before.maxDiffPercent);
    const metrics = await operator.monitor.update();
    assert.deepEqual(
      metrics.nodes.map(({ slots, status, role }) => [slots, status, role]),
      cluster.nodes.map(({ slots }) => [slots.reduce((sum, [from, to]) => sum + to - from + 1, 0), 'online', 'master']),
    );
    assert.deepEqual(await operator.monitor.health(), { state: 'ok', problems: [] });
    await assert.rejects(operator.balancer.plan({ weights: { nobody: 1 } }), /weights: nobody is no running master/);
    assert.equal(
      (await operator.balancer.plan({ strategy: 'weighted', weights: { [b]: 0, [c]: 1 } })).moves.length > 5000,
      true,
    );
  });

  it('adaptive: moves slots off the master with the keys', async () => {
    await using cluster = await startCluster({ masters: 3, replicas: 0 });
    await using operator = cluster.operator();
    const keys = Array.from({ length: 3000 }, (_, at) => `{tag${at % 150}}${at}`);
    for (const node of cluster.nodes.slice(0, 1)) await fill(node.port, keys);
    const plan = await operator.balancer.plan({ strategy: 'adaptive', maxMoves: 40 });
    assert.ok(plan.before.needed && plan.moves.every(({ source }) => source === cluster.nodes[0]!.id));
    const heavy = await operator.monitor.slotKeys();
    const carried = plan.moves.reduce((sum, { slot }) => sum + heavy.get(slot)!, 0);
    assert.ok(carried >= 20 * 10, `${carried} keys in ${plan.moves.length} slots`);
    await operator.balancer.execute(plan);
    const { nodes } = await operator.monitor.update();
    assert.equal(
      nodes.find(({ id }) => id === cluster.nodes[0]!.id)!.keys! + carried,
      nodes.reduce((sum, node) => sum + node.keys!, 0),
    );
    const { slot } = plan.moves[0]!;
    assert.deepEqual(await operator.monitor.slot(slot), {
      slot,
      nodeId: plan.moves[0]!.target,
      keys: heavy.get(slot)!,
      state: 'stable',
    });
  });

  it('balances by itself while the cluster is well, and reports when it is not', async () => {
    await using cluster = await startCluster({ masters: 3, replicas: 0 });
    await using operator = cluster.operator();
    const target = cluster.nodes[1]!;
    await operator.mover.moveAll(Array.from({ length: 30 }, (_, slot) => ({ slot, target: target.id })));
    const rounds: (number | string)[] = [];
    let open = false;
    operator.balancer.startAuto({
      threshold: 0.1,
      maxMoves: 10,
      everyMs: 5,
      when: () => open,
      onRound: (outcome) => rounds.push(outcome instanceof Error ? outcome.message : outcome.moves.length),
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(rounds, []);
    open = true;
    await until('it is balanced', async () => !(await operator.balancer.check({ threshold: 0.1 })).needed);
    assert.ok(rounds.length >= 2 && rounds.every((count) => Number(count) <= 10), rounds.join(' '));
    await cluster.nodes[2]!.kill();
    await until('it reports the node that is gone', () =>
      rounds.some((round) => /not balanced: master/.test(String(round))),
    );
    assert.equal((await operator.monitor.health()).state, 'degraded');
  });

  it('watches at an interval until it is stopped', async () => {
    await using cluster = await startCluster({ masters: 3, replicas: 1 });
    await using operator = cluster.operator();
    let rounds = 0;
    operator.monitor.start((metrics) => {
      assert.ok(!(metrics instanceof Error));
      assert.equal(metrics.totalNodes, 6);
      rounds++;
    }, 5);
    await until('three rounds', () => rounds >= 3);
    operator.monitor.stop();
    const text = operator.monitor.text(operator.monitor.latest!);
    for (const { host, port } of cluster.nodes) assert.ok(text.includes(`${host}:${port}`));
    assert.match(text, /health: ok[\s\S]+slots: 16384 of 16384 assigned, 0 open/);
    const replica = cluster.nodes[4]!;
    assert.equal((await operator.monitor.node(replica.id))!.masterId, replica.masterId);
    assert.throws(() => operator.monitor.start(undefined, 0), /intervalMs: 0/);
  });
});

describe('the operator of a cluster of redis-server', function () {
  this.timeout(60_000);
  let real: RealCluster;

  before(async function () {
    needRedisServer(this, 'the operator of a cluster of redis-server');
    real = await startRealCluster({ masters: 3, replicas: 0 });
  });
  after(() => real?.stop());

  it('moves, rolls back, balances and watches it', async () => {
    const changes: MoveStatus[] = [];
    const moves = { batch: 10, keysPerSecond: 2000, onChange: (status: MoveStatus) => void changes.push(status) };
    await using operator = new ClusterOperator({ seeds: real.seeds.slice(0, 1), moves, world: keep });
    const slot = 12_182;
    const source = await real.ownerOf(slot);
    const target = real.nodes.find(({ id }) => id !== source.id)!;
    await fill(
      source.port,
      Array.from({ length: 400 }, (_, at) => `{foo}${at}`),
    );
    const over = operator.mover.move(slot, target.id);
    await until('some keys moved', () => operator.mover.progress(slot).moved >= 50);
    assert.equal((await operator.monitor.update()).openSlots.length, 2);
    assert.equal((await operator.monitor.health()).state, 'migrating');
    const cancelled = await operator.mover.cancel(slot);
    assert.equal((await over).phase, 'cancelled', cancelled.error ?? '');
    const count = (node: typeof source): Promise<unknown> => node.ask('cluster', 'countkeysinslot', String(slot));
    assert.deepEqual([await count(source), await count(target)], [400, 0]);
    assert.equal((await real.ownerOf(slot)).id, source.id);
    for (const node of real.nodes) assert.doesNotMatch(String(await node.ask('cluster', 'nodes')), /\[/);

    assert.equal((await operator.mover.move(slot, target.id)).phase, 'done');
    assert.deepEqual([await count(source), await count(target)], [0, 400]);
    assert.ok(changes.at(-1)!.bytesMoved > 400 * 20);
    const { moves: balanced } = await operator.balancer.balance({ threshold: 0, maxMoves: 5 });
    assert.ok(balanced.every(({ phase }) => phase === 'done'));
    const metrics = await operator.monitor.update();
    assert.deepEqual([metrics.totalKeys, metrics.masterNodes, metrics.unassignedSlots], [400, 3, 0]);
    assert.ok(metrics.nodes.every(({ memoryUsed, latencyMs }) => memoryUsed! > 0 && latencyMs! >= 0));
  });
});
