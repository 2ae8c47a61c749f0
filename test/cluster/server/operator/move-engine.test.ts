import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RealWorld } from '../../../../lib/base/world.ts';
import { type BundledCluster, type BundledNode, startCluster } from '../../../../server/index.ts';
import { ClusterLink } from '../../../../server/operator/link/cluster-link.ts';
import { FileJournal } from '../../../../server/operator/reshard/journal.ts';
import type { MoveStatus } from '../../../../server/operator/reshard/record.ts';
import { MoveEngine, type MoveEngineOptions } from '../../../../server/operator/reshard/reshard.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';

// The engine on a bundled cluster: progress, pause, cancel, limits, and what it does when somebody dies in between.

const slot = 12_182;
const tag = '{foo}';
const world = new RealWorld();

describe('moving slots', function () {
  this.timeout(30_000);
  let cluster: BundledCluster;
  let link: ClusterLink;
  let source: BundledNode;
  let target: BundledNode;
  let dir: string;
  const engines: MoveEngine[] = [];

  const engineOf = (options: MoveEngineOptions = {}, file?: string): MoveEngine => {
    const journal = file === undefined ? undefined : new FileJournal(join(dir, file));
    const engine = new MoveEngine(link, { retryMs: 10, ...options }, journal);
    engines.push(engine);
    return engine;
  };
  const say = async (node: BundledNode, ...argv: string[]): Promise<unknown> => {
    const client = await RespClient.connect(node.port);
    const reply = await client.call(...argv);
    client.close();
    return reply;
  };
  const fill = async (count: number): Promise<void> => {
    const client = await RespClient.connect(source.port);
    await Promise.all(Array.from({ length: count }, (_, at) => client.call('SET', `${tag}${at}`, `v${at}`)));
    client.close();
  };
  const keysAt = async (node: BundledNode): Promise<number> =>
    Number(await say(node, 'CLUSTER', 'COUNTKEYSINSLOT', String(slot)));
  const openMarks = async (): Promise<string[]> => {
    const views = await Promise.all(
      cluster.nodes.filter(({ running }) => running).map((node) => say(node, 'CLUSTER', 'NODES')),
    );
    return views.flatMap((view) => String(view).match(/\[\S+\]/g) ?? []);
  };
  const whole = async (owner: BundledNode, count: number): Promise<void> => {
    assert.equal(await keysAt(owner), count);
    for (const node of cluster.nodes.filter((one) => one.running && one.role === 'master' && one !== owner)) {
      assert.equal(await keysAt(node), 0);
    }
    assert.equal(cluster.ownerOf(slot), owner);
    assert.deepEqual(await openMarks(), []);
    await cluster.settled();
  };

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lingcache-moves-'));
    cluster = await startCluster({ config: { 'cluster-node-timeout': '800' } });
    link = new ClusterLink({ seeds: cluster.seeds, world });
    source = cluster.ownerOf(slot);
    target = cluster.nodes.find((node) => node.role === 'master' && node !== source)!;
  });
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.close()));
    link.close();
    await cluster.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('reports every phase, the keys, the bytes and the times of a move', async () => {
    await fill(300);
    const seen: MoveStatus[] = [];
    const engine = engineOf({ batch: 50, onChange: (status) => seen.push(status) });
    const done = await engine.move(slot, target.id, 9);
    assert.deepEqual(
      [...new Set(seen.map(({ phase }) => phase))],
      ['waiting', 'opening', 'moving', 'deciding', 'done'],
    );
    assert.deepEqual([done.phase, done.keysMoved, done.keysTotal, done.priority], ['done', 300, 300, 9]);
    assert.ok(done.bytesMoved > 300 * 10 && done.endedAt! >= done.startedAt!);
    assert.deepEqual(engine.progress(slot), { moved: 300, total: 300 });
    assert.equal(engine.status(slot)!.source.id, source.id);
    assert.equal(engine.status(slot + 1), undefined);
    await whole(target, 300);
    assert.deepEqual((await engine.move(slot, target.id)).keysMoved, 0);
  });

  it('moves a slot once when it is asked for twice at the same moment', async () => {
    await fill(50);
    const engine = engineOf();
    const [one, other] = await Promise.allSettled([engine.move(slot, target.id), engine.move(slot, target.id)]);
    assert.deepEqual([one.status, other.status].sort(), ['fulfilled', 'rejected']);
    const refused = [one, other].find(({ status }) => status === 'rejected') as PromiseRejectedResult;
    assert.match(String(refused.reason), /slot 12182 is on its way already/);
    assert.equal(engine.moves().length, 1);
    await whole(target, 50);
  });

  it('refuses what cannot be asked for, before anything is begun', async () => {
    const engine = engineOf();
    const replica = cluster.nodes.find(({ role }) => role === 'replica')!;
    await assert.rejects(engine.move(16_384, target.id), /slot: 16384 is not an integer within 0\.\.16383/);
    await assert.rejects(engine.move(slot, 'nobody'), /no node nobody is known/);
    await assert.rejects(engine.move(slot, replica.id), /is no running master/);
    await assert.rejects(
      engine.moveAll([
        { slot, target: target.id },
        { slot, target: source.id },
      ]),
      /already/,
    );
    await assert.rejects(engine.cancel(slot), /has no move/);
    assert.throws(() => engineOf({ concurrency: 0 }), /concurrency: 0/);
    assert.deepEqual(engine.moves(), []);
  });

  it('pauses, goes on, and cancelled brings everything back, what came meanwhile too', async () => {
    await fill(200);
    const engine = engineOf({ batch: 10, keysPerSecond: 1000 });
    const over = engine.move(slot, target.id);
    await until('some keys moved', () => (engine.status(slot)?.keysMoved ?? 0) >= 30);
    engine.pause();
    await new Promise((resolve) => setTimeout(resolve, 60));
    const { moved } = engine.progress(slot);
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(engine.progress(slot).moved, moved);
    assert.equal(engine.status(slot)!.paused, true);
    assert.equal((await keysAt(source)) + (await keysAt(target)), 200);
    const asking = await RespClient.connect(target.port);
    await asking.call('ASKING');
    assert.equal(await asking.call('SET', `${tag}new`, 'n'), 'OK');
    asking.close();
    engine.resume();
    await until('more keys moved', () => engine.progress(slot).moved > moved);
    const cancelled = await engine.cancel(slot, 'changed our mind');
    assert.deepEqual(
      [cancelled.phase, cancelled.direction, cancelled.error],
      ['cancelled', 'back', 'changed our mind'],
    );
    assert.deepEqual(await over, cancelled);
    await whole(source, 201);
    assert.equal(await say(source, 'GET', `${tag}new`), 'n');
    assert.equal(await say(source, 'GET', `${tag}199`), 'v199');
  });

  it('takes a slot back that is not over in time', async () => {
    await fill(100);
    const late = await engineOf({ batch: 5, keysPerSecond: 200, slotMs: 150 }).move(slot, target.id);
    assert.deepEqual([late.phase, late.error], ['cancelled', 'not over within 150 ms']);
    await whole(source, 100);
  });

  it('moves many slots at once, no more than it may, the urgent ones first', async () => {
    let most = 0;
    const order: number[] = [];
    const engine = engineOf({
      concurrency: 3,
      onChange: (status) => {
        const open = engine.moves().filter(({ phase }) => phase === 'moving' || phase === 'opening');
        most = Math.max(most, open.length);
        if (status.phase === 'opening') order.push(status.slot);
      },
    });
    const slots = source.slots[0]!;
    const orders = Array.from({ length: 60 }, (_, at) => ({
      slot: slots[0] + at,
      target: target.id,
      priority: at < 10 ? 1 : at >= 50 ? 10 : 5,
    }));
    const results = await engine.moveAll(orders);
    assert.ok(results.every(({ phase }) => phase === 'done'));
    assert.equal(most, 3);
    assert.ok(order.slice(0, 10).every((one) => one >= slots[0] + 50));
    assert.ok(order.slice(50).every((one) => one < slots[0] + 10));
    assert.equal(source.slots[0]![0], slots[0] + 60);
    await cluster.settled();
  });

  for (const [way, cancel] of [
    ['forward', false],
    ['back', true],
  ] as const) {
    it(`goes on from the file after the mover was gone, ${way}`, async () => {
      await fill(120);
      const first = engineOf({ batch: 5, keysPerSecond: 400 }, 'moves.json');
      const lost = first.move(slot, target.id);
      lost.catch(() => undefined);
      await until('some keys moved', () => (first.status(slot)?.keysMoved ?? 0) >= 30);
      if (cancel) {
        void first.cancel(slot).catch(() => undefined);
        await until('the slot was turned', () => first.status(slot)!.phase === 'returning');
      }
      await first.close();
      await assert.rejects(lost, /the mover was closed/);
      assert.notDeepEqual(await openMarks(), []);
      assert.equal((await keysAt(source)) + (await keysAt(target)), 120);
      const second = engineOf({ batch: 50 }, 'moves.json');
      const [taken] = await second.recover();
      assert.deepEqual([taken!.slot, taken!.direction], [slot, way]);
      const over = await second.finished(slot);
      assert.equal(over.phase, cancel ? 'cancelled' : 'done');
      await whole(cancel ? source : target, 120);
    });
  }

  for (const dying of ['source', 'target'] as const) {
    it(`goes on with the heir when the ${dying} is killed in between`, async () => {
      await fill(150);
      const victim = dying === 'source' ? source : target;
      const engine = engineOf({ batch: 5, keysPerSecond: 400 });
      const over = engine.move(slot, target.id);
      await until('some keys moved', () => (engine.status(slot)?.keysMoved ?? 0) >= 40);
      await victim.kill();
      const status = await over;
      assert.equal(status.phase, 'done', status.error ?? '');
      assert.equal(status.attempts > 0, true);
      const heir = cluster.nodes.find(({ id }) => id === status[dying].id)!;
      assert.notEqual(heir, victim);
      assert.equal(heir.role, 'master');
      await whole(dying === 'target' ? heir : target, 150);
    });
  }
});
