// Servers that answer oddly, users who may do little, and startup nodes that come late: one bad thing voids one thing.

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Cluster, type ClusterOptions, Redis } from '../../../lib/index.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../kit/real-cluster.ts';
import { until } from '../../kit/until.ts';

describe('odd servers', function () {
  this.timeout(30_000);
  const fakes: FakeNode[] = [];
  const clients: (Cluster | Redis)[] = [];

  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    await Promise.all(fakes.splice(0).map((node) => node.close()));
  });

  const connect = (nodes: readonly unknown[], options: ClusterOptions = {}): Cluster => {
    const cluster = new Cluster(nodes as never, options);
    cluster.on('error', () => undefined);
    clients.push(cluster);
    return cluster;
  };

  /** A node that answers CLUSTER as given and everything else with its port. */
  async function fake(cluster: (subcommand: string, self: FakeNode) => string): Promise<FakeNode> {
    const node: FakeNode = await FakeNode.start(([name, subcommand]) => {
      if (name !== 'cluster') return bulk(String(node.port));
      return subcommand === 'info' ? clusterOk : cluster(String(subcommand).toLowerCase(), node);
    });
    fakes.push(node);
    return node;
  }

  const refused = '-ERR unknown subcommand\r\n';

  it('one unusable entry of CLUSTER SLOTS does not keep a client from starting, and the refresh channel reports it', async () => {
    const node = await fake((subcommand, self) =>
      subcommand === 'slots'
        ? slotsReply([
            { start: 0, end: 8191, nodes: [self, { host: '', port: 0 }] },
            { start: 8192, end: 16_383, nodes: [self] },
            { start: 5, end: 5, nodes: [{ host: '', port: 0 }] },
          ])
        : refused,
    );
    const messages: { leftOut?: readonly string[] }[] = [];
    const note = (message: unknown): void => void messages.push(message as { leftOut?: readonly string[] });
    subscribe('lingcache:refresh', note);
    const cluster = connect([node.port]);
    assert.equal(await cluster.get('a'), String(node.port));
    unsubscribe('lingcache:refresh', note);
    assert.deepEqual(messages[0]?.leftOut, [
      'CLUSTER SLOTS[0] node 1 port: 0 is not within 1..65535',
      'CLUSTER SLOTS[2] node 0 port: 0 is not within 1..65535',
    ]);
  });

  it('a client that runs keeps the owner of an entry that is spoiled later', async () => {
    let spoiled = false;
    const second = await fake(() => refused);
    const node = await fake((subcommand, self) =>
      subcommand === 'slots'
        ? slotsReply([
            { start: 0, end: 8191, nodes: [self] },
            { start: 8192, end: 16_383, nodes: [spoiled ? { host: '', port: 0 } : second] },
          ])
        : refused,
    );
    const cluster = connect([node.port]);
    // The slot of `foo` is 12182.
    assert.equal(await cluster.get('foo'), String(second.port));
    spoiled = true;
    await cluster.refreshSlotsCache();
    assert.equal(await cluster.get('foo'), String(second.port));
    assert.equal(cluster.nodes().length, 2);
  });

  it('nothing usable is an error that says what was left out', async () => {
    const node = await fake((subcommand) =>
      subcommand === 'slots' ? slotsReply([{ start: 0, end: 5, nodes: [{ host: '', port: 0 }] }]) : refused,
    );
    const cluster = connect([node.port], { lazyConnect: true, clusterRetryStrategy: null });
    await assert.rejects(cluster.connect(), {
      hint: /names no slot with a reachable owner; left out: CLUSTER SLOTS\[0\] node 0 port/,
    });
  });

  it('a server that refuses CLUSTER SLOTS is asked CLUSTER SHARDS, and its CLUSTER NODES will do', async () => {
    const shards = (self: FakeNode): string => {
      const fields = [
        'id',
        'x'.repeat(40),
        'ip',
        '127.0.0.1',
        'endpoint',
        '127.0.0.1',
        'role',
        'master',
        'health',
        'online',
      ];
      const printed = `*14\r\n${fields.map(bulk).join('')}${bulk('port')}:${self.port}\r\n${bulk('replication-offset')}:0\r\n`;
      return `*1\r\n*4\r\n${bulk('slots')}*2\r\n:0\r\n:16383\r\n${bulk('nodes')}*1\r\n${printed}`;
    };
    const lines = (self: FakeNode): string =>
      bulk(`${'x'.repeat(40)} 127.0.0.1:${self.port}@1 myself,master - 0 0 1 connected 0-16383\n`);
    for (const known of ['shards', 'nodes']) {
      const node = await fake((subcommand, self) =>
        subcommand !== known
          ? '-NOPERM User u has no permissions\r\n'
          : known === 'shards'
            ? shards(self)
            : lines(self),
      );
      const cluster = connect([node.port]);
      assert.equal(await cluster.get('a'), String(node.port), known);
    }
  });

  it('follows a MOVED with words behind the address', async () => {
    const second = await fake(() => refused);
    const node: FakeNode = await FakeNode.start(([name, subcommand]) => {
      if (name !== 'cluster') return `-MOVED 12182 127.0.0.1:${second.port} since=yesterday [maybe]\r\n`;
      if (subcommand === 'info') return clusterOk;
      return subcommand === 'slots' ? slotsReply([{ start: 0, end: 16_383, nodes: [node] }]) : refused;
    });
    fakes.push(node);
    assert.equal(await connect([node.port]).get('foo'), String(second.port));
  });

  it('a NAT map that throws for the address of a redirect costs that call its way, not the connection', async () => {
    let asked = 0;
    const node: FakeNode = await FakeNode.start(([name, key]) => {
      if (name === 'get' && key === 'foo' && asked++ < 2) return '-MOVED 12182 10.0.0.1:1\r\n';
      if (name !== 'cluster') return bulk(String(node.port));
      if (key === 'info') return clusterOk;
      return key === 'slots' ? slotsReply([{ start: 0, end: 16_383, nodes: [node] }]) : refused;
    });
    fakes.push(node);
    const cluster = connect([node.port], {
      natMap: (key) => {
        if (key.startsWith('10.')) throw new Error('no such node');
        return null;
      },
    });
    const answers = await Promise.all(['foo', 'a', 'b'].map((key) => cluster.get(key)));
    assert.deepEqual(answers, [node.port, node.port, node.port].map(String));
    assert.equal(node.connections, 1);
  });

  it('clusterRetryStrategy may name the startup nodes of a client made with none', async () => {
    const node = await fake((subcommand, self) =>
      subcommand === 'slots' ? slotsReply([{ start: 0, end: 16_383, nodes: [self] }]) : refused,
    );
    for (const none of [[], null, undefined]) {
      const reasons: string[] = [];
      const cluster = connect(
        none as never,
        {
          clusterRetryStrategy(this: Cluster, _times: number, reason?: Error) {
            reasons.push(String(reason?.message));
            this.startupNodes = [node.port];
            return 1;
          },
        } as ClusterOptions,
      );
      assert.equal(await cluster.get('a'), String(node.port));
      assert.deepEqual(reasons, ['`startupNodes` should contain at least one node.']);
    }
  });

  for (const nothing of [null, undefined, false, '']) {
    it(`options that are all ${JSON.stringify(nothing)} are those that were not given`, async () => {
      const node = await fake((subcommand, self) =>
        subcommand === 'slots' ? slotsReply([{ start: 0, end: 16_383, nodes: [self] }]) : refused,
      );
      const filled = (names: readonly string[]): object => Object.fromEntries(names.map((name) => [name, nothing]));
      const forNodes = Object.keys(Redis.defaultOptions)
        .concat([
          'commandTimeout',
          'socketTimeout',
          'blockingTimeout',
          'clientInfoTag',
          'tls',
          'path',
          'scripts',
          'monitor',
        ])
        .filter(
          (name) =>
            name !== 'port' &&
            name !== 'enableOfflineQueue' &&
            name !== 'retryStrategy' &&
            name !== 'autoPipeliningIgnoredCommands',
        );
      const forCluster = Object.keys(new Cluster([1], { lazyConnect: true }).options).filter(
        (name) =>
          !['redisOptions', 'himportFieldsets', 'enableOfflineQueue', 'autoPipeliningIgnoredCommands'].includes(name),
      );
      const options = { ...filled(forCluster), ...(nothing === false ? { scaleReads: 'master' } : {}) };
      if (nothing === '') Object.assign(options, { scaleReads: undefined });
      const cluster = connect([node.port], { ...options, redisOptions: filled(forNodes) } as ClusterOptions);
      assert.equal(await cluster.get('a'), String(node.port));
      assert.deepEqual(await cluster.pipeline().get('a').exec(), [[null, String(node.port)]]);
      const redis = new Redis({ ...filled(forNodes), port: node.port } as object);
      redis.on('error', () => undefined);
      clients.push(redis);
      assert.equal(await redis.get('a'), String(node.port));
    });
  }

  describe('users who may do little', () => {
    let real: RealCluster;
    const users: Readonly<Record<string, string>> = {
      all: '+@all',
      noclient: '+@all -client',
      noinfo: '+@all -info',
      noslots: '+@all -cluster|slots',
      noshards: '+@all -cluster|slots -cluster|shards',
      nohello: '+@all -hello',
      little: '+get +set +incr +blpop +cluster|slots +subscribe +unsubscribe',
      nocluster: '+@all -cluster',
    };

    before(async function () {
      needRedisServer(this, 'users who may do little');
      real = await startRealCluster();
      for (const node of real.nodes) {
        for (const [name, rules] of Object.entries(users)) {
          await node.ask('acl', 'setuser', name, 'on', '>p', '~*', '&*', ...rules.split(' '));
        }
      }
    });
    after(() => real?.stop());

    for (const username of Object.keys(users).filter((name) => name !== 'nocluster')) {
      for (const protocol of [3, 2] as const) {
        it(`${username}, RESP${protocol}: connects, reads, writes, blocks and subscribes`, async () => {
          const cluster = connect(real.seeds, {
            scaleReads: 'all',
            redisOptions: { username, password: 'p', protocol, connectionName: 'my app' },
          });
          const key = `${username}:${protocol}`;
          assert.equal(await cluster.set(key, '1'), 'OK');
          await until('read', async () => (await cluster.get(key)) === '1');
          assert.equal(await cluster.blpop(`${key}:none`, 0.01), null);
          assert.equal(await cluster.subscribe(key), 1);
        });
      }
    }

    it('replicas answer a user who may not ask them how they are', async () => {
      const cluster = connect(real.seeds, {
        scaleReads: 'slave',
        replicaCheckInterval: 20,
        redisOptions: { username: 'noinfo', password: 'p' },
      });
      await cluster.set('asked', '1');
      const gets = async (): Promise<number> => {
        const stats = await Promise.all(real.replicas.map((node) => node.ask('info', 'commandstats')));
        return stats.reduce<number>(
          (sum, text) => sum + Number(/cmdstat_get:calls=(\d+)/.exec(String(text))?.[1] ?? 0),
          0,
        );
      };
      // The monitor has been refused for a while.
      await new Promise((resolve) => setTimeout(resolve, 200));
      const before = await gets();
      for (let at = 0; at < 20; at++) await cluster.get('asked');
      assert.ok((await gets()) - before >= 20, 'reads went to the replica');
    });

    it('a scaleReads function that throws ends that read only', async () => {
      const cluster = connect(real.seeds, {
        scaleReads: (nodes, command: { args: string[] }) => {
          if (command.args[0] === 'bad') throw new Error('no choice');
          return nodes[0];
        },
      });
      await cluster.set('good', '1');
      const outcomes = await Promise.allSettled([cluster.get('good'), cluster.get('bad'), cluster.get('good')]);
      assert.deepEqual(
        outcomes.map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as Error).message)),
        ['1', 'no choice', '1'],
      );
    });

    it('without any view of the cluster the error names the refusal', async () => {
      const cluster = connect(real.seeds, {
        lazyConnect: true,
        clusterRetryStrategy: null,
        redisOptions: { username: 'nocluster', password: 'p' },
      });
      await assert.rejects(cluster.connect(), { hint: /NOPERM.*cluster/ });
    });

    it('a near cache without CLIENT TRACKING answers from the server', async () => {
      const cluster = connect(real.seeds, {
        clientSideCache: {},
        redisOptions: { username: 'noclient', password: 'p' },
      });
      for (const value of ['1', '2']) {
        await cluster.set('cached', value);
        assert.equal(await cluster.get('cached'), value);
      }
    });

    it('a single Redis without info, client and hello works too', async () => {
      const { host, port } = real.masters[0]!;
      for (const username of ['noinfo', 'noclient', 'nohello']) {
        const redis = new Redis({ host, port, username, password: 'p', connectionName: 'a b' });
        redis.on('error', () => undefined);
        clients.push(redis);
        assert.equal(await redis.ping(), 'PONG');
      }
    });
  });
});
