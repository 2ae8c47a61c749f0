// The client against a real cluster at sizes that matter: long pipelines, big values, many calls at once, one write a
// tick and node, holding and draining, and leaving the process free to end.

import { deepEqual, equal, ok } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { Cluster } from '../../../lib/index.ts';
import { needRedisServer, type RealCluster, sharedRealCluster } from '../../kit/real-cluster.ts';

type Results = [error: Error | null, value: unknown][];

/** A TCP relay that counts the chunks of each direction; a chunk of a loopback socket is one write unless it is huge. */
class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  chunks: string[] = [];

  constructor(target: number) {
    this.#server = createServer({ noDelay: true }, (inner) => {
      const outer = connect({ port: target, host: '127.0.0.1', noDelay: true });
      for (const [from, to] of [[inner, outer] as const, [outer, inner] as const]) {
        this.#sockets.add(from);
        from.on('data', (chunk) => {
          if (from === inner) this.chunks.push(chunk.toString('latin1'));
          to.write(chunk);
        });
        from.on('error', () => undefined);
        from.on('close', () => to.destroy());
      }
    });
  }

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as { port: number }).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe('client on a real cluster', function () {
  this.timeout(30_000);
  let cluster: RealCluster;
  let client: Cluster;

  before(async function () {
    needRedisServer(this, 'client on a real cluster');
    cluster = await sharedRealCluster();
    await cluster.flush();
    client = new Cluster(cluster.seeds);
  });
  after(async () => {
    client?.disconnect();
    await cluster?.flush();
  });

  it('runs a pipeline over all slots, results in call order', async () => {
    const writes = client.pipeline();
    for (let at = 0; at < 5000; at++) writes.set(`cross:${at}`, at);
    deepEqual(new Set(((await writes.exec()) as Results).map(([error, value]) => error ?? value)), new Set(['OK']));
    const reads = client.pipeline();
    for (let at = 0; at < 5000; at++) reads.get(`cross:${at}`);
    const values = ((await reads.exec()) as Results).map(([, value]) => value);
    deepEqual(
      values,
      Array.from({ length: 5000 }, (_, at) => String(at)),
    );
  });

  it('keeps errors of a cross-slot pipeline where they belong', async () => {
    const chain = client.pipeline();
    for (let at = 0; at < 100; at++) chain.set(`mixed:${at}`, 'x').incr(`mixed:${at}`);
    const results = (await chain.exec()) as Results;
    equal(results.length, 200);
    results.forEach(([error, value], at) => {
      if (at % 2 === 0) equal(value, 'OK');
      else equal(error?.message, 'ERR value is not an integer or out of range');
    });
  });

  it('runs a pipeline of 100,000 commands', async () => {
    const chain = client.pipeline();
    for (let at = 0; at < 100_000; at++) chain.incr(`count:${at % 5000}`);
    const results = (await chain.exec()) as Results;
    equal(results.length, 100_000);
    results.forEach(([error, value], at) => {
      if (error !== null || value !== Math.floor(at / 5000) + 1) throw new Error(`result ${at}: ${error ?? value}`);
    });
  });

  for (const [name, size] of [
    ['64 KiB', 65_536],
    ['5 MB', 5_000_000],
    ['20 MB', 20_000_000],
  ] as const) {
    it(`carries binary values of ${name}`, async () => {
      const value = randomBytes(size);
      equal(await client.set('big', value), 'OK');
      const back = await client.getBuffer('big');
      ok(back !== null && value.equals(back));
      equal(await client.strlen('big'), size);
    });
  }

  it('carries big text of several bytes a character', async () => {
    const value = 'ключ🎉é\r\n'.repeat(100_000);
    await client.set('text', value);
    equal(await client.get('text'), value);
  });

  it('mixes big and small values in one pipeline', async () => {
    const big = randomBytes(1_000_000);
    const chain = client.pipeline();
    for (let at = 0; at < 10; at++)
      chain.set(`mix:${at}`, big).set(`mix:${at}:s`, at).getBuffer(`mix:${at}`).get(`mix:${at}:s`);
    const results = (await chain.exec()) as Results;
    for (let at = 0; at < 10; at++) {
      ok(big.equals(results[at * 4 + 2]?.[1] as Buffer));
      equal(results[at * 4 + 3]?.[1], String(at));
    }
  });

  it('answers 10,000 concurrent calls, each with its own value', async () => {
    await Promise.all(Array.from({ length: 10_000 }, (_, at) => client.set(`conc:${at}`, at)));
    const values = await Promise.all(Array.from({ length: 10_000 }, (_, at) => client.get(`conc:${at}`)));
    deepEqual(
      values,
      Array.from({ length: 10_000 }, (_, at) => String(at)),
    );
  });

  it('keeps the order of calls on one key', async () => {
    const answers = await Promise.all(Array.from({ length: 1000 }, () => client.incr('order')));
    deepEqual(
      answers,
      Array.from({ length: 1000 }, (_, at) => at + 1),
    );
  });

  it('takes messages of unsubscribe() without names while patterns are left', async () => {
    await client.subscribe('one', 'two');
    await client.psubscribe('p*');
    equal(await client.unsubscribe(), 1);
    equal(await client.punsubscribe(), 0);
  });

  it('sends the calls of one tick in one write a node', async () => {
    const relays = new Map(cluster.nodes.map((node) => [node.port, new Relay(node.port)]));
    const ports = new Map<number, number>();
    for (const [port, relay] of relays) ports.set(port, await relay.start());
    const relayed = new Cluster(
      cluster.seeds.map(({ port }) => ({ port: ports.get(port) })),
      {
        natMap: (key: string) => ({ host: '127.0.0.1', port: ports.get(Number(key.split(':')[1])) ?? 0 }),
      },
    );
    try {
      const calls = (): Promise<unknown>[] => Array.from({ length: 300 }, (_, at) => relayed.set(`tick:${at}`, 'v'));
      await Promise.all(calls());
      for (const relay of relays.values()) relay.chunks = [];
      await Promise.all(calls());
      const sent = [...relays.values()].map((relay) => relay.chunks.filter((chunk) => chunk.includes('tick:')));
      deepEqual(
        sent.map((chunks) => chunks.length).filter((count) => count > 0),
        [1, 1, 1],
      );
      equal(sent.flat().join('').split('tick:').length - 1, 300);
    } finally {
      relayed.disconnect();
      await Promise.all([...relays.values()].map((relay) => relay.stop()));
    }
  });

  it('holds calls, pipelines and transactions made before it is ready', async () => {
    const early = new Cluster(cluster.seeds);
    const held = [
      early.set('{held}a', 1),
      early.pipeline().incr('{held}a').get('{held}a').exec(),
      early.multi().incr('{held}a').get('{held}a').exec(),
      early.get('{held}a'),
    ];
    equal(early.status, 'connecting');
    deepEqual(await Promise.all(held), [
      'OK',
      [
        [null, 2],
        [null, '2'],
      ],
      [
        [null, 3],
        [null, '3'],
      ],
      '3',
    ]);
    early.disconnect();
  });

  it('answers everything that was asked before quit()', async () => {
    const leaving = new Cluster(cluster.seeds);
    await leaving.set('quit', 0);
    const calls = Array.from({ length: 3000 }, (_, at) => leaving.set(`quit:${at}`, at));
    const batch = leaving.pipeline().incr('quit').incr('quit').exec();
    equal(await leaving.quit(), 'OK');
    deepEqual(new Set(await Promise.all(calls)), new Set(['OK']));
    deepEqual(await batch, [
      [null, 1],
      [null, 2],
    ]);
    await leaving.get('quit').then(
      () => ok(false, 'a call after quit() must reject'),
      (error: Error) => equal(error.message, 'Connection is closed.'),
    );
  });

  describe('as a process of its own', () => {
    const entry = new URL('../../../lib/index.js', import.meta.url).href;

    /** Runs a module body with `Cluster` and `seeds`; gives stdout. A process that does not end by itself fails. */
    async function run(body: string, seeds: unknown = cluster.seeds): Promise<string> {
      const source = `import { Cluster } from ${JSON.stringify(entry)}; const seeds = ${JSON.stringify(seeds)};
        process.on('unhandledRejection', (error) => { console.log('unhandled', error.message); process.exitCode = 9; });
        ${body}`;
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', source], {
        timeout: 15_000,
      });
      return stdout.trim();
    }

    it('ends after quit()', async () => {
      equal(
        await run(`const c = new Cluster(seeds); await c.set('end', 1); await c.quit(); console.log(c.status);`),
        'end',
      );
    });

    it('ends after disconnect()', async () => {
      equal(await run(`const c = new Cluster(seeds); console.log(await c.set('end', 1)); c.disconnect();`), 'OK');
    });

    it('ends after disconnect() at once', async () => {
      equal(await run(`const c = new Cluster(seeds); c.disconnect(); console.log('gone');`), 'gone');
    });

    it('ends after quit() with subscriptions, blocking calls and a period', async () => {
      const body = `const c = new Cluster(seeds, { slotsRefreshInterval: 1000 });
        await c.subscribe('a'); c.blpop('none', 0).catch(() => {}); await c.ping(); c.disconnect(); console.log('gone');`;
      equal(await run(body), 'gone');
    });

    it('ends when nobody is home and retrying is given up, without an error listener', async () => {
      const body = `const c = new Cluster(seeds, { clusterRetryStrategy: () => null });
        await new Promise((resolve) => c.once('end', resolve)); console.log(c.status);`;
      equal(await run(body, [{ host: '127.0.0.1', port: 1 }]), 'end');
    });

    it('rejects nothing that nobody can catch when it closes under load', async () => {
      const body = `const c = new Cluster(seeds); await c.ping(); const settled = [];
        for (let i = 0; i < 1000; i++) settled.push(c.set('k' + i, i).then(() => 1, () => 1));
        settled.push(c.pipeline().set('a', 1).set('b', 1).exec().then(() => 1, () => 1));
        c.disconnect(); console.log((await Promise.all(settled)).length);`;
      equal(await run(body), '1001');
    });
  });
});
