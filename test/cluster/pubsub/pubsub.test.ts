// Classic and shard channels on a real cluster: through unsubscribing, slot moves, failovers, dead and frozen nodes,
// with RESP3 and RESP2. What is published while nothing fails arrives, all of it and once.

import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, type ClusterOptions } from '../../../lib/index.ts';
import { slotOf } from '../../../lib/wire/slot.ts';
import { needRedisServer, type RealCluster, type RealNode, startRealCluster } from '../../kit/real-cluster.ts';
import { until } from '../../kit/until.ts';

/** A channel name in a slot owned by the `at`-th of three masters as created. */
function channelOf(at: number, seed = 'c'): string {
  const share = 16384 / 3;
  for (let tries = 0; ; tries++) {
    const name = `${seed}:${tries}`;
    if (Math.floor(slotOf(name) / share) === at) return name;
  }
}

async function subscribersOf(node: RealNode, channel: string): Promise<number> {
  const reply = (await node.ask('pubsub', 'shardnumsub', channel)) as [string, number];
  return Number(reply[1]);
}

describe('client: pub/sub on a real cluster', function () {
  this.timeout(60_000);
  let cluster: RealCluster;
  const clients: Cluster[] = [];
  const connect = (options: ClusterOptions = {}): Cluster => {
    const client = new Cluster(cluster.seeds, options);
    clients.push(client);
    return client;
  };

  before(async function () {
    needRedisServer(this, 'client: pub/sub on a real cluster');
    cluster = await startRealCluster({ config: { 'cluster-node-timeout': '1500' } });
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.disconnect();
  });
  after(() => cluster?.stop());

  for (const protocol of [3, 2] as const) {
    describe(`RESP${protocol}`, () => {
      const redisOptions = { protocol };

      it('answers what was asked of subscriptions before it quits', async () => {
        const client = connect({ redisOptions });
        equal(await client.subscribe('a', 'b'), 2);
        const left = [client.unsubscribe('a'), client.psubscribe('c*')];
        deepEqual([await client.quit(), ...(await Promise.all(left))], ['OK', 1, 2]);
      });

      it('delivers shard messages of every shard, each once and in order', async () => {
        const client = connect({ redisOptions });
        const publisher = connect();
        const channels = [0, 1, 2].map((at) => channelOf(at));
        const heard = new Map<string, string[]>(channels.map((channel) => [channel, []]));
        client.on('smessage', (channel: string, message: string) => heard.get(channel)?.push(message));
        for (const channel of channels) equal(await client.ssubscribe(channel), 1);
        for (let at = 0; at < 200; at++)
          await Promise.all(channels.map((channel) => publisher.spublish(channel, String(at))));
        await until('all is heard', () => [...heard.values()].every((list) => list.length >= 200));
        const expected = Array.from({ length: 200 }, (_, at) => String(at));
        for (const list of heard.values()) deepEqual(list, expected);
        equal(await client.set('plain', '1'), 'OK');
      });

      it('gives bytes to smessageBuffer', async () => {
        const client = connect({ redisOptions });
        const name = Buffer.from([0xff, 0x00, 0x7b]);
        const payload = Buffer.from([1, 0xfe, 13, 10]);
        await client.ssubscribe(name);
        const heard = once(client, 'smessageBuffer');
        await client.spublish(name, payload);
        deepEqual(await heard, [name, payload]);
      });

      it('counts what stands on the node, and takes unsubscribing with and without names', async () => {
        const client = connect({ redisOptions });
        const [tag, other] = [channelOf(0, 'tag'), channelOf(2, 'tag')];
        equal(await client.ssubscribe(`{${tag}}1`, `{${tag}}2`), 2);
        equal(await client.ssubscribe(`{${tag}}2`), 2);
        equal(await client.ssubscribe(`{${other}}3`), 1);
        equal(await client.sunsubscribe(`{${tag}}1`), 1);
        equal(await subscribersOf(await cluster.ownerOf(slotOf(tag)), `{${tag}}1`), 0);
        await client.sunsubscribe();
        equal(await subscribersOf(await cluster.ownerOf(slotOf(tag)), `{${tag}}2`), 0);
        equal(await subscribersOf(await cluster.ownerOf(slotOf(other)), `{${other}}3`), 0);
        equal(await client.sunsubscribe(), 0);
      });

      it('ends as last asked when subscribing and unsubscribing take turns', async () => {
        const client = connect({ redisOptions });
        const channel = channelOf(1, 'turn');
        const owner = await cluster.ownerOf(slotOf(channel));
        for (let round = 0; round < 20; round++) {
          const words = [client.ssubscribe(channel), client.sunsubscribe(channel)];
          if (round % 3 === 0) await pause(1);
          words.push(client.ssubscribe(channel));
          await Promise.all(words);
          equal(await subscribersOf(owner, channel), 1);
        }
      });

      it('follows a slot that moves', async () => {
        const client = connect({ redisOptions });
        const publisher = connect();
        const channel = channelOf(0, `move${protocol}`);
        const heard: string[] = [];
        client.on('smessage', (_channel: string, message: string) => heard.push(message));
        await client.ssubscribe(channel);
        const target = cluster.masters[1]!;
        const ready = once(client, 'subscribersReady');
        await cluster.moveSlot(slotOf(channel), target);
        await ready;
        equal(await subscribersOf(target, channel), 1);
        equal(await publisher.spublish(channel, 'after'), 1);
        await until('the message is heard', () => heard.length > 0);
        deepEqual(heard, ['after']);
        await cluster.moveSlot(slotOf(channel), cluster.masters[0]!);
        await until('it is back', async () => (await subscribersOf(cluster.masters[0]!, channel)) === 1);
      });

      it('subscribes again, shard and classic, when its sockets are cut', async () => {
        const client = connect({ redisOptions });
        const channels = [0, 1, 2].map((at) => channelOf(at, 'cut'));
        for (const channel of channels) await client.ssubscribe(channel);
        await client.subscribe('classic');
        await client.psubscribe('pattern:*');
        await Promise.all(cluster.nodes.map((node) => node.ask('client', 'kill', 'type', 'pubsub')));
        for (const [at, channel] of channels.entries()) {
          await until('it stands again', async () => (await subscribersOf(cluster.masters[at]!, channel)) === 1);
        }
        await until('classic stands again', async () => {
          const counts = cluster.nodes.map(async (node) => {
            const channel = ((await node.ask('pubsub', 'numsub', 'classic')) as [string, number])[1];
            return Number(channel) + Number(await node.ask('pubsub', 'numpat'));
          });
          return (await Promise.all(counts)).reduce((sum, one) => sum + one) === 2;
        });
      });
    });
  }

  it('refuses channels of several slots in one call, as ioredis', async () => {
    const client = connect();
    await rejects(client.ssubscribe(channelOf(0), channelOf(1)), /CROSSSLOT/);
    equal(await client.ssubscribe(channelOf(0)), 1);
  });

  it('connects a lazy client, and rejects once it has ended', async () => {
    const client = connect({ lazyConnect: true });
    equal(await client.ssubscribe(channelOf(0)), 1);
    equal(await client.subscribe('lazy'), 1);
    client.disconnect();
    await rejects(client.subscribe('late'), /Connection is closed/);
    await rejects(client.ssubscribe('late'), /Connection is closed/);
  });

  it('subscribes to 3,000 shard channels at once', async () => {
    const client = connect();
    const names = Array.from({ length: 3000 }, (_, at) => `many:${at}`);
    let heard = 0;
    client.on('smessage', () => heard++);
    await Promise.all(names.map((name) => client.ssubscribe(name)));
    const publisher = connect();
    const receivers = await Promise.all(names.map((name) => publisher.spublish(name, 'x')));
    ok(receivers.every((count) => count === 1));
    await until('all is heard', () => heard === 3000);
    await client.sunsubscribe();
    const left = await Promise.all(cluster.masters.map((node) => node.ask('pubsub', 'shardchannels', 'many:*')));
    deepEqual(left, [[], [], []]);
  });

  it('leaves no subscriber behind after quit() and disconnect()', async () => {
    for (const leave of ['quit', 'disconnect'] as const) {
      const client = connect();
      await Promise.all([0, 1, 2].map((at) => client.ssubscribe(channelOf(at, 'gone'))));
      await client.subscribe('gone');
      await client[leave]();
      await until('nobody is subscribed', async () => {
        const lists = await Promise.all(cluster.nodes.map((node) => node.ask('client', 'list', 'type', 'pubsub')));
        return lists.every((list) => String(list).trim() === '');
      });
    }
  });

  // Last: they cost nodes.
  describe('with nodes that fail', () => {
    it('keeps hearing when the node of its classic subscription freezes', async () => {
      const client = connect({ silenceTimeout: 300 });
      await client.subscribe('frozen');
      const lists = await Promise.all(cluster.nodes.map((node) => node.ask('client', 'list', 'type', 'pubsub')));
      const at = lists.findIndex((list) => String(list).trim() !== '');
      const node = cluster.nodes[at]!;
      const publisher = cluster.nodes[(at + 1) % cluster.nodes.length]!;
      const heard: string[] = [];
      client.on('message', (_channel: string, message: string) => heard.push(message));
      node.freeze();
      try {
        await until('it is heard through another node', async () => {
          await publisher.ask('publish', 'frozen', 'still');
          return heard.length > 0;
        });
      } finally {
        node.thaw();
      }
      await until('the cluster is well', async () => {
        const infos = await Promise.all(cluster.nodes.map((one) => one.ask('cluster', 'info')));
        const views = await Promise.all(cluster.nodes.map((one) => one.ask('cluster', 'nodes')));
        return (
          infos.every((info) => /cluster_state:ok/.test(String(info))) &&
          views.every((view) => !/fail/.test(String(view)))
        );
      });
    });

    it('follows a failover after the master is killed, shard and classic', async () => {
      const client = connect();
      const channel = channelOf(2, 'failover');
      const slot = slotOf(channel);
      const master = await cluster.ownerOf(slot);
      const heard: string[] = [];
      client.on('smessage', (_channel: string, message: string) => heard.push(message));
      client.on('message', (_channel: string, message: string) => heard.push(message));
      await client.ssubscribe(channel);
      await client.subscribe('classic');
      await master.kill();
      await until('a replica takes over', async () => (await cluster.ownerOf(slot)) !== master);
      const newPrimary = await cluster.ownerOf(slot);
      await until('the channel stands on the new master', async () => (await subscribersOf(newPrimary, channel)) === 1);
      equal(await newPrimary.ask('spublish', channel, 'shard'), 1);
      await until('both are heard', async () => {
        await newPrimary.ask('publish', 'classic', 'classic');
        return heard.includes('shard') && heard.includes('classic');
      });
      equal(heard.filter((message) => message === 'shard').length, 1);
    });
  });
});
