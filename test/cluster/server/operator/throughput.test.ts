import assert from 'node:assert/strict';
import { RealWorld } from '../../../../lib/base/world.ts';
import { Cluster } from '../../../../lib/index.ts';
import { ClusterLink } from '../../../../server/operator/link/cluster-link.ts';
import { MoveEngine } from '../../../../server/operator/reshard/reshard.ts';
import { ThroughputControl, type ThroughputDecision } from '../../../../server/operator/reshard/throughput-control.ts';
import { needRedisServer, type RealCluster, type RealNode, startRealCluster } from '../../../kit/real-cluster.ts';
import { until } from '../../../kit/until.ts';
import { lingcache } from '../tools/kit.ts';

// Slots of redis-server that move while clients are to keep their share: what the engine measures and decides. How much
// clients keep depends on the machine, so it is printed by `npm run proof:throughput` and judged by nobody here.

const keys = 3000;

/** Writes and reads without a pause, some at a time. */
class Load {
  readonly client: Cluster;
  readonly #running: Promise<void>[];
  #stopped = false;
  done = 0;

  constructor(real: RealCluster, lanes: number) {
    this.client = new Cluster(real.seeds);
    this.client.on('error', () => undefined);
    this.#running = Array.from({ length: lanes }, (_, at) => this.#run(at));
  }

  async #run(lane: number): Promise<void> {
    for (let at = lane; !this.#stopped; at += 7) {
      const key = `key:${at % keys}`;
      assert.equal(await this.client.get(key), `value:${at % keys}`);
      this.done++;
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
    this.client.disconnect();
  }
}

describe('moving slots of redis-server while clients keep their throughput', function () {
  this.timeout(120_000);
  let real: RealCluster;
  let link: ClusterLink;
  let source: RealNode;
  let target: RealNode;
  let slots: number[];
  let load: Load | undefined;

  before(async function () {
    needRedisServer(this, 'keeping throughput on redis-server');
    real = await startRealCluster({ masters: 3, replicas: 0 });
    link = new ClusterLink({ seeds: real.seeds, world: new RealWorld() });
  });
  after(async () => {
    link?.close();
    await real?.stop();
  });
  beforeEach(async () => {
    const client = new Cluster(real.seeds);
    await Promise.all(Array.from({ length: keys }, (_, at) => client.set(`key:${at}`, `value:${at}`)));
    client.disconnect();
    source = await real.ownerOf(0);
    target = real.nodes.find((node) => node !== source)!;
    slots = Array.from({ length: 120 }, (_, slot) => slot);
  });
  afterEach(async () => {
    await load?.stop();
    load = undefined;
  });

  const total = async (): Promise<number> => {
    const sizes = await Promise.all(real.nodes.map((node) => node.ask('dbsize')));
    return sizes.reduce<number>((sum, size) => sum + Number(size), 0);
  };

  it('measures before anything moves, then holds a pace that follows what clients get', async () => {
    load = new Load(real, 8);
    await until('clients are served', () => load!.done > 1000);
    const decisions: { readonly decision: ThroughputDecision; readonly begun: number; readonly at: number }[] = [];
    const engine = new MoveEngine(link, {
      concurrency: 256,
      keepThroughput: 0.9,
      onPace: (decision) => {
        const begun = engine.moves().filter(({ phase }) => phase !== 'waiting').length;
        decisions.push({ decision, begun, at: link.world.now() });
      },
    });
    const moves = await engine.moveAll(slots.map((slot) => ({ slot, target: target.id })));
    assert.ok(moves.every(({ phase, error }) => phase === 'done' && error === null));
    const first = decisions.findIndex(({ decision }) => decision.stage === 'held');
    assert.ok(first >= 5, 'it was measured');
    assert.ok(
      decisions.slice(0, first + 1).every(({ begun }) => begun === 0),
      'nothing moved meanwhile',
    );
    const { steady, pace } = decisions[first]!.decision;
    assert.ok(steady! > 0);
    assert.ok(pace.slots < 256 && pace.keys < 64);
    const held = decisions.filter(({ decision }) => decision.stage === 'held');
    assert.ok(held.length > 1, 'slots moved under a pace');
    // What it decided is what the figures say, and nothing else.
    const again = new ThroughputControl({ keep: 0.9, busyLoad: 0, limits: { keys: 64, slots: 256 } });
    for (const { decision, at } of decisions) {
      const same = again.observe(at, { commands: decision.served, load: decision.load });
      assert.deepEqual([same.stage, same.pace], [decision.stage, decision.pace]);
    }
    assert.equal(engine.throughput!.stage, decisions.at(-1)!.decision.stage);
    assert.equal(await total(), keys);
    await engine.close();
  });

  it('moves as fast as can be where the cluster is not busy', async () => {
    const decisions: ThroughputDecision[] = [];
    const log: string[] = [];
    const world = new RealWorld();
    world.log = (line) => void log.push(line);
    const own = new ClusterLink({ seeds: real.seeds, world });
    // What a listener throws stops nothing.
    const onPace = (decision: ThroughputDecision): void => {
      decisions.push(decision);
      throw new Error('of the listener');
    };
    const engine = new MoveEngine(own, { keepThroughput: 'auto', onPace });
    const moves = await engine.moveAll(slots.map((slot) => ({ slot, target: target.id })));
    assert.ok(moves.every(({ phase }) => phase === 'done'));
    assert.ok(decisions.some(({ stage, reason }) => stage === 'free' && reason === 'not busy'));
    assert.ok(!decisions.some(({ stage }) => stage === 'held'));
    assert.equal(engine.throughput!.share, null);
    assert.ok(log.length > 0 && log.every((line) => line === 'onPace: of the listener'), log.join());
    await engine.close();
    own.close();
  });

  it('refuses a share that cannot be kept for want of figures, and goes on without by default', async () => {
    await Promise.all(
      real.nodes.map((node) => node.ask('acl', 'setuser', 'mover', 'on', '>pw', '~*', '+@all', '-info')),
    );
    const log: string[] = [];
    const world = new RealWorld();
    world.log = (line) => void log.push(line);
    const blind = new ClusterLink({ seeds: real.seeds, world, username: 'mover', password: 'pw' });
    const strict = new MoveEngine(blind, { keepThroughput: 0.9 });
    await assert.rejects(strict.move(0, target.id), /keepThroughput: .*cannot be measured: .*INFO: NOPERM/);
    assert.equal((await real.ownerOf(0)).id, source.id);
    const lax = new MoveEngine(blind, { keepThroughput: 'auto' });
    assert.equal((await lax.move(0, target.id)).phase, 'done');
    assert.match(log.join('\n'), /without regard to clients/);
    await Promise.all([strict.close(), lax.close()]);
    blind.close();
  });

  it('the command line takes a share, and says what clients kept', async () => {
    load = new Load(real, 8);
    await until('clients are served', () => load!.done > 1000);
    const line = ['reshard', source.address, '--from', source.id, '--to', target.id, '--slots', '40', '--yes'];
    const { code, stdout, stderr } = await lingcache(...line, '--keep-throughput', '90%', '--json');
    assert.equal(code, 0, stderr);
    const answer = JSON.parse(stdout) as { moved: number; throughput: { steady: number; share: number } | null };
    assert.equal(answer.moved, 40);
    assert.ok(answer.throughput!.steady > 0 && answer.throughput!.share > 0);
    for (const wrong of ['1', '0', '2', 'much', '100%', '-1', '']) {
      const refused = await lingcache(...line, `--keep-throughput=${wrong}`);
      assert.equal(refused.code, 2, wrong);
      assert.match(refused.stderr, /--keep-throughput: /);
    }
  });
});
