// Reads from replicas: who is asked, what the nodes are sent (READONLY), and what happens when a replica is in trouble.
// The first part plays scripted nodes, the second a real cluster.

import { deepEqual, equal, ok } from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, type ClusterOptions, type Redis } from '../../../lib/index.ts';
import { slotOf } from '../../../lib/wire/slot.ts';
import { failOver } from '../../kit/failover.ts';
import { type Answer, bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { needRedisServer, type RealCluster, type RealNode, startRealCluster } from '../../kit/real-cluster.ts';
import { until } from '../../kit/until.ts';

type Handler = (argv: readonly string[]) => Answer | 'silence';

/** One shard: a master and two replicas. GET answers who it was. */
class Shard {
  nodes: FakeNode[] = [];
  client!: Cluster;
  readonly handlers = new Map<number, Handler>();
  readonly delays = new Map<number, number>();
  /** Left out of the slot map. */
  readonly hidden = new Set<number>();
  readonly frozen = new Set<number>();

  async start(options: ClusterOptions): Promise<void> {
    for (const at of [0, 1, 2]) {
      this.nodes.push(
        await FakeNode.start((argv, socket) => {
          const delay = this.delays.get(at) ?? 0;
          const reply = this.#answer(at, argv);
          if (delay === 0 || reply === undefined) return reply;
          setTimeout(() => socket.write(reply), delay);
          return undefined;
        }),
      );
    }
    for (const at of this.frozen) this.nodes[at]!.shy = true;
    this.client = new Cluster([this.nodes[0]!.key], { replicaCheckInterval: 20, ...options });
  }

  /** Who answers `count` reads. */
  async readers(count = 40): Promise<number[]> {
    const seen = new Set<number>();
    for (let at = 0; at < count; at++) seen.add(Number(await this.client.get('k')));
    return [...seen].sort();
  }

  #answer(at: number, argv: readonly string[]): Answer {
    const scripted = this.handlers.get(at)?.(argv);
    if (scripted === 'silence') return undefined;
    if (scripted !== undefined) return scripted;
    const [name, second] = argv;
    if (name === 'cluster') {
      return second!.toLowerCase() === 'slots'
        ? slotsReply([{ start: 0, end: 16383, nodes: this.nodes.filter((_, at) => !this.hidden.has(at)) }])
        : clusterOk;
    }
    if (name === 'info') return bulk(at === 0 ? 'role:master\r\n' : 'role:slave\r\nmaster_link_status:up\r\n');
    if (name === 'ping') return '+PONG\r\n';
    return bulk(String(at));
  }

  async stop(): Promise<void> {
    this.client?.disconnect();
    await Promise.all(this.nodes.map((node) => node.close()));
  }
}

