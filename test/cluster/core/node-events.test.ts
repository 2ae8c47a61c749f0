// The events and lists by which users see a cluster's nodes, beside ioredis: who joins and leaves, and the life of each.

import assert from 'node:assert/strict';
import { Cluster as PeerCluster } from 'ioredis';
import { Cluster, type ClusterOptions, type Redis } from '../../../lib/index.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { until } from '../../kit/until.ts';

const states = ['connecting', 'connect', 'ready', 'close', 'reconnecting', 'end'];

const kinds = [
  ['ioredis', PeerCluster as unknown as typeof Cluster],
  ['lingcache', Cluster],
] as const;

for (const [name, Client] of kinds) {
  describe(`${name}: nodes as users see them`, () => {
    let nodes: FakeNode[] = [];
    /** Who owns each third of the slots. */
    let map: () => FakeNode[];
    let client: Cluster;

    beforeEach(async () => {
      nodes = [];
      map = () => nodes;
      for (let at = 0; at < 3; at++) {
        nodes.push(
          await FakeNode.start((argv) => {
            if (argv[0] === 'info') return bulk('loading:0\r\n');
            if (argv[0] !== 'cluster') return bulk(argv.join(' '));
            if (argv[1]!.toLowerCase() !== 'slots') return clusterOk;
            const ends = [0, 5462, 10924, 16384];
            return slotsReply(map().map((node, at) => ({ start: ends[at]!, end: ends[at + 1]! - 1, nodes: [node] })));
          }),
        );
      }
    });
    afterEach(async () => {
      client.disconnect();
      await Promise.all(nodes.map((node) => node.close()));
    });

    /** Ready, with a socket to every node: keys a, b and c are of three nodes (slots 15495, 3300 and 7365). */
    async function connect(options: ClusterOptions = {}): Promise<void> {
      client = new Client([nodes[0]!.port], options);
      client.on('error', () => {});
      await Promise.all(['a', 'b', 'c'].map((key) => client.get(key)));
    }

    const ports = (): number[] => client.nodes().map(({ options }) => options.port!);
    const nodeAt = (port: number): Redis => client.nodes().find(({ options }) => options.port === port)!;

    function lifeOf(node: Redis): string[] {
      const life: string[] = [];
      for (const state of states) node.on(state, () => life.push(state));
      return life;
    }

    it('a node that stops leaves, and its Redis ends', async () => {
      await connect();
      const [, stopped] = nodes as [FakeNode, FakeNode, FakeNode];
      const left: number[] = [];
      client.on('-node', (node: Redis) => left.push(node.options.port!));
      const node = nodeAt(stopped.port);
      const life = lifeOf(node);
      await stopped.close();
      await until('it has left', () => left.length === 1);
      assert.deepEqual(left, [stopped.port]);
      assert.equal(client.nodes().length, 2);
      assert.equal(client.nodes('master').length, 2);
      assert.ok(!ports().includes(stopped.port));
      await until('its Redis has ended', () => life.includes('end'));
      assert.deepEqual(life, ['close', 'end']);
      assert.equal(node.status, 'end');
    });

    it('a node that stops makes no error, nor does one that has left', async () => {
      await connect();
      const [, stopped] = nodes as [FakeNode, FakeNode, FakeNode];
      const errors: string[] = [];
      client.on('node error', (error: Error) => errors.push(error.message));
      await stopped.close();
      await until('it has left', () => client.nodes().length === 2);
      // Long enough for it to be dialed several times.
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.deepEqual(errors, []);
      assert.equal(client.status, 'ready');
    });

    it('a node that comes back joins again, as another Redis', async () => {
      await connect();
      const [, stopped] = nodes as [FakeNode, FakeNode, FakeNode];
      const before = nodeAt(stopped.port);
      const joined: Redis[] = [];
      client.on('+node', (node: Redis) => joined.push(node));
      await stopped.close();
      await until('it has left', () => client.nodes().length === 2);
      nodes[1] = await FakeNode.start(stopped.answer, stopped.port);
      // ioredis learns of it again when the map is asked for.
      await until('it has joined', async () => {
        await (client.refreshSlotsCache() as unknown as Promise<void> | undefined);
        return joined.length > 0 && client.nodes().length === 3;
      });
      assert.equal(joined[0]!.options.port, stopped.port);
      assert.notEqual(joined[0], before);
      assert.equal(joined[0], nodeAt(stopped.port));
      assert.equal(await client.get('b'), 'get b');
    });

    it('with clusterNodeRetryStrategy it stays, and its Redis reconnects', async () => {
      await connect({ clusterNodeRetryStrategy: () => 10 });
      const [, cut] = nodes as [FakeNode, FakeNode, FakeNode];
      const left: unknown[] = [];
      client.on('-node', () => left.push('-node'));
      const life = lifeOf(nodeAt(cut.port));
      cut.cut();
      await until('it is back', () => life.includes('ready'));
      assert.deepEqual(life, ['close', 'reconnecting', 'connecting', 'connect', 'ready']);
      assert.deepEqual(left, []);
      assert.equal(client.nodes().length, 3);
    });

    it('the Redis of +node emits how it connects', async () => {
      client = new Client([nodes[0]!.port], { lazyConnect: true });
      client.on('error', () => {});
      const lives = new Map<number, string[]>();
      client.on('+node', (node: Redis) => lives.set(node.options.port!, lifeOf(node)));
      await client.connect();
      await Promise.all(['a', 'b', 'c'].map((key) => client.get(key)));
      const [, second] = nodes as [FakeNode, FakeNode, FakeNode];
      await until('it is ready', () => lives.get(second.port)?.includes('ready'));
      assert.deepEqual(lives.get(second.port), ['connecting', 'connect', 'ready']);
    });

    it('a node that leaves the map leaves behind refresh and its callback', async () => {
      await connect();
      const [, second] = nodes as [FakeNode, FakeNode, FakeNode];
      const gone = nodeAt(second.port);
      const order: string[] = [];
      client.on('refresh', () => order.push('refresh'));
      client.on('-node', (node: Redis) => order.push(node === gone ? '-node' : 'another -node'));
      gone.on('end', () => order.push('end'));
      map = () => [nodes[0]!, nodes[2]!, nodes[2]!];
      await client.refreshSlotsCache(() => order.push('callback'));
      await until('it has left', () => order.includes('-node'));
      assert.deepEqual(order, ['refresh', 'callback', '-node', 'end']);
      assert.equal(client.nodes().length, 2);
    });

    it('disconnect() of the cluster ends every Redis', async () => {
      await connect();
      const lives = client.nodes().map(lifeOf);
      client.disconnect();
      await until('they have ended', () => lives.every((life) => life.includes('end')));
      for (const life of lives) assert.deepEqual(life, ['close', 'end']);
      assert.equal(client.nodes().length, 0);
    });

    it('all nodes that stop leave', async () => {
      await connect({ clusterRetryStrategy: () => null });
      await Promise.all(nodes.map((node) => node.close()));
      await until('nobody is left', () => client.nodes().length === 0);
    });

    it('redisOptions.lazyConnect false connects to every node', async () => {
      client = new Client([nodes[0]!.port], { redisOptions: { lazyConnect: false } });
      client.on('error', () => {});
      await until('all are connected', () => nodes.every((node) => node.connections > 0));
      assert.ok(nodes.every((node) => node.count('get') === 0));
    });
  });
}

describe('client: nodes that are not shown', () => {
  it('are used as soon as they are back, without a new map', async () => {
    const node: FakeNode = await FakeNode.start((argv) => {
      if (argv[0] !== 'cluster') return bulk(argv.join(' '));
      return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [node] }]) : clusterOk;
    });
    const client = new Cluster([node.port]);
    client.on('error', () => {});
    try {
      await client.get('k');
      const events: string[] = [];
      for (const event of ['+node', '-node']) client.on(event, () => events.push(event));
      node.cut();
      assert.equal(await client.get('k'), 'get k');
      await until('it is shown again', () => client.nodes().length === 1);
      assert.deepEqual(events, ['-node', '+node']);
    } finally {
      client.disconnect();
      await node.close();
    }
  });
});
