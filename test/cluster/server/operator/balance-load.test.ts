import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, slotOf } from '../../../../lib/index.ts';
import { ClusterOperator } from '../../../../server/operator/index.ts';
import { needRedisServer, type RealCluster, type RealNode, startRealCluster } from '../../../kit/real-cluster.ts';
import { findServer, needServer } from '../../../kit/servers.ts';
import { until } from '../../../kit/until.ts';
import { lingcache } from '../tools/kit.ts';

// Balancing by what slots do: by SLOT-STATS where the server has it, by nodes elsewhere; and balancing that goes on by
// itself, paused and taken up by another process.

/** Keys of different slots of `node`. */
function keysOf(node: RealNode, real: RealCluster, count: number): string[] {
  const at = real.masters.indexOf(node as (typeof real.masters)[number]);
  const [low, high] = [(16_384 / 3) * at, (16_384 / 3) * (at + 1) - 1];
  const bySlot = new Map<number, string>();
  for (let key = 0; bySlot.size < count; key++) {
    const slot = slotOf(`hot${key}`);
    if (slot > low + 1 && slot < high - 1) bySlot.set(slot, `hot${key}`);
  }
  return [...bySlot.values()];
}

async function busyWith(client: Cluster, keys: readonly string[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await Promise.all(keys.map((key) => client.get(key)));
}

for (const [kind, known] of [
  ['valkey-8', 'slots'],
  ['redis-7', 'nodes'],
] as const) {
  describe(`balancing by load on ${kind}`, function () {
    this.timeout(60_000);
    let real: RealCluster;

    before(async function () {
      if (kind === 'redis-7') needRedisServer(this, 'balancing by load on redis-server');
      else needServer(this, kind, 'balancing by load on Valkey 8');
      const config: Record<string, string> = known === 'slots' ? { 'cluster-slot-stats-enabled': 'yes' } : {};
      real = await startRealCluster({ server: findServer(kind)!, masters: 3, replicas: 0, config });
    });
    after(() => real?.stop());

    it(`plans by what ${known === 'slots' ? 'each slot does' : 'each master does'}`, async () => {
      const source = real.masters[1]!;
      const [hot, cold] = [keysOf(source, real, 12), keysOf(real.masters[0]!, real, 12)];
      await using operator = new ClusterOperator({ seeds: real.seeds });
      const client = new Cluster(real.seeds);
      await Promise.all([...hot, ...cold].map((key) => client.set(key, key)));
      const enough = new AbortController();
      const load = busyWith(client, hot, enough.signal);
      try {
        const request = { strategy: 'adaptive', threshold: 10, sampleMs: 500, fewest: true, first: 'slots' } as const;
        const plan = await operator.balancer.plan(request);
        assert.equal(plan.traffic, known);
        assert.ok(plan.before.needed && plan.before.worst === source.id);
        const hotSlots = new Set(hot.map((key) => slotOf(key)));
        const moved = plan.moves.filter(({ slot }) => hotSlots.has(slot));
        assert.ok(moved.length > 0 && moved.every(({ source: from }) => from === source.id));
        assert.ok(plan.after.maxDiffPercent < plan.before.maxDiffPercent);
        const quiet = await operator.balancer.plan({ ...request, sampleMs: 0, strategy: 'adaptive' });
        assert.equal(quiet.traffic, 'none');
        await assert.rejects(operator.balancer.plan({ ...request, sampleMs: -1 }), /sampleMs: -1 is not 0 or more/);
      } finally {
        enough.abort();
        await load;
        client.disconnect();
      }
    });
  });
}

describe('balancing that goes on by itself', function () {
  this.timeout(90_000);
  let real: RealCluster;
  const dir = mkdtempSync(join(tmpdir(), 'lingcache-auto-'));
  const main = new URL('../../../../server/tools/main.js', import.meta.url).pathname;

  before(async function () {
    needRedisServer(this, 'balancing by itself on redis-server');
    real = await startRealCluster({ masters: 3, replicas: 0 });
  });
  after(async () => {
    await real?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const slotsOf = async (node: RealNode): Promise<number> => {
    const rows = (await node.ask('cluster', 'slots')) as [number, number, [string, number]][];
    return rows.reduce((sum, [start, end, [, port]]) => sum + (port === node.port ? end - start + 1 : 0), 0);
  };
  const unbalance = async (operator: ClusterOperator, count: number): Promise<void> => {
    const orders = Array.from({ length: count }, (_, slot) => ({ slot, target: real.masters[1]!.id }));
    assert.ok((await operator.mover.moveAll(orders)).every(({ phase }) => phase === 'done'));
  };

  it('a pause by another process holds, before the first round too, and it goes on', async () => {
    {
      await using operator = new ClusterOperator({ seeds: real.seeds });
      await unbalance(operator, 300);
    }
    const before = await slotsOf(real.masters[1]!);
    const journal = ['--journal', join(dir, 'moves.json')];
    const [address] = real.nodes.map((node) => node.address) as [string];
    assert.equal((await lingcache('rebalance', address, '--pause', '--unpause', ...journal)).code, 2);
    const paused = await lingcache('rebalance', address, '--pause', ...journal, '--json');
    const { file } = JSON.parse(paused.stdout) as { file: string };
    assert.ok(existsSync(file));
    const line = [
      'rebalance',
      address,
      '--auto',
      '--every',
      '200ms',
      '--max-slots',
      '50',
      '--yes',
      '--json',
      ...journal,
    ];
    const child = spawn(process.execPath, [main, ...line], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (chunk) => (said += chunk));
    const ended = once(child, 'close');
    try {
      await until('it says that it is paused', () => /"paused":\s*true/.test(said));
      assert.equal(await slotsOf(real.masters[1]!), before);
      assert.doesNotMatch(said, /"moved"/);
      assert.equal((await lingcache('rebalance', address, '--unpause', ...journal)).code, 0);
      await until('rounds are held', () => /"moved":\s*50/.test(said));
      assert.match(said, /"paused":\s*false/);
      await until('it is balanced', async () => (await slotsOf(real.masters[1]!)) < before - 150, 30_000);
    } finally {
      child.kill('SIGINT');
    }
    assert.equal((await ended)[0], 130);
  });

  it('no slot more is begun once the hours are over or it is paused, and those on their way arrive', async () => {
    const client = new Cluster(real.seeds);
    client.on('error', () => undefined);
    const target = real.masters[2]!;
    // Two keys each at one a second: a round of them lasts.
    const tags = keysOf(real.masters[0]!, real, 6);
    await Promise.all(tags.flatMap((tag) => [0, 1].map((at) => client.set(`{${tag}}${at}`, 'v'))));
    const slots = tags.map((tag) => slotOf(tag));
    const held: Promise<unknown>[] = [];
    for (const stop of ['pause', 'hours'] as const) {
      await using operator = new ClusterOperator({ seeds: real.seeds, moves: { concurrency: 1, keysPerSecond: 1 } });
      let open = true;
      let rounds = 0;
      const done = new Promise<readonly string[]>((resolve) => {
        operator.balancer.plan = async () => {
          rounds++;
          const check = { needed: true, maxDiffPercent: 100, worst: target.id };
          const source = (await real.ownerOf(slots[0]!)).id;
          const to = real.masters.find(({ id }) => id !== source)!.id;
          const moves = slots.map((slot) => ({ slot, source, target: to, priority: 5 }));
          return { strategy: 'equal', moves, before: check, after: check, traffic: 'none' };
        };
        operator.balancer.startAuto({
          everyMs: 60_000,
          when: () => open,
          onRound: (outcome) =>
            resolve(outcome instanceof Error ? [outcome.message] : outcome.moves.map((m) => m.phase)),
        });
      });
      held.push(done);
      await until('the round has begun', () =>
        slots.some((slot) => !['waiting', undefined].includes(operator.mover.status(slot)?.phase)),
      );
      if (stop === 'pause') operator.balancer.pauseAuto();
      else open = false;
      const phases = await done;
      assert.deepEqual([...new Set(phases)].sort(), ['cancelled', 'done'], `${stop}: ${phases.join(' ')}`);
      assert.equal(rounds, 1);
      operator.balancer.stopAuto();
      operator.balancer.resumeAuto();
      // Everything is closed, and the slots are brought together for the next turn.
      const views = await Promise.all(real.nodes.map((node) => node.ask('cluster', 'nodes')));
      for (const view of views) assert.doesNotMatch(String(view), /\[/);
      await using quick = new ClusterOperator({ seeds: real.seeds });
      await quick.mover.moveAll(slots.map((slot) => ({ slot, target: real.masters[0]!.id })));
    }
    await Promise.all(held);
    client.disconnect();
  });
});
