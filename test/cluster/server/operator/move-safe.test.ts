import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RealWorld } from '../../../../lib/base/world.ts';
import { slotOf } from '../../../../lib/index.ts';
import { ClusterOperator, type MoveStatus, startCluster } from '../../../../server/index.ts';
import { ClusterLink } from '../../../../server/operator/link/cluster-link.ts';
import { presenceOf } from '../../../../server/operator/link/presence.ts';
import { SlotAssigner } from '../../../../server/operator/reshard/assign-slots.ts';
import { openSlot } from '../../../../server/operator/reshard/slot-steps.ts';
import { type RealCluster, type RealNode, startRealCluster } from '../../../kit/real-cluster.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { needServer } from '../../../kit/servers.ts';
import { until } from '../../../kit/until.ts';

// No move of a slot may lose a key: every database goes along, or nothing is moved; and two operators notice each other.

const world = new RealWorld();

async function inDatabase(node: RealNode, database: number, ...argv: string[]): Promise<unknown> {
  const client = await RespClient.connect(node.port);
  try {
    await client.call('SELECT', String(database));
    return await client.call(...argv);
  } finally {
    client.close();
  }
}

const keysOf = (node: RealNode, database: number): Promise<unknown> => inDatabase(node, database, 'DBSIZE');

describe('slots of a cluster with several databases', function () {
  this.timeout(60_000);
  let real: RealCluster;
  let single: string;
  const tag = '{many}';
  const slot = slotOf('many');

  before(async function () {
    const server = needServer(this, 'valkey-9', 'databases of a cluster');
    single = server;
    real = await startRealCluster({ server, masters: 3, replicas: 0, config: { 'cluster-databases': '16' } });
  });
  const plainClusters: RealCluster[] = [];
  after(() => Promise.all([real, ...plainClusters].map((one) => one?.stop())));

  async function fill(node: RealNode, databases: readonly number[], count: number): Promise<void> {
    for (const database of databases) {
      const client = await RespClient.connect(node.port);
      await client.call('SELECT', String(database));
      for (let at = 0; at < count; at++) await client.call('SET', `${tag}${at}`, `${database}:${at}`);
      client.close();
    }
  }

  for (const atomic of ['never', 'auto'] as const) {
    it(`go with all of them (atomic: ${atomic}), and back again when called off`, async () => {
      await real.flush();
      const source = await real.ownerOf(slot);
      const target = real.nodes.find(({ id }) => id !== source.id)!;
      const databases = [0, 3, 7, 15];
      await fill(source, databases, 25);
      const folder = mkdtempSync(join(tmpdir(), 'lingcache-safe-'));
      const journal = join(folder, 'moves.json');
      const operator = new ClusterOperator({ seeds: real.seeds, moves: { atomic, batch: 4 }, journal, world });
      const done = await operator.mover.move(slot, target.id);
      await operator.close();
      rmSync(folder, { recursive: true });
      assert.deepEqual([done.phase, done.error, done.keysMoved], ['done', null, 100]);
      for (const database of databases) {
        assert.deepEqual([await keysOf(source, database), await keysOf(target, database)], [0, 25], `db ${database}`);
        assert.equal(await inDatabase(target, database, 'GET', `${tag}7`), `${database}:7`);
      }
      assert.equal((await real.ownerOf(slot)).id, target.id);
      for (const node of real.nodes) assert.doesNotMatch(String(await node.ask('cluster', 'nodes')), /\[/);
      // The servers' own migration puts writes into a wrong database.
      assert.equal(String(await source.ask('cluster', 'getslotmigrations')), '');
    });
  }

  it('come back with all of them when the move is called off', async () => {
    await real.flush();
    const source = await real.ownerOf(slot);
    const target = real.nodes.find(({ id }) => id !== source.id)!;
    await fill(source, [1, 9], 40);
    await using operator = new ClusterOperator({ seeds: real.seeds, moves: { batch: 3, keysPerSecond: 300 }, world });
    const over = operator.mover.move(slot, target.id);
    await until('keys of the second database went', async () => Number(await keysOf(target, 9)) > 0);
    const cancelled = await operator.mover.cancel(slot);
    assert.equal((await over).phase, 'cancelled', cancelled.error ?? '');
    for (const database of [1, 9]) {
      assert.deepEqual([await keysOf(source, database), await keysOf(target, database)], [40, 0], `db ${database}`);
    }
  });

  it('are not given away while any database has a key', async () => {
    await real.flush();
    const source = await real.ownerOf(slot);
    const target = real.nodes.find(({ id }) => id !== source.id)!;
    await fill(source, [5], 1);
    const link = new ClusterLink({ seeds: real.seeds, world });
    const route = { slot, from: source, to: target };
    try {
      const { total, next } = await openSlot(link, route, 10);
      assert.deepEqual([total, next], [1, { database: 5, keys: [`${tag}0`] }]);
      await assert.rejects(new SlotAssigner(link).decide(route), /still has 1 keys of slot/);
      assert.equal((await real.ownerOf(slot)).id, source.id);
      await source.ask('cluster', 'setslot', String(slot), 'stable');
      await inDatabase(source, 5, 'DEL', `${tag}0`);
      await assert.rejects(new SlotAssigner(link).decide(route), /it is not open there any more/);
    } finally {
      await source.ask('cluster', 'setslot', String(slot), 'stable');
      await target.ask('cluster', 'setslot', String(slot), 'stable');
      link.close();
    }
  });

  it('are refused, with nothing changed, where the target has not the database', async () => {
    await real.flush();
    const source = await real.ownerOf(slot);
    await fill(source, [4], 3);
    const other = await startRealCluster({
      server: single,
      masters: 1,
      replicas: 0,
      config: { 'cluster-databases': '2' },
    });
    try {
      const stranger = other.nodes[0]!;
      await stranger.ask('cluster', 'delslotsrange', '0', '16383');
      await stranger.ask('cluster', 'bumpepoch');
      await real.nodes[0]!.ask('cluster', 'meet', stranger.host, String(stranger.port), String(stranger.busPort));
      await until('all know the new node', async () => {
        const views = await Promise.all(real.nodes.map((node) => node.ask('cluster', 'nodes')));
        return views.every((view) => String(view).includes(stranger.id) && !/handshake/.test(String(view)));
      });
      await using operator = new ClusterOperator({ seeds: real.seeds, world });
      await assert.rejects(operator.mover.move(slot, stranger.id), /has 2 databases, and .* has keys in database 4/);
      for (const node of real.nodes) assert.doesNotMatch(String(await node.ask('cluster', 'nodes')), /\[/);
      assert.equal(await keysOf(source, 4), 3);
    } finally {
      await Promise.all(real.nodes.map((node) => node.ask('cluster', 'forget', other.nodes[0]!.id)));
      await other.stop();
    }
  });

  it("goes by the servers' own migration, many slots at once, and key by key where it is refused", async () => {
    // With one database: where there are several, slots go key by key.
    const plain = await startRealCluster({ server: single, masters: 3, replicas: 0 });
    plainClusters.push(plain);
    const source = await plain.ownerOf(100);
    const target = plain.nodes.find(({ id }) => id !== source.id)!;
    for (let at = 0; at < 400; at++) {
      const owner = await plain.ownerOf(slotOf(`k${at}`));
      await inDatabase(owner, 0, 'SET', `k${at}`, String(at));
    }
    const logged: string[] = [];
    class Heard extends RealWorld {
      override log(line: string): void {
        logged.push(line);
      }
    }
    await using operator = new ClusterOperator({ seeds: plain.seeds, world: new Heard() });
    const orders = Array.from({ length: 150 }, (_, at) => ({ slot: 100 + at, target: target.id }));
    const moves = await operator.mover.moveAll(orders);
    assert.ok(moves.every(({ phase, error }) => phase === 'done' && error === null));
    const jobs = String(await source.ask('cluster', 'getslotmigrations'));
    assert.match(jobs, /100-249[\s\S]*success/);
    assert.deepEqual(logged, []);
    // One slot that somebody left open keeps the servers from it.
    await source.ask('cluster', 'setslot', '300', 'migrating', target.id);
    const [move] = await operator.mover.moveAll([{ slot: 301, target: target.id }]);
    assert.equal(move!.phase, 'done', move!.error ?? '');
    assert.match(logged.join(), /key by key.*manually migrated/);
    await source.ask('cluster', 'setslot', '300', 'stable');
    for (let at = 0; at < 400; at++) {
      const owner = await plain.ownerOf(slotOf(`k${at}`));
      assert.equal(await inDatabase(owner, 0, 'GET', `k${at}`), String(at), `k${at}`);
    }
  });
});

describe('two operators of one cluster', () => {
  it('notice each other, and the second is refused before anything is changed', async () => {
    await using cluster = await startCluster({ masters: 3, replicas: 0 });
    const [source, target] = cluster.nodes as [(typeof cluster.nodes)[0], (typeof cluster.nodes)[0]];
    const client = await RespClient.connect(source.port);
    const slot = slotOf('{bar}');
    const owner = cluster.ownerOf(slot);
    client.close();
    const filler = await RespClient.connect(owner.port);
    for (let at = 0; at < 200; at++) await filler.call('SET', `{bar}${at}`, 'v');
    filler.close();
    const other = [source, target].find((node) => node !== owner)!;
    const options = { seeds: cluster.seeds, world };
    await using first = new ClusterOperator({ ...options, moves: { batch: 5, keysPerSecond: 400 } });
    await using second = new ClusterOperator(options);
    const over = first.mover.move(slot, other.id);
    await until('keys are on their way', () => first.mover.progress(slot).moved > 0);
    const third = cluster.nodes.find((node) => node !== owner && node !== other)!;
    await assert.rejects(second.mover.move(slot, third.id), {
      name: 'OperatorBusyError',
      message: new RegExp(`another operator is changing this cluster \\(process ${process.pid} on `),
    });
    assert.equal((await over).phase, 'done');
    assert.equal((await second.mover.move(slot, third.id)).phase, 'done');
  });

  it('of many that come at the same moment one at most is let in', async () => {
    await using cluster = await startCluster({ masters: 3, replicas: 0 });
    const links = Array.from({ length: 6 }, () => new ClusterLink({ seeds: cluster.seeds, world }));
    try {
      for (let round = 0; round < 5; round++) {
        const outcomes = await Promise.allSettled(links.map((link) => presenceOf(link).enter(cluster.seeds)));
        const inside = links.filter((_link, at) => outcomes[at]!.status === 'fulfilled');
        assert.equal(inside.length, 1);
        await Promise.all(inside.map((link) => presenceOf(link).leave()));
      }
    } finally {
      for (const link of links) link.close();
    }
  });

  it('a slot that somebody else has open is left alone', async () => {
    await using cluster = await startCluster({ masters: 3, replicas: 0 });
    const [a, b, c] = cluster.nodes;
    const client = await RespClient.connect(a!.port);
    await client.call('CLUSTER', 'SETSLOT', '5', 'MIGRATING', c!.id);
    client.close();
    await using operator = new ClusterOperator({ seeds: cluster.seeds, world });
    const status: MoveStatus = await operator.mover.move(5, b!.id);
    assert.deepEqual(
      [status.phase, /somebody else moves it, or left it so/.test(status.error ?? '')],
      ['failed', true],
    );
    assert.equal(cluster.ownerOf(5), a);
  });

  it('an option that there is not is named', () => {
    assert.throws(() => new ClusterOperator({ seeds: [], passwort: 'x' } as never), /passwort: unknown option/);
  });
});
