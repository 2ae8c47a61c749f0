// connect-redis under express-session, served over HTTP. Version 9 speaks node-redis only, so our client goes in
// behind the few words it uses; the adapter below is all an ioredis-style client needs.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RedisStore } from 'connect-redis';
import session from 'express-session';
import { needRedisServer } from '../kit/real-cluster.ts';
import { type Client, kinds } from './clients.ts';

interface Expiration {
  readonly expiration?: { readonly type: 'EX'; readonly value: number };
}

/** The part of node-redis that connect-redis uses. DEL and MGET go key by key: sessions are of many slots. */
function asNodeRedis(client: Client): object {
  return {
    get: (key: string) => client.get(key),
    set: (key: string, value: string, { expiration }: Expiration = {}) =>
      expiration === undefined ? client.set(key, value) : client.set(key, value, expiration.type, expiration.value),
    expire: (key: string, seconds: number) => client.expire(key, seconds),
    del: async (keys: readonly string[]) => {
      const counts = await Promise.all(keys.map((key) => client.del(key)));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    mGet: (keys: readonly string[]) => Promise.all(keys.map((key) => client.get(key))),
    scanIterator: ({ MATCH, COUNT }: { MATCH: string; COUNT: number }) =>
      client.scanStream({ match: MATCH, count: COUNT }),
  };
}

/** Counts the visits of each session; /bye ends one. */
function serve(store: RedisStore): Server {
  const handle = session({ store, secret: 'not one', resave: false, saveUninitialized: false });
  return createServer((request, response) => {
    const visitor = request as IncomingMessage & Parameters<typeof handle>[0];
    handle(visitor, response as ServerResponse, (error) => {
      if (error !== undefined) {
        response.writeHead(500).end(String(error));
        return;
      }
      if (request.url === '/bye') {
        visitor.session.destroy(() => response.end('bye'));
        return;
      }
      visitor.session['visits'] = Number(visitor.session['visits'] ?? 0) + 1;
      response.end(String(visitor.session['visits']));
    });
  });
}

for (const kind of kinds()) {
  describe(`consumers: connect-redis on ${kind.name}`, () => {
    let client: Client;
    let store: RedisStore;
    let server: Server | undefined;
    let base = '';

    const visit = async (path: string, cookie?: string): Promise<{ text: string; cookie: string | undefined }> => {
      const headers = { connection: 'close', ...(cookie === undefined ? {} : { cookie }) };
      const answer = await fetch(`${base}${path}`, { headers });
      return { text: await answer.text(), cookie: answer.headers.get('set-cookie')?.split(';')[0] ?? cookie };
    };

    before(async function () {
      needRedisServer(this, 'connect-redis');
      await kind.start();
      client = kind.make();
      store = new RedisStore({ client: asNodeRedis(client), prefix: 'visit:', ttl: 300 });
      server = serve(store).listen(0, '127.0.0.1');
      await once(server, 'listening');
      base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    beforeEach(() => store.clear());
    after(async () => {
      server?.close();
      await kind.stop();
    });

    it('keeps the sessions of many visitors apart', async () => {
      const visitors = await Promise.all(Array.from({ length: 12 }, () => visit('/')));
      assert.deepEqual(new Set(visitors.map(({ text }) => text)), new Set(['1']));
      const again = await Promise.all(visitors.map(({ cookie }) => visit('/', cookie)));
      assert.deepEqual(new Set(again.map(({ text }) => text)), new Set(['2']));
      assert.equal(await store.length(), 12);
      assert.equal((await store.ids()).length, 12);
      const sessions = (await store.all()) as { visits: number }[];
      assert.deepEqual(new Set(sessions.map(({ visits }) => visits)), new Set([2]));
    });

    it('lets sessions expire, ends them and clears them all', async () => {
      const [one, other] = [await visit('/'), await visit('/')];
      const ids = (await store.ids()) as string[];
      for (const id of ids) {
        const left = await client.ttl(`visit:${id}`);
        assert.ok(left > 290 && left <= 300);
      }
      assert.equal((await visit('/bye', one.cookie)).text, 'bye');
      assert.equal((await visit('/', one.cookie)).text, '1');
      assert.equal((await visit('/', other.cookie)).text, '2');
      await store.clear();
      assert.equal(await store.length(), 0);
      assert.equal((await visit('/', other.cookie)).text, '1');
    });
  });
}
