// What operators and users do to a client in passing, on real servers, and what ioredis makes of the same: equal, or
// better where it loses or repeats something. Ledgers are lists: what was executed twice or never is counted there.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { type Face, type Library, libraries } from '../../differential/client/harness.ts';
import { freePort } from '../../kit/ports.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { until } from '../../kit/until.ts';

/** Runs `act` and gives the messages of what was thrown with nobody to catch it. */
async function uncaughtDuring(act: () => Promise<void>): Promise<string[]> {
  const seen: string[] = [];
  const kinds = ['uncaughtException', 'unhandledRejection'] as const;
  const theirs = kinds.map((kind) => process.rawListeners(kind) as ((error: Error) => void)[]);
  const note = (error: Error): void => void seen.push(error.message);
  for (const kind of kinds) process.removeAllListeners(kind).on(kind, note);
  try {
    await act();
    await pause(20);
  } finally {
    for (const [at, kind] of kinds.entries()) {
      process.off(kind, note);
      for (const listener of theirs[at]!) process.on(kind as 'uncaughtException', listener);
    }
  }
  return seen;
}

const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.catch((error: Error) => `${error.name}: ${error.message}`);

describe('client: what operators and users do, single node', function () {
  this.timeout(30_000);
  let node: RealNode;
  let admin: RespClient;
  const open: Face[] = [];

  before(async function () {
    needRedisServer(this);
    node = await startRealNode();
    admin = await RespClient.connect(node.port);
  });
  after(async () => {
    admin?.close();
    await node?.stop();
  });
  afterEach(async () => {
    for (const client of open.splice(0)) client.disconnect();
    await admin.call('FLUSHALL');
  });

  function single({ Redis }: Library, options: object = {}): Face {
    const client = new Redis({ host: '127.0.0.1', port: node.port, retryStrategy: () => 20, ...options });
    client.on('error', () => {});
    open.push(client);
    return client;
  }

  for (const library of libraries) {
    for (const event of ['connecting', 'connect', 'ready', 'close', 'reconnecting', 'end']) {
      it(`${library.name}: a listener of ${event} that throws stops nothing`, async () => {
        const answers: unknown[] = [];
        let thrown = 0;
        const uncaught = await uncaughtDuring(async () => {
          const client = single(library);
          client.on(event, () => {
            if (thrown++ === 0) throw new Error('of the listener');
          });
          answers.push(await client.ping());
          client.disconnect(true);
          answers.push(await client.ping());
          client.disconnect();
          await until('the client has ended', () => client.status === 'end' && thrown > 0);
        });
        assert.deepEqual(answers, ['PONG', 'PONG']);
        assert.deepEqual(uncaught, ['of the listener']);
      });
    }

    it(`${library.name}: an error listener that throws does not keep calls waiting`, async () => {
      let answer: unknown;
      const port = await freePort();
      const uncaught = await uncaughtDuring(async () => {
        const client = new library.Redis({ port, retryStrategy: () => null });
        open.push(client);
        client.on('error', () => {
          throw new Error('of the listener');
        });
        answer = await outcome(client.ping());
        await until('the client has ended', () => client.status === 'end');
      });
      assert.match(String(answer), /Connection is closed\./);
      assert.deepEqual(uncaught, ['of the listener']);
    });

    it(`${library.name}: a message listener that throws receives the next message`, async () => {
      const heard: string[] = [];
      const uncaught = await uncaughtDuring(async () => {
        const client = single(library);
        client.on('message', (_channel: string, message: string) => {
          heard.push(message);
          if (message === '1') throw new Error('of the listener');
        });
        await client.subscribe('news');
        await admin.call('PUBLISH', 'news', '1');
        await admin.call('PUBLISH', 'news', '2');
        await until('both were heard', () => heard.length === 2);
        assert.equal(client.status, 'ready');
      });
      assert.deepEqual(heard, ['1', '2']);
      assert.deepEqual(uncaught, ['of the listener']);
    });

    it(`${library.name}: maxclients reached, then freed: the call waits`, async () => {
      const guests: RespClient[] = [];
      await admin.call('CONFIG', 'SET', 'maxclients', '40');
      try {
        for (let at = 0; at < 60; at++) guests.push(await RespClient.connect(node.port));
        const client = single(library, { retryStrategy: () => 100 });
        let tries = 0;
        client.on('close', () => tries++);
        const answer = outcome(client.incr('once'));
        await until('it was turned away', () => tries > 1);
        for (const guest of guests.splice(0)) guest.close();
        assert.equal(await answer, 1);
      } finally {
        for (const guest of guests) guest.close();
        await admin.call('CONFIG', 'SET', 'maxclients', '1000');
      }
    });

    it(`${library.name}: sockets killed under load: each element arrives`, async () => {
      const client = single(library, { maxRetriesPerRequest: null });
      await client.ping();
      const pushed: Promise<unknown>[] = [];
      for (let at = 0; at < 1500; at++) {
        pushed.push(client.rpush('ledger', at));
        if (at % 300 === 150) await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        if (at % 25 === 0) await pause(1);
      }
      await Promise.all(pushed);
      const ledger = (await admin.call('LRANGE', 'ledger', '0', '-1')) as unknown[];
      assert.equal(new Set(ledger.map(String)).size, 1500);
    });

    it(`${library.name}: the server closes idle sockets: the client comes back`, async () => {
      const client = single(library);
      let readies = 0;
      client.on('ready', () => readies++);
      await client.ping();
      await admin.call('CONFIG', 'SET', 'timeout', '1');
      try {
        // The PING keeps the administrator's own socket from being idle.
        await until('the socket was closed and opened again', async () => (await admin.call('PING')) && readies > 1);
        assert.equal(await client.incr('once'), 1);
      } finally {
        await admin.call('CONFIG', 'SET', 'timeout', '0');
      }
    });

    for (const protocol of [2, 3]) {
      it(`${library.name}, RESP${protocol}: refusals of a full, lonely or demoted server name themselves`, async () => {
        const client = single(library, { protocol });
        await client.set('kept', 'v');
        const during = async (on: string[], off: string[]): Promise<unknown[]> => {
          await admin.call(...on);
          try {
            return [
              await outcome(client.set('k', 1)),
              await outcome(client.get('kept')),
              await outcome(client.multi().set('k', 1).get('kept').exec()),
            ];
          } finally {
            await admin.call(...off);
          }
        };
        const rest = ['v', 'ReplyError: EXECABORT Transaction discarded because of previous errors.'];
        const full = await during(['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']);
        assert.match(String(full[0]), /^ReplyError: OOM /);
        assert.deepEqual(full.slice(1), rest);
        const least = 'min-replicas-to-write';
        const lonely = await during(['CONFIG', 'SET', least, '1'], ['CONFIG', 'SET', least, '0']);
        assert.match(String(lonely[0]), /^ReplyError: NOREPLICAS /);
        assert.deepEqual(lonely.slice(1), rest);
        const demoted = await during(['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']);
        assert.match(String(demoted[0]), /^ReplyError: READONLY /);
        assert.deepEqual(demoted.slice(1), rest);
        assert.equal(await client.set('k', 1), 'OK');
      });

      it(`${library.name}, RESP${protocol}: a script killed by another client`, async () => {
        await admin.call('CONFIG', 'SET', 'busy-reply-threshold', '50');
        const client = single(library, { protocol });
        const other = single(library, { protocol });
        await Promise.all([client.ping(), other.ping()]);
        const endless = outcome(client.eval('while true do end', 0));
        await until('a script is killed', async () => (await outcome(other.script('KILL'))) === 'OK');
        assert.match(String(await endless), /Script killed by user/);
        assert.equal(await client.ping(), 'PONG');
      });

      it(`${library.name}, RESP${protocol}: QUIT and RESET by call(), and CLIENT REPLY OFF`, async () => {
        const client = single(library, { protocol });
        assert.equal(await client.call('reset'), 'RESET');
        await client.hset('h', 'f', 'v');
        assert.deepEqual({ ...(await client.hgetall('h')) }, { f: 'v' });
        assert.equal(await client.call('quit'), 'OK');
        await until('the client has ended', () => client.status === 'end');
        const silent = single(library, { protocol, commandTimeout: 300 });
        assert.match(String(await outcome(silent.call('client', 'reply', 'off'))), /Command timed out/);
      });
    }

    it(`${library.name}: values and keys of any bytes, 64 MB both ways`, async () => {
      const client = single(library);
      const key = Buffer.from([0, 255, 254, 13, 10, 0]);
      assert.equal(await client.set(key, Buffer.from([255, 0])), 'OK');
      assert.deepEqual(await client.getBuffer(key), Buffer.from([255, 0]));
      assert.equal(await client.set('', 'empty'), 'OK');
      assert.equal(await client.get(''), 'empty');
      const long = 'k'.repeat(1 << 20);
      assert.equal(await client.set(long, 'v'), 'OK');
      assert.equal(await client.get(long), 'v');
      const large = Buffer.alloc(64 << 20, 7);
      assert.equal(await client.set('large', large), 'OK');
      assert.ok(large.equals(await client.getBuffer('large')));
      assert.deepEqual(await client.pipeline().exec(), []);
    });

    it(`${library.name}: a call within 'end' is rejected, not left open`, async () => {
      const client = single(library);
      await client.ping();
      const asked = new Promise((resolve) => client.once('end', () => resolve(outcome(client.get('k')))));
      client.disconnect();
      assert.match(String(await asked), /Connection is closed\./);
    });

    it(`${library.name}: 200 clients come and go, and leave no socket`, async () => {
      for (let at = 0; at < 200; at++) {
        const client = new library.Redis({ port: node.port, lazyConnect: true });
        client.on('error', () => {});
        const connecting = outcome(client.connect());
        if (at % 3 > 0) await connecting;
        if (at % 2 > 0) client.disconnect();
        else await outcome(client.quit());
        await until('it has ended', () => client.status === 'end' || client.status === 'close');
      }
      await until('the server sees the administrator alone', async () =>
        /^connected_clients:1\r?$/m.test(String(await admin.call('INFO', 'clients'))),
      );
    });
  }

  // ioredis asks for such a reply again for ever.
  it('lingcache: a reply beyond client-output-buffer-limit fails after maxRetriesPerRequest', async () => {
    const client = single(libraries[1]!, { maxRetriesPerRequest: 2 });
    // Of small parts: Valkey 9 sends large strings from where they lie, and counts no buffer for them.
    await client.rpush('large', ...Array<string>(20_000).fill('x'.repeat(1000)));
    await admin.call('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 1mb 1mb 1');
    try {
      assert.match(
        String(await outcome(client.lrange('large', 0, -1))).slice(0, 300),
        /max retries per request limit \(which is 2\)/,
      );
    } finally {
      await admin.call('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 0 0 0');
    }
    assert.equal(await client.llen('large'), 20_000);
  });
});
