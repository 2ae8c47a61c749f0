// Names of startup nodes: a user's own look-up, SRV records, names that lead nowhere, IPv6, startup nodes that
// change between two attempts, and what they say for themselves.
import assert from 'node:assert/strict';
import { Cluster, ClusterAllFailedError, type ClusterNode, type ClusterOptions } from '../../../lib/index.ts';
import { discoverSrv } from '../../../lib/topology/discovery.ts';
import { parseSeeds } from '../../../lib/topology/seeds.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';

describe('client: names of startup nodes', () => {
  let node: FakeNode;
  let cluster: Cluster | undefined;

  beforeEach(async () => {
    node = await FakeNode.start((argv) => {
      if (argv[0] !== 'cluster') return '+OK\r\n';
      return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [node] }]) : clusterOk;
    });
  });

  afterEach(async () => {
    cluster?.disconnect();
    await node.close();
  });

  const open = (seeds: ClusterNode[], options: ClusterOptions): Cluster => {
    cluster = new Cluster(seeds, { clusterRetryStrategy: () => 1, ...options });
    return cluster;
  };

  it('asks dnsLookup for names and not for addresses', async () => {
    const asked: string[] = [];
    const client = open([`redis.test:${node.port}`], {
      dnsLookup: (name, callback) => {
        asked.push(name);
        callback(null, '127.0.0.1', 4);
      },
    });
    assert.equal(await client.set('k', 'v'), 'OK');
    assert.deepEqual(asked, ['redis.test']);
  });

  it('leaves a name that dnsLookup gives back to the system', async () => {
    const client = open([`localhost:${node.port}`], {
      redisOptions: { family: 4 },
      dnsLookup: (name, callback) => callback(null, name),
    });
    assert.equal(await client.set('k', 'v'), 'OK');
  });

  it('asks again at each attempt, and one bad name does not spoil the rest', async () => {
    let rounds = 0;
    const client = open([`bad.test:${node.port}`, `good.test:${node.port}`], {
      dnsLookup: (name, callback) => {
        if (name === 'bad.test') throw new Error('thrown by the look-up');
        if (rounds++ === 0) callback(Object.assign(new Error('not yet'), { code: 'EAI_AGAIN' }), '');
        else callback(null, '127.0.0.1');
      },
    });
    const errors: Error[] = [];
    client.on('error', (error: Error) => errors.push(error));
    assert.equal(await client.set('k', 'v'), 'OK');
    assert.ok(rounds >= 2);
    assert.ok(errors[0] instanceof ClusterAllFailedError);
    assert.match(errors[0].hint, /thrown by the look-up/);
    assert.match(errors[0].hint, /not yet/);
  });

  it('finds the cluster by SRV records, asked for at each attempt', async () => {
    const asked: string[] = [];
    const client = open([{ host: '_redis._tcp.test' }, { host: 'gone.test' }], {
      useSRVRecords: true,
      resolveSrv: (name, callback) => {
        asked.push(name);
        if (name === 'gone.test') callback(Object.assign(new Error('querySrv ENOTFOUND'), { code: 'ENOTFOUND' }));
        // The first time it names a port where nobody listens.
        else callback(null, [{ name: 'a.test', port: asked.length <= 2 ? 1 : node.port, priority: 1, weight: 1 }]);
      },
      dnsLookup: (_name, callback) => callback(null, '127.0.0.1'),
    });
    assert.equal(await client.set('k', 'v'), 'OK');
    assert.deepEqual(asked.slice(0, 4), ['_redis._tcp.test', 'gone.test', '_redis._tcp.test', 'gone.test']);
  });

  it('says why no SRV record was found', async () => {
    const client = open(['gone.test:1'], {
      useSRVRecords: true,
      clusterRetryStrategy: () => null,
      lazyConnect: true,
      resolveSrv: (_name, callback) => callback(new Error('queryNone')),
    });
    await assert.rejects(client.connect(), { message: 'queryNone' });
  });

  it('orders SRV records by priority, then by weight and chance', async () => {
    const records = [
      { name: 'c', port: 3, priority: 2, weight: 100 },
      { name: 'a', port: 1, priority: 1, weight: 0 },
      { name: 'b', port: 2, priority: 1, weight: 9 },
    ];
    const keys = async (chance: () => number): Promise<string[]> => {
      const found = await discoverSrv(parseSeeds([{ host: 'srv', password: 'p' }, 7]), chance, (_name, callback) =>
        callback(null, records),
      );
      assert.equal(found[0]!.options.password, 'p');
      return found.map(({ key }) => key);
    };
    assert.deepEqual(await keys(() => 0.5), ['b:2', 'a:1', 'c:3', '127.0.0.1:7']);
    const draws = [0.1, 0.0001, 0.999];
    assert.deepEqual(await keys(() => draws.shift()!), ['a:1', 'b:2', 'c:3', '127.0.0.1:7']);
  });

  it('takes the startup nodes that clusterRetryStrategy assigns', async () => {
    const seen: unknown[] = [];
    const client = open([{ port: 1 }], {
      clusterRetryStrategy(this: unknown, times: number) {
        seen.push(this === client, times);
        (this as Cluster).startupNodes = [node.port];
        return 1;
      },
    });
    assert.equal(await client.set('k', 'v'), 'OK');
    assert.deepEqual(seen, [true, 1]);
  });

  it('tries once when clusterRetryStrategy is null', async () => {
    const client = open([{ port: 1 }], { clusterRetryStrategy: null, lazyConnect: true });
    await assert.rejects(client.connect(), /None of startup nodes is available/);
    assert.equal(client.status, 'end');
  });

  it('speaks IPv6', async function () {
    const six = new FakeNode((argv) => {
      if (argv[0] !== 'cluster') return '+OK\r\n';
      const nodes = [{ host: '::1', port: six.port }];
      return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes }]) : clusterOk;
    });
    try {
      await six.listen(0, '::1');
    } catch {
      console.log('      skipped: IPv6 (this machine has none)');
      this.skip();
    }
    for (const seed of [`[::1]:${six.port}`, `redis://[::1]:${six.port}`, { host: '::1', port: six.port }]) {
      const client = open([seed], {});
      assert.equal(await client.set('k', 'v'), 'OK');
      assert.equal(client.nodes()[0]!.options.host, '::1');
      client.disconnect();
    }
    await six.close();
  });
});