describe('client: reads from replicas', () => {
  let shard: Shard;
  beforeEach(() => {
    shard = new Shard();
  });
  afterEach(() => shard.stop());

  it('asks replicas, each sent READONLY once, and sends writes to the master', async () => {
    await shard.start({ scaleReads: 'slave' });
    deepEqual(await shard.readers(), [1, 2]);
    equal(String(await shard.client.set('k', 'v')), '0');
    deepEqual(
      shard.nodes.map((node) => node.count('readonly')),
      [0, 1, 1],
    );
    shard.nodes[1]!.cut();
    await until('it is connected again and read', async () => (await shard.readers()).includes(1));
    deepEqual(await shard.readers(), [1, 2]);
    equal(shard.nodes[1]!.count('readonly'), 2);
  });

  it('gives a function the nodes as clients, master first, and the command', async () => {
    const choices: unknown[] = [];
    let choose = (nodes: Redis[]): unknown => nodes[2];
    await shard.start({
      scaleReads: (nodes: Redis[], command: { name: string; args: unknown[]; getKeys(): unknown[] }) => {
        choices.push([nodes.map(({ options }) => options.port), command.name, command.args, command.getKeys()]);
        return choose(nodes);
      },
    });
    deepEqual(await shard.readers(1), [2]);
    deepEqual(choices, [[shard.nodes.map(({ port }) => port), 'get', ['k'], ['k']]]);
    choose = (nodes) => nodes.slice(1);
    deepEqual(await shard.readers(), [1, 2]);
    choose = () => undefined;
    deepEqual(await shard.readers(), [0]);
    choose = () => [];
    deepEqual(await shard.readers(), [0]);
    await shard.client.set('k', 'v');
    ok(choices.every((one) => (one as unknown[])[1] === 'get'));
  });

  for (const [what, refusal] of [
    ['loads', '-LOADING Redis is loading the dataset in memory\r\n'],
    ['has lost its master', '-MASTERDOWN Link with MASTER is down\r\n'],
    ['sees the cluster down', '-CLUSTERDOWN The cluster is down\r\n'],
  ] as const) {
    it(`asks the master at once for what a replica that ${what} refuses, and leaves it alone for a while`, async () => {
      await shard.start({ scaleReads: 'slave', retryDelayOnFailover: 5000, retryDelayOnClusterDown: 5000 });
      for (const at of [1, 2]) shard.handlers.set(at, ([name]) => (name === 'get' ? refusal : undefined));
      deepEqual(await shard.readers(20), [0]);
      deepEqual(
        shard.nodes.slice(1).map((node) => node.count('get')),
        [1, 1],
      );
    });
  }

  it('goes where MOVED sends it and does not ask that replica again for a while', async () => {
    await shard.start({ scaleReads: 'slave' });
    const moved = (): string => `-MOVED ${slotOf('k')} ${shard.nodes[0]!.key}\r\n`;
    for (const at of [1, 2]) shard.handlers.set(at, ([name]) => (name === 'get' ? moved() : undefined));
    deepEqual(await shard.readers(20), [0]);
    equal(shard.nodes[1]!.count('get') + shard.nodes[2]!.count('get'), 2);
  });

  it('leaves a replica whose link to the master is down, until it is up again', async () => {
    await shard.start({ scaleReads: 'slave' });
    deepEqual(await shard.readers(), [1, 2]);
    shard.handlers.set(1, ([name]) =>
      name === 'info' ? bulk('role:slave\r\nmaster_link_status:down\r\n') : undefined,
    );
    await until('it is left', async () => !(await shard.readers()).includes(1));
    shard.handlers.clear();
    await until('it is back', async () => (await shard.readers()).includes(1));
  });

  it('does not ask a replica that has come back until it is joined to its master', async () => {
    await shard.start({ scaleReads: 'slave' });
    deepEqual(await shard.readers(), [1, 2]);
    const handler = ([name]: readonly string[]): Answer | undefined =>
      name === 'info' ? bulk('role:slave\r\nmaster_link_status:down\r\n') : undefined;
    shard.handlers.set(1, handler);
    await shard.nodes[1]!.close();
    await shard.nodes[1]!.listen();
    const asked = shard.nodes[1]!.count('get');
    const seen = shard.nodes[1]!.count('info');
    while (shard.nodes[1]!.count('info') < seen + 3) ok(!(await shard.readers(20)).includes(1));
    equal(shard.nodes[1]!.count('get'), asked);
    shard.handlers.clear();
    await until('it is back', async () => (await shard.readers()).includes(1));
  });

  it('finds replicas that have come, by itself', async () => {
    // As after a failover: a node lists its new replica only once that has got some data.
    shard.hidden.add(2);
    await shard.start({ scaleReads: 'slave' });
    deepEqual(await shard.readers(), [1]);
    shard.hidden.clear();
    await until('it is read', async () => (await shard.readers()).includes(2));
  });

  it('takes reads back from replicas that fall silent', async () => {
    await shard.start({ scaleReads: 'slave', silenceTimeout: 60, slotsRefreshTimeout: 200 });
    deepEqual(await shard.readers(), [1, 2]);
    for (const at of [1, 2]) shard.handlers.set(at, () => 'silence');
    shard.nodes[1]!.pause();
    shard.nodes[2]!.pause();
    deepEqual(await shard.readers(20), [0]);
  });

  it('takes reads back from a replica that is frozen already when it is first dialed', async () => {
    shard.frozen.add(1);
    await shard.start({
      scaleReads: 'slave',
      silenceTimeout: 60,
      slotsRefreshTimeout: 200,
      redisOptions: { connectTimeout: 60_000 },
    });
    // A read that waited for that would not be back within this test.
    deepEqual((await shard.readers(40)).includes(1), false);
    ok(shard.nodes[1]!.count('hello') > 0);
  });

  it('takes reads back from a replica that answers nothing but handshakes, and asks it again when it does', async () => {
    await shard.start({ scaleReads: 'slave', silenceTimeout: 60 });
    shard.handlers.set(1, ([name]) => (name === 'get' ? 'silence' : undefined));
    ok(!(await shard.readers(20)).includes(1));
    shard.handlers.clear();
    await until('it is back', async () => (await shard.readers()).includes(1));
  });

  it('reads from the nearest node as measured, and follows when that changes', async () => {
    await shard.start({ scaleReads: 'nearest' });
    shard.delays.set(0, 25).set(1, 25);
    await shard.client.ping();
    await until('the quick one is known', async () => String(await shard.readers(10)) === '2');
    shard.delays.clear();
    shard.delays.set(0, 25).set(2, 40);
    await until('another is quicker', async () => String(await shard.readers(5)) === '1');
    const { nodes } = shard.client.stats();
    ok(nodes.every(({ roundTrip }) => roundTrip !== undefined && roundTrip > 0));
  });

  it('prefers replicas of its availability zone', async () => {
    await shard.start({ scaleReads: 'slave', availabilityZone: 'eu-1b' });
    for (const [at, zone] of ['eu-1b', 'eu-1a', 'eu-1b'].entries()) {
      const link = at === 0 ? '' : 'master_link_status:up\r\n';
      shard.handlers.set(at, ([name, section]) =>
        name === 'info' ? bulk(section === 'server' ? `availability_zone:${zone}\r\n` : link) : undefined,
      );
    }
    await until('only the one in the zone is read', async () => String(await shard.readers()) === '2');
    shard.nodes[2]!.pause();
    await shard.nodes[2]!.close();
    await until('others step in', async () => String(await shard.readers(5)) === '1');
    await shard.nodes[2]!.listen();
  });
});

