// @fastify/redis given our clients: it waits for `ready`, hands the client to the routes, and quits it on close.

import assert from 'node:assert/strict';
import plugin from '@fastify/redis';
import { fastify } from 'fastify';
import { needRedisServer } from '../kit/real-cluster.ts';
import { type Client, ended, kinds } from './clients.ts';

// ioredis's classes have private members, so no other class is one of them to the type checker.
const asPeer = (client: Client): never => client as never;

for (const kind of kinds()) {
  describe(`consumers: @fastify/redis on ${kind.name}`, () => {
    before(async function () {
      needRedisServer(this, '@fastify/redis');
      await kind.start();
    });
    after(() => kind.stop());

    it('serves requests from the client and quits it on close', async () => {
      const client = kind.make();
      const app = fastify();
      await app.register(plugin, { client: asPeer(client), closeClient: true });
      app.put<{ Params: { key: string }; Body: string }>('/:key', async ({ params, body }) =>
        app.redis.set(params.key, body, 'EX', 60),
      );
      app.get<{ Params: { key: string } }>('/:key', async ({ params }) => ({ value: await app.redis.get(params.key) }));
      const keys = Array.from({ length: 20 }, (_, at) => `page${at}`);
      const headers = { 'content-type': 'text/plain' };
      await Promise.all(
        keys.map((key) => app.inject({ method: 'PUT', url: `/${key}`, payload: `of ${key}`, headers })),
      );
      const answers = await Promise.all(keys.map((key) => app.inject(`/${key}`)));
      assert.deepEqual(
        answers.map((answer) => answer.json()),
        keys.map((key) => ({ value: `of ${key}` })),
      );
      await app.close();
      await ended(client);
    });

    it('takes clients by name, ready or not, and leaves open what is not its own', async () => {
      const ready = kind.make();
      await ready.ping();
      const fresh = kind.make();
      const app = fastify();
      await app.register(plugin, { client: asPeer(ready), namespace: 'ready' });
      await app.register(plugin, { client: asPeer(fresh), namespace: 'fresh', closeClient: true });
      await app.ready();
      const { ready: one, fresh: other } = app.redis as unknown as Record<string, Client>;
      assert.equal(one, ready);
      await other!.set('named', 'yes');
      assert.equal(await one!.get('named'), 'yes');
      await app.close();
      await ended(fresh);
      assert.equal(await ready.get('named'), 'yes');
      await ready.quit();
    });
  });
}
