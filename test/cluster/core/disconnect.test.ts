// disconnect() lets leave what was issued, and takes what is answered before the peer closes; nothing holds it for longer
// than disconnectTimeout.

import { deepEqual, equal, ok } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Cluster, Redis } from '../../../lib/index.ts';
import { type RealCluster, sharedRealCluster } from '../../kit/real-cluster.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { until } from '../../kit/until.ts';

const closed = 'Connection is closed.';

/** How each promise ended, in words. */
async function outcomes(...promises: Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((one) => (one.status === 'fulfilled' ? one.value : `rejected: ${one.reason.message}`));
}

/** Lets clients in, then answers nothing more and never closes its side. */
class Mute {
  readonly sockets: Socket[] = [];
  readonly #server: Server;
  port = 0;
  /** What was written after the handshake. */
  heard = '';

  private constructor() {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.sockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        const text = bytes.toString();
        if (/hello/i.test(text)) socket.write('%1\r\n+proto\r\n:3\r\n+OK\r\n+OK\r\n');
        else if (/info/i.test(text)) socket.write('$11\r\nloading:0\r\n\r\n');
        else this.heard += text;
      });
    });
  }

  static async start(): Promise<Mute> {
    const mute = new Mute();
    mute.#server.listen(0, '127.0.0.1');
    await once(mute.#server, 'listening');
    mute.port = (mute.#server.address() as { port: number }).port;
    return mute;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

describe('client: disconnect of a single node', () => {
  let node: RealNode;
  let other: Redis;
  before(async function () {
    needRedisServer(this);
    node = await startRealNode();
    other = new Redis(node.port);
  });
  beforeEach(() => other.flushall());
  after(async () => {
    other?.disconnect();
    await node?.stop();
  });

  async function connected(options = {}): Promise<Redis> {
    const client = new Redis({ port: node.port, ...options });
    await client.ping();
    return client;
  }

  it('lets a write leave, and its answer arrive, before close', async () => {
    const client = await connected();
    const order: string[] = [];
    for (const name of ['close', 'end']) client.once(name, () => order.push(name));
    const writing = client.set('x', 1).then(() => order.push('answer'));
    client.disconnect();
    await writing;
    await once(client, 'end');
    deepEqual(order, ['answer', 'close', 'end']);
    equal(await other.get('x'), '1');
  });

  it('lets pipelines, transactions and messages leave', async () => {
    const client = await connected();
    const heard: unknown[] = [];
    const listener = await connected();
    await listener.subscribe('news');
    listener.on('message', (_channel, text) => heard.push(text));
    const running = [
      client.pipeline().set('a', 1).incr('a').exec(),
      client.multi().set('b', 1).incr('b').exec(),
      client.publish('news', 'last'),
    ];
    client.disconnect();
    deepEqual(await outcomes(...running), [
      [
        [null, 'OK'],
        [null, 2],
      ],
      [
        [null, 'OK'],
        [null, 2],
      ],
      1,
    ]);
    await until('the message is heard', () => heard.length > 0);
    listener.disconnect();
  });

  it('lets more leave than the kernel takes at once', async () => {
    const client = await connected();
    const value = Buffer.alloc(1_000_000, 'x');
    const writes = Array.from({ length: 20 }, (_, at) => client.set(`k${at}`, value));
    client.disconnect();
    deepEqual(new Set(await outcomes(...writes)), new Set(['OK']));
    equal(await other.dbsize(), 20);
  });

  it('rejects what is issued afterwards, once the connection is closed', async () => {
    const client = await connected();
    const before = client.set('x', 1);
    client.disconnect();
    deepEqual(await outcomes(before, client.set('x', 2)), ['OK', `rejected: ${closed}`]);
    deepEqual(await outcomes(client.set('x', 3)), [`rejected: ${closed}`]);
    equal(await other.get('x'), '1');
  });

  it('rejects a blocking call that the server lets go of', async () => {
    const client = await connected();
    const waiting = client.blpop('none', 0);
    await other.ping();
    client.disconnect();
    deepEqual(await outcomes(waiting), [`rejected: ${closed}`]);
  });

  it('with reconnect, what came before is answered first and what comes after waits for the next connection', async () => {
    const client = await connected({ retryStrategy: () => 1 });
    const before = client.incr('n');
    client.disconnect(true);
    const after = client.incr('n');
    deepEqual(await outcomes(before, after), [1, 2]);
    equal(client.status, 'ready');
    client.disconnect();
  });

  it('a reconnection that is called off while the connection closes does not happen', async () => {
    const client = await connected({ retryStrategy: () => 1 });
    const before = client.incr('n');
    client.disconnect(true);
    client.disconnect();
    deepEqual(await outcomes(before), [1]);
    await until('it ends', () => client.status === 'end');
    equal(await other.get('n'), '1');
  });
});

describe('client: disconnect from a server that neither answers nor closes', () => {
  let mute: Mute;
  beforeEach(async () => {
    mute = await Mute.start();
  });
  afterEach(() => mute.close());

  it('ends after disconnectTimeout, and rejects what was not answered', async () => {
    const client = new Redis({ port: mute.port, disconnectTimeout: 60 });
    await once(client, 'ready');
    const ended = once(client, 'end');
    const writing = client.set('x', 1);
    client.disconnect();
    equal(client.status, 'ready');
    deepEqual(await outcomes(writing), [`rejected: ${closed}`]);
    await ended;
    ok(mute.heard.includes('set'));
  });

  it('does not send again what was not answered, when it is not to connect again', async () => {
    const client = new Redis({ port: mute.port, disconnectTimeout: 30, retryStrategy: () => 1 });
    await once(client, 'ready');
    const writing = client.set('x', 1);
    client.disconnect();
    deepEqual(await outcomes(writing), [`rejected: ${closed}`]);
    equal(mute.sockets.length, 1);
    equal(mute.heard.split('set').length - 1, 1);
  });

  it('lets the process end', async () => {
    const program = `
      const { Redis } = await import(${JSON.stringify(new URL('../../../lib/index.js', import.meta.url).href)});
      const client = new Redis({ port: ${mute.port}, disconnectTimeout: 100 });
      client.on('ready', () => {
        client.set('x', 1).catch((error) => console.log(error.message));
        client.disconnect();
      });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (bytes) => {
      said += String(bytes);
    });
    const [code] = await once(child, 'exit');
    deepEqual([code, said.trim()], [0, closed]);
  });
});

describe('client: disconnect of a cluster', () => {
  let cluster: RealCluster;
  let other: Cluster;
  before(async function () {
    needRedisServer(this);
    cluster = await sharedRealCluster();
    await cluster.flush();
    other = new Cluster(cluster.seeds);
  });
  after(() => other?.disconnect());

  async function connected(options = {}): Promise<Cluster> {
    const client = new Cluster(cluster.seeds, options);
    await Promise.all(Array.from({ length: 40 }, (_, at) => client.exists(`warm${at}`)));
    return client;
  }

  it('lets what was issued leave for every node, and the answers arrive, before close', async () => {
    const client = await connected();
    const order: string[] = [];
    for (const name of ['close', 'end']) client.once(name, () => order.push(name));
    const keys = Array.from({ length: 40 }, (_, at) => `left${at}`);
    const running = [
      ...keys.map((key) => client.set(key, 1)),
      client.pipeline(keys.map((key) => ['incr', key])).exec(),
      client.multi().incr('{t}a').incr('{t}b').exec(),
      client.publish('nobody', 'x'),
    ];
    const all = outcomes(...running).then((values) => {
      order.push('answers');
      return values;
    });
    client.disconnect();
    equal(client.status, 'disconnecting');
    const values = await all;
    await until('it ends', () => client.status === 'end');
    deepEqual(new Set(values.slice(0, 40)), new Set(['OK']));
    deepEqual(
      values[40],
      keys.map(() => [null, 2]),
    );
    deepEqual(values.slice(41), [
      [
        [null, 1],
        [null, 1],
      ],
      0,
    ]);
    deepEqual(order, ['answers', 'close', 'end']);
    equal(await other.get('left7'), '2');
  });

  it('lets a subscription and a blocking call be answered', async () => {
    const client = await connected();
    await client.blpop('{q}none', 0.01);
    await client.subscribe('first');
    await client.rpush('{q}queue', 'job');
    const running = [client.subscribe('second'), client.blpop('{q}queue', 1)];
    client.disconnect();
    deepEqual(await outcomes(...running), [2, ['{q}queue', 'job']]);
    deepEqual(await outcomes(client.get('k')), [`rejected: ${closed}`]);
  });

  it('with reconnect, what comes meanwhile waits for the next connection', async () => {
    const client = await connected({ clusterRetryStrategy: () => 1 });
    await client.set('again', 0);
    const before = client.incr('again');
    client.disconnect(true);
    const after = client.incr('again');
    deepEqual(await outcomes(before, after), [1, 2]);
    client.disconnect();
  });

  it('may be asked to connect while its connections close', async () => {
    const client = await connected();
    const before = client.set('left', 'x');
    client.disconnect();
    await client.connect();
    deepEqual(await outcomes(before, client.get('left')), ['OK', 'x']);
    equal(client.status, 'ready');
    client.disconnect();
  });

  it('ends at once when nothing is under way', async () => {
    const client = await connected();
    client.disconnect();
    equal(client.status, 'end');
  });

  it('of one of nodes(): its calls are answered, and later ones find the next connection', async () => {
    const client = await connected();
    await client.del('counter');
    const owner = client.slots[client.slots.length - 1]![0]!;
    const face = client.nodes('master').find(({ options }) => `${options.host}:${options.port}` === owner)!;
    const running = [face.dbsize(), client.incr('counter'), face.ping()];
    for (const one of client.nodes()) one.disconnect();
    running.push(client.incr('counter'));
    const [size, ...values] = await outcomes(...running);
    equal(typeof size, 'number');
    deepEqual(values, [1, 'PONG', 2]);
    client.disconnect();
  });
});
