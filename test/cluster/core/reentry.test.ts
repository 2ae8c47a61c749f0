// A client that its user ends, connects or asks within what it calls: listeners of its events and retry strategies.

import { deepEqual, equal } from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, type ClusterOptions, Redis } from '../../../lib/index.ts';
import { bulk, FakeNode } from '../../kit/fake-node.ts';
import { freePort } from '../../kit/ports.ts';
import { ready, until } from '../../kit/until.ts';

/** Longer than the pause of every strategy here: another attempt would have begun. */
const longEnough = 60;

const statuses = ['connecting', 'connect', 'ready', 'close', 'reconnecting', 'disconnecting', 'end'] as const;

function noteEvents(client: Cluster | Redis): string[] {
  const seen: string[] = [];
  for (const name of statuses) (client as Redis).on(name, () => seen.push(name));
  return seen;
}

describe('client: a Cluster that is ended by what it calls', () => {
  let port: number;
  before(async () => {
    port = await freePort();
  });

  function open(clusterRetryStrategy: ClusterOptions['clusterRetryStrategy']): Cluster {
    const cluster = new Cluster([{ host: '127.0.0.1', port }], { clusterRetryStrategy });
    cluster.on('error', () => undefined);
    return cluster;
  }

  for (const name of ['connecting', 'error', 'node error', 'close', 'reconnecting'] as const) {
    for (const how of ['disconnect', 'quit'] as const) {
      it(`${how}() within "${name}" ends it, once`, async () => {
        const cluster = open(() => 10);
        const seen = noteEvents(cluster);
        let acted = false;
        (cluster as unknown as Redis).once(name as 'error', () => {
          acted = true;
          void cluster[how]();
        });
        await until('the end', () => seen.includes('end'));
        const { length } = seen;
        await pause(longEnough);
        equal(acted, true);
        equal(cluster.status, 'end');
        deepEqual(seen.slice(length), []);
        equal(seen.filter((one) => one === 'end').length, 1);
      });
    }
  }

  it('disconnect() within "close": it is not emitted again, and the strategy is not called', async () => {
    let asked = 0;
    const cluster = open(() => {
      asked++;
      return 10;
    });
    const seen = noteEvents(cluster);
    cluster.on('close', () => cluster.disconnect());
    await until('the end', () => seen.includes('end'));
    deepEqual([seen, asked], [['connecting', 'close', 'disconnecting', 'end'], 0]);
  });

  it('disconnect() within the strategy ends it, whatever that gives', async () => {
    const cluster = open(function (this: Cluster) {
      this.disconnect();
      return 10;
    } as ClusterOptions['clusterRetryStrategy']);
    const seen = noteEvents(cluster);
    await until('the end', () => seen.includes('end'));
    await pause(longEnough);
    deepEqual(seen, ['connecting', 'close', 'disconnecting', 'end']);
  });

  it('the strategy is called behind the listeners of "close"', async () => {
    const order: string[] = [];
    const cluster = open(() => {
      order.push(`strategy: ${cluster.status}`);
      return null;
    });
    cluster.on('close', () => order.push(`close: ${cluster.status}`));
    await until('the end', () => cluster.status === 'end');
    deepEqual(order, ['close: close', 'strategy: close']);
  });
});

describe('client: a Redis whose retryStrategy uses it', () => {
  let node: FakeNode;
  beforeEach(async () => {
    node = await FakeNode.start(([name]) => {
      if (name === 'info') return bulk('loading:0\r\n');
      return name === 'get' ? bulk('v') : '+OK\r\n';
    });
  });
  afterEach(() => node.close());

  async function lose(act: (client: Redis) => void): Promise<{ client: Redis; seen: string[] }> {
    let acted = 0;
    const client: Redis = new Redis({
      host: '127.0.0.1',
      port: node.port,
      retryStrategy: () => {
        if (acted++ === 0) act(client);
        return 10;
      },
    });
    const seen = noteEvents(client);
    await ready(client);
    client.stream?.destroy();
    await until('the strategy', () => acted > 0);
    return { client, seen };
  }

  it('disconnect() ends it, once', async () => {
    const { client, seen } = await lose((lost) => lost.disconnect());
    await until('the end', () => seen.includes('end'));
    await pause(longEnough);
    equal(client.status, 'end');
    deepEqual(seen, ['connecting', 'connect', 'ready', 'close', 'end']);
  });

  it('quit() ends it', async () => {
    let parting: Promise<unknown> | undefined;
    const { client } = await lose((lost) => {
      parting = lost.quit();
    });
    equal(await parting, 'OK');
    await until('the end', () => client.status === 'end');
  });

  it('commands wait for the next connection', async () => {
    let answers: Promise<unknown> | undefined;
    const { client } = await lose((lost) => {
      answers = Promise.all([lost.get('a'), lost.pipeline().get('b').exec()]);
    });
    deepEqual(await answers, ['v', [[null, 'v']]]);
    client.disconnect();
  });
});