describe('client: reads from replicas of a real cluster', function () {
  this.timeout(60_000);
  let cluster: RealCluster;
  let client: Cluster | undefined;
  before(async function () {
    needRedisServer(this, 'client: reads from replicas of a real cluster');
    cluster = await startRealCluster({ config: { 'cluster-node-timeout': '1500' } });
  });
  afterEach(() => client?.disconnect());
  after(() => cluster?.stop());

  async function readsOf(): Promise<number[]> {
    const infos = await Promise.all(cluster.nodes.map((node) => node.ask('info', 'commandstats').catch(() => '')));
    return infos.map((info) => Number(/cmdstat_get:calls=(\d+)/.exec(String(info))?.[1] ?? 0));
  }

  async function inStep(node: RealNode): Promise<void> {
    await until(`${node.address} is a replica in step`, async () =>
      /master_link_status:up/.test(String(await node.ask('info', 'replication'))),
    );
  }

  it('spreads reads as configured, without a redirect', async () => {
    for (const scaleReads of ['slave', 'all', 'nearest'] as const) {
      client = new Cluster(cluster.seeds, { scaleReads });
      await client.ping();
      const before = await readsOf();
      await Promise.all(Array.from({ length: 3000 }, (_, at) => client!.get(`k${at}`)));
      const counts = (await readsOf()).map((count, at) => count - before[at]!);
      equal(
        counts.reduce((sum, one) => sum + one),
        3000,
      );
      if (scaleReads !== 'nearest') for (const count of counts.slice(3)) ok(count > 300, String(counts));
      if (scaleReads === 'slave') deepEqual(counts.slice(0, 3), [0, 0, 0]);
      deepEqual(client.stats().redirects, { moved: 0, ask: 0, retried: 0 });
      client.disconnect();
    }
  });

  it('goes on reading while replicas and a master are killed, and after roles have changed', async () => {
    client = new Cluster(cluster.seeds, { scaleReads: 'slave' });
    const errors: unknown[] = [];
    let reads = 0;
    let going = true;
    const keys = Array.from({ length: 30 }, (_, at) => `live:${at}`);
    await Promise.all(keys.map((key) => client!.set(key, key)));
    await Promise.all(cluster.masters.map((node) => node.ask('wait', '1', '1000')));
    const loop = (async () => {
      while (going) {
        const values = await Promise.all(
          keys.map((key) => client!.get(key).catch((error) => errors.push(error) && key)),
        );
        for (const [at, value] of values.entries()) if (value !== keys[at]) errors.push(value);
        reads += keys.length;
        await pause(5);
      }
    })();
    const [master, replica] = [cluster.masters[0]!, cluster.replicas[0]!];
    try {
      await replica.kill();
      await pause(300);
      await replica.restart();
      await inStep(replica);
      // A manual failover may time out while the others still take the replica for failed.
      await failOver(
        'roles have changed',
        () => replica.ask('cluster', 'failover'),
        async () => /role:master/.test(String(await replica.ask('info', 'replication'))),
      );
      await inStep(master);
      const before = await readsOf();
      await until('the old master answers reads as a replica', async () => (await readsOf())[0]! > before[0]! + 10);
    } finally {
      going = false;
      await loop;
    }
    deepEqual(errors, []);
    ok(reads > 0);
  });
});
