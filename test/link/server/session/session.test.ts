// The bundled server's session over real sockets: waiting, pushing, pausing, limits, closing.

import assert from 'node:assert/strict';
import { ReplyError } from '../../../../lib/wire/reply.ts';
import { type Standalone, startStandalone } from '../../../../server/embedded/standalone.ts';
import type { Effect } from '../../../../server/engine/ports.ts';
import { encode, RespClient } from '../../../kit/resp-client.ts';
import { replicationPort } from '../../../unit/server/engine/ports-kit.ts';

describe('a session of the bundled server', () => {
  let server: Standalone;
  let clients: RespClient[] = [];
  let effects: (readonly Effect[])[] = [];

  const connect = async (): Promise<RespClient> => {
    const client = await RespClient.connect(server.port);
    clients.push(client);
    return client;
  };

  /** Waits until the server holds; the test's own time-out is the limit. */
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
  };

  beforeEach(async () => {
    effects = [];
    server = await startStandalone({
      engine: { ports: { replication: replicationPort({ onEffects: (unit) => effects.push(unit) }) } },
    });
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    clients = [];
    await server.close();
  });

  const words = (): string[][] => effects.map((unit) => unit.map((effect) => effect.argv.join(' ')));

  it('answers a pipeline in order, across a command that waits', async () => {
    const [waiting, other] = [await connect(), await connect()];
    waiting.raw(Buffer.concat([encode(['SET', 'a', 1]), encode(['BLPOP', 'l', 0]), encode(['GET', 'a'])]));
    assert.equal(await waiting.read(), 'OK');
    await until(() => server.engine.blocked.count === 1);
    assert.equal(await other.call('RPUSH', 'l', 'x'), 1);
    assert.deepEqual(await waiting.read(), ['l', 'x']);
    assert.equal(await waiting.read(), '1');
    assert.deepEqual(words(), [['SET a 1'], ['RPUSH l x'], ['LPOP l']]);
  });

  it('serves those who wait in the order they came', async () => {
    const [first, second, third] = [await connect(), await connect(), await connect()];
    const one = first.call('BLPOP', 'l', 0);
    await until(() => server.engine.blocked.count === 1);
    const two = second.call('BLPOP', 'x', 'l', 0);
    await until(() => server.engine.blocked.count === 2);
    await third.call('RPUSH', 'l', 'a', 'b', 'c');
    assert.deepEqual(await one, ['l', 'a']);
    assert.deepEqual(await two, ['l', 'b']);
    assert.equal(await third.call('LLEN', 'l'), 1);
  });

  it('serves a waiter only after the whole transaction', async () => {
    const [waiting, other] = [await connect(), await connect()];
    const popped = waiting.call('BLPOP', 'l', 0);
    await until(() => server.engine.blocked.count === 1);
    for (const argv of [['MULTI'], ['RPUSH', 'l', 'a'], ['DEL', 'l'], ['RPUSH', 'l', 'b']]) await other.call(...argv);
    assert.deepEqual(await other.call('EXEC'), [1, 1, 1]);
    assert.deepEqual(await popped, ['l', 'b']);
    assert.deepEqual(words(), [['RPUSH l a', 'DEL l', 'RPUSH l b'], ['LPOP l']]);
  });

  it('ends a wait by time, by CLIENT UNBLOCK and by the client going away', async () => {
    const [waiting, other] = [await connect(), await connect()];
    assert.equal(await waiting.call('BLPOP', 'l', '0.01'), null);
    const id = String(await waiting.call('CLIENT', 'ID'));
    let answer = waiting.call('BLPOP', 'l', 0);
    await until(() => server.engine.blocked.count === 1);
    assert.equal(await other.call('CLIENT', 'UNBLOCK', id), 1);
    assert.equal(await answer, null);
    answer = waiting.call('BLPOP', 'l', 0);
    await until(() => server.engine.blocked.count === 1);
    assert.equal(await other.call('CLIENT', 'UNBLOCK', id, 'ERROR'), 1);
    assert.match(String(await answer), /UNBLOCKED client unblocked via CLIENT UNBLOCK/);
    waiting.raw(encode(['BLPOP', 'l', 0]));
    await until(() => server.engine.blocked.count === 1);
    waiting.close();
    await until(() => server.engine.blocked.count === 0);
    assert.equal(await other.call('RPUSH', 'l', 'a'), 1);
    assert.equal(await other.call('LLEN', 'l'), 1);
  });

  it('replicates absolute times, results instead of sums, and nothing for what changed nothing', async () => {
    const client = await connect();
    const at = 99999999999999;
    await client.call('SET', 'k', 'v', 'PXAT', at);
    await client.call('SET', 'k', 'v', 'NX');
    await client.call('DEL', 'missing');
    await client.call('INCRBYFLOAT', 'f', '1.5');
    await client.call('GETDEL', 'f');
    await client.call('EXPIRE', 'k', 0);
    await client.call('GET', 'k');
    assert.deepEqual(words(), [[`SET k v PXAT ${at}`], ['SET f 1.5 KEEPTTL'], ['DEL f'], ['DEL k']]);
  });

  it('delivers to channels, patterns and shard channels, as pushes in RESP3', async () => {
    const [listener, speaker] = [await connect(), await connect()];
    await listener.call('HELLO', 3);
    listener.raw(encode(['SUBSCRIBE', 'news', 'more']));
    assert.deepEqual(await listener.readPush(), ['subscribe', 'news', 1]);
    assert.deepEqual(await listener.readPush(), ['subscribe', 'more', 2]);
    listener.raw(encode(['PSUBSCRIBE', 'n*']));
    assert.deepEqual(await listener.readPush(), ['psubscribe', 'n*', 3]);
    listener.raw(encode(['SSUBSCRIBE', 'shard']));
    assert.deepEqual(await listener.readPush(), ['ssubscribe', 'shard', 1]);
    assert.equal(await speaker.call('PUBLISH', 'news', 'hi'), 2);
    assert.deepEqual(await listener.readPush(), ['message', 'news', 'hi']);
    assert.deepEqual(await listener.readPush(), ['pmessage', 'n*', 'news', 'hi']);
    assert.equal(await speaker.call('SPUBLISH', 'shard', 'ho'), 1);
    assert.deepEqual(await listener.readPush(), ['smessage', 'shard', 'ho']);
    assert.deepEqual(await speaker.call('PUBSUB', 'NUMSUB', 'news'), ['news', 1]);
    assert.equal(await listener.call('PING'), 'PONG');
    listener.close();
    await until(() => server.engine.clients.size === 1);
    assert.equal(await speaker.call('PUBLISH', 'news', 'hi'), 0);
    assert.deepEqual(await speaker.call('PUBSUB', 'CHANNELS'), []);
  });

  it('raises key events when asked to', async () => {
    const [listener, speaker] = [await connect(), await connect()];
    await speaker.call('CONFIG', 'SET', 'notify-keyspace-events', 'KEA');
    await listener.call('HELLO', 3);
    listener.raw(encode(['PSUBSCRIBE', '__key*']));
    await listener.readPush();
    await speaker.call('SET', 'k', 'v');
    assert.deepEqual(await listener.readPush(), ['pmessage', '__key*', '__keyspace@0__:k', 'set']);
    assert.deepEqual(await listener.readPush(), ['pmessage', '__key*', '__keyevent@0__:set', 'k']);
    await speaker.call('RPUSH', 'l', 'a');
    await listener.readPush();
    await listener.readPush();
    await speaker.call('LPOP', 'l');
    const events = [];
    for (let at = 0; at < 4; at++) events.push((await listener.readPush())[3]);
    assert.deepEqual(events, ['lpop', 'l', 'del', 'l']);
  });

  it('holds writes while paused, and runs them when the pause ends', async () => {
    const [admin, writer] = [await connect(), await connect()];
    await admin.call('CLIENT', 'PAUSE', 60000, 'WRITE');
    assert.equal(await writer.call('GET', 'k'), null);
    const written = writer.call('SET', 'k', 'v');
    await until(() => [...server.engine.clients.values()].some((client) => client.blocked?.kind === 'paused'));
    assert.equal(await admin.call('GET', 'k'), null);
    assert.equal(await admin.call('CLIENT', 'UNPAUSE'), 'OK');
    assert.equal(await written, 'OK');
    await admin.call('CLIENT', 'PAUSE', 20, 'ALL');
    assert.equal(await writer.call('GET', 'k'), 'v');
  });

  it('shows MONITOR what runs, with times, places and quoted bytes', async () => {
    const [monitor, client] = [await connect(), await connect()];
    assert.equal(await monitor.call('MONITOR'), 'OK');
    await client.call('SET', 'k', 'a"b\n\x01');
    assert.match(String(await monitor.read()), /^\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "k" "a\\"b\\n\\x01"$/);
  });

  it('kills clients by id and by address', async () => {
    const [victim, other] = [await connect(), await connect()];
    const id = String(await victim.call('CLIENT', 'ID'));
    assert.equal(await other.call('CLIENT', 'KILL', 'ID', id), 1);
    await victim.untilClosed();
    assert.match(String(await other.call('CLIENT', 'KILL', '1.2.3.4:5')), /No such client/);
    assert.equal(await other.call('PING'), 'PONG');
  });

  it('refuses clients over maxclients', async () => {
    const first = await connect();
    await first.call('CONFIG', 'SET', 'maxclients', 1);
    const second = await connect();
    const refusal = await second.read();
    assert.ok(refusal instanceof ReplyError);
    assert.equal(refusal.message, 'ERR max number of clients reached');
    await second.untilClosed();
    assert.equal(await first.call('PING'), 'PONG');
  });

  it('closes a subscriber that does not read', async () => {
    const [lazy, speaker] = [await connect(), await connect()];
    await speaker.call('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1mb 0 0');
    await lazy.call('SUBSCRIBE', 'c');
    lazy.socket.pause();
    const message = 'x'.repeat(100_000);
    let delivered = 1;
    for (let at = 0; at < 1000 && delivered === 1; at++)
      delivered = (await speaker.call('PUBLISH', 'c', message)) as number;
    assert.equal(delivered, 0);
  });

  it('does not run ahead of a client that does not read its replies', async () => {
    const client = await connect();
    await client.call('SET', 'k', 'x'.repeat(1024 * 1024));
    client.socket.pause();
    const before = server.engine.stats.commands;
    client.raw(Buffer.concat(Array.from({ length: 200 }, () => encode(['GET', 'k']))));
    await until(() => server.engine.stats.commands > before);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const ran = server.engine.stats.commands - before;
    assert.ok(ran < 100, `${ran} commands ran`);
    client.socket.resume();
    for (let at = 0; at < 200; at++) assert.equal(((await client.read()) as string).length, 1024 * 1024);
  });

  it('takes in all that a client sends before it reads anything, and answers all of it', async () => {
    const client = await connect();
    client.socket.pause();
    const word = 'x'.repeat(8192);
    const count = 8000;
    const written = Array.from(
      { length: count },
      () => new Promise<unknown>((resolve) => client.socket.write(encode(['ECHO', word]), resolve)),
    );
    await Promise.all(written);
    client.socket.end();
    client.socket.resume();
    for (let at = 0; at < count; at++) assert.equal(await client.read(), word);
    await client.untilClosed();
  });

  it('closes a client that sends more than its query buffer holds and reads nothing', async () => {
    const client = await connect();
    await client.call('CONFIG', 'SET', 'client-query-buffer-limit', '1mb');
    client.socket.pause();
    client.socket.on('error', () => undefined);
    const request = encode(['ECHO', 'x'.repeat(100_000)]);
    for (let at = 0; at < 1000; at++) client.socket.write(request);
    await until(() => server.engine.clients.size === 0);
    assert.equal(server.engine.stats.queryLimitClosings, 1);
  });

  it('sends large values unharmed in both directions', async () => {
    const client = await connect();
    const bytes = Buffer.alloc(5_000_000, 0);
    for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 7919) & 0xff;
    assert.equal(await client.call('SET', 'big', bytes), 'OK');
    assert.equal(await client.call('STRLEN', 'big'), bytes.length);
    assert.equal(await client.call('GET', 'big'), bytes.toString('latin1'));
  });

  it('answers what was sent before the client half-closed', async () => {
    const client = await connect();
    client.socket.end(encode(['PING']));
    assert.equal(await client.read(), 'PONG');
    await client.untilClosed();
  });

  it('closes every client when it closes, those that wait too', async () => {
    const waiting = await connect();
    waiting.raw(encode(['BLPOP', 'l', 0]));
    await until(() => server.engine.blocked.count === 1);
    await server.close();
    await waiting.untilClosed();
    assert.equal(server.engine.clients.size, 0);
    assert.equal(server.engine.blocked.count, 0);
  });
});
