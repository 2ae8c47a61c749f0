// A single Redis whose server is, or becomes, a replica: Valkey names the primary to clients that have said CLIENT CAPA
// redirect, and followRedirects goes there.

import { deepEqual, equal, match, rejects, throws } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Redis, type RedisOptions } from '../../../lib/index.ts';
import { FakeNode } from '../../kit/fake-node.ts';
import { type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { needServer } from '../../kit/servers.ts';
import { until } from '../../kit/until.ts';

const fast = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'];

for (const server of ['valkey-8', 'valkey-9'] as const) {
  describe(`followRedirects on ${server}`, function () {
    this.timeout(60_000);
    let primary: RealNode;
    let replica: RealNode;
    let clients: Redis[] = [];

    const at = (node: RealNode, options: RedisOptions = {}): Redis => {
      const client = new Redis({ host: node.host, port: node.port, ...options });
      clients.push(client);
      return client;
    };
    const ask = async (node: RealNode, ...words: string[]): Promise<unknown> => {
      const client = await RespClient.connect(node.port);
      try {
        return await client.call(...words);
      } finally {
        client.close();
      }
    };
    // By both: a primary refuses to hand over to a replica that it does not take for online yet.
    const inStep = async (node: RealNode, source: RealNode): Promise<void> => {
      await until('the replica is in step', async () =>
        /master_link_status:up/.test(String(await ask(node, 'INFO', 'replication'))),
      );
      await until('its primary knows', async () =>
        /state=online/.test(String(await ask(source, 'INFO', 'replication'))),
      );
    };

    beforeEach(async function () {
      const program = needServer(this, server, 'followRedirects');
      primary = await startRealNode(fast, program);
      replica = await startRealNode([...fast, '--replicaof', primary.host, String(primary.port)], program);
      await inStep(replica, primary);
    });
    afterEach(async () => {
      for (const client of clients) client.disconnect();
      clients = [];
      await Promise.all([primary?.stop(), replica?.stop()]);
    });

    it('writes, reads, pipelines and transactions go to the primary that the replica names', async () => {
      for (const protocol of [2, 3] as const) {
        const client = at(replica, { followRedirects: true, protocol });
        deepEqual(await Promise.all([client.set('a', 1), client.incr('a'), client.get('a')]), ['OK', 2, '2']);
        equal(client.status, 'ready');
        match(await client.info('replication'), /role:master/);
        const piped = at(replica, { followRedirects: true, protocol });
        deepEqual(await piped.pipeline().set('b', 1).incr('b').get('b').exec(), [
          [null, 'OK'],
          [null, 2],
          [null, '2'],
        ]);
        const whole = at(replica, { followRedirects: true, protocol });
        deepEqual(await whole.multi().set('c', 1).incr('c').get('c').exec(), [
          [null, 'OK'],
          [null, 2],
          [null, '2'],
        ]);
        equal(await at(replica, { followRedirects: true, protocol, db: 1 }).set('d', 1), 'OK');
        equal(await at(primary, { db: 1 }).get('d'), '1');
      }
    });

    it('without it the refusal is the answer, and reads are served', async () => {
      const client = at(replica);
      await rejects(client.set('a', 1), /^ReplyError: READONLY/);
      equal(await client.get('a'), null);
    });

    it('a primary that hands over is left for the new one, without an error, each command once', async () => {
      const client = at(primary, { followRedirects: true });
      const errors: Error[] = [];
      client.on('error', (error) => errors.push(error));
      let done = 0;
      let over = false;
      const loops = Array.from({ length: 8 }, async () => {
        while (!over) {
          await client.incr('count');
          done++;
        }
      });
      await until('some are done', () => done > 200);
      equal(await ask(primary, 'FAILOVER', 'TO', replica.host, String(replica.port)), 'OK');
      await until('roles have changed', async () =>
        /role:master/.test(String(await ask(replica, 'INFO', 'replication'))),
      );
      const then = done;
      await until('it goes on', () => done > then + 200);
      over = true;
      await Promise.all(loops);
      deepEqual(errors, []);
      equal(await client.get('count'), String(done));
      match(await client.info('replication'), /role:master/);
      equal(String(await ask(replica, 'GET', 'count')), String(done));
    });

    it('a call that blocks goes on at the new primary', async () => {
      const client = at(primary, { followRedirects: true });
      const popped = client.blpop('list', 0);
      popped.catch(() => undefined);
      await until('it blocks', async () => /blocked_clients:1/.test(String(await ask(primary, 'INFO', 'clients'))));
      equal(await ask(primary, 'FAILOVER', 'TO', replica.host, String(replica.port)), 'OK');
      await until('roles have changed', async () =>
        /role:master/.test(String(await ask(replica, 'INFO', 'replication'))),
      );
      await until('it blocks there', async () =>
        /blocked_clients:1/.test(String(await ask(replica, 'INFO', 'clients'))),
      );
      await ask(replica, 'RPUSH', 'list', 'x');
      deepEqual(await popped, ['list', 'x']);
    });

    it('subscriptions move along', async () => {
      const client = at(replica, { followRedirects: true });
      const heard: string[] = [];
      client.on('message', (_channel, text: string) => heard.push(text));
      await client.subscribe('news');
      await client.set('a', 1);
      await ask(primary, 'PUBLISH', 'news', 'x');
      await until('it came', () => heard.includes('x'));
      deepEqual(heard, ['x']);
    });

    it('sends the server its name and version', async () => {
      const client = at(primary);
      const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
      match(
        String(await client.client('INFO')),
        new RegExp(`lib-name=lingcache lib-ver=${version.replaceAll('.', '\\.')}\\b`),
      );
      const silent = at(primary, { disableClientInfo: true, clientInfoTag: 'x' });
      match(String(await silent.client('INFO')), /lib-name= lib-ver= /);
      const tagged = at(primary, { clientInfoTag: 'shop' });
      match(String(await tagged.client('INFO')), /lib-name=lingcache\(shop\) /);
    });
  });
}

describe('followRedirects on scripted servers', () => {
  const nodes: FakeNode[] = [];
  let client: Redis | undefined;

  const start = async (answer: (argv: readonly string[]) => string | undefined): Promise<FakeNode> => {
    const node = await FakeNode.start(answer);
    nodes.push(node);
    return node;
  };
  afterEach(async () => {
    client?.disconnect();
    await Promise.all(nodes.splice(0).map((node) => node.close()));
  });

  it('excludes readOnly', () => {
    throws(() => new Redis({ lazyConnect: true, followRedirects: true, readOnly: true }), /exclude each other/);
  });

  it('nodes that name each other are left alone for longer and longer, and then the refusal is the answer', async () => {
    const one: FakeNode = await start(([name]) => (name === 'get' ? `-REDIRECT ${other.key}\r\n` : '+OK\r\n'));
    const other: FakeNode = await start(([name]) => (name === 'get' ? `-REDIRECT ${one.key}\r\n` : '+OK\r\n'));
    client = new Redis({ port: one.port, host: '127.0.0.1', followRedirects: true, enableReadyCheck: false });
    await rejects(client.get('k'), /^ReplyError: REDIRECT/);
    equal(one.count('get') + other.count('get'), 17);
  }).timeout(20_000);

  it('a primary that cannot be reached: the address of the options is asked again', async () => {
    const gone = await start(() => '+OK\r\n');
    await gone.close();
    let asked = 0;
    const node = await start(([name]) => {
      if (name !== 'get') return '+OK\r\n';
      return asked++ === 0 ? `-REDIRECT ${gone.key}\r\n` : '$1\r\nx\r\n';
    });
    const options = { followRedirects: true, enableReadyCheck: false, retryStrategy: () => 10 };
    client = new Redis({ port: node.port, host: '127.0.0.1', ...options });
    client.on('error', () => undefined);
    equal(await client.get('k'), 'x');
  });

  for (const text of ['REDIRECT', 'REDIRECT somewhere', 'REDIRECT host:0', 'REDIRECT host:port', 'REDIRECT :']) {
    it(`"${text}" leads nowhere and is the answer`, async () => {
      const node = await start(([name]) => (name === 'get' ? `-${text}\r\n` : '+OK\r\n'));
      client = new Redis({ port: node.port, host: '127.0.0.1', followRedirects: true, enableReadyCheck: false });
      await rejects(client.get('k'), { message: text });
      equal(node.count('get'), 1);
    });
  }

  it('with no offline queue the refused call is rejected, and its connection stays', async () => {
    const node = await start(([name]) => (name === 'get' ? '-REDIRECT 127.0.0.1:1\r\n' : '+OK\r\n'));
    const options = { followRedirects: true, enableReadyCheck: false, enableOfflineQueue: false, lazyConnect: true };
    client = new Redis({ port: node.port, host: '127.0.0.1', ...options });
    await client.connect();
    await rejects(client.get('k'), /^ReplyError: REDIRECT/);
    equal(client.status, 'ready');
  });

  it('says CLIENT CAPA only when asked to, and a server that does not know it is none the worse', async () => {
    const node = await start(([name]) => (name === 'get' ? '$1\r\nx\r\n' : '+OK\r\n'));
    node.handshake = ([name, word]) =>
      name === 'client' && word?.toLowerCase() === 'capa' ? '-ERR unknown subcommand\r\n' : undefined;
    client = new Redis({ port: node.port, host: '127.0.0.1', followRedirects: true, enableReadyCheck: false });
    equal(await client.get('k'), 'x');
    equal(node.count('client', 'capa'), 1);
    const plain = new Redis({ port: node.port, host: '127.0.0.1', enableReadyCheck: false });
    equal(await plain.get('k'), 'x');
    equal(node.count('client', 'capa'), 1);
    plain.disconnect();
  });
});