describe('client: what a startup node says for itself', () => {
  it("a startup node's password null is none, whatever redisOptions says", async () => {
    const nodes = [await FakeNode.start(() => clusterOk), await FakeNode.start(() => clusterOk)] as const;
    const [own, none] = nodes;
    for (const node of nodes) {
      node.answer = (argv) => {
        if (argv[0] !== 'cluster') return bulk('v');
        const halves = [
          { start: 0, end: 8191, nodes: [own] },
          { start: 8192, end: 16383, nodes: [none] },
        ];
        return argv[1]!.toLowerCase() === 'slots' ? slotsReply(halves) : clusterOk;
      };
    }
    const client = new Cluster(
      [
        { host: '127.0.0.1', port: own.port, password: 'other' },
        { host: '127.0.0.1', port: none.port, password: null },
      ],
      { redisOptions: { password: 'default', protocol: 2 } },
    );
    try {
      assert.deepEqual(await Promise.all(['b', 'a'].map((key) => client.get(key))), ['v', 'v']);
      assert.ok(own.commands.length > 0 && none.commands.length > 0);
      const sent = (node: FakeNode): string => node.seen.map(({ argv }) => argv.join(' ')).join(', ');
      assert.match(sent(own), /auth other/i);
      assert.doesNotMatch(sent(own), /default/);
      assert.doesNotMatch(sent(none), /default|auth/i);
    } finally {
      client.disconnect();
      for (const node of nodes) await node.close();
    }
  });
});
