// Output limits and maxmemory-clients on real sockets: who is closed, what of its answer is sent, what its commands did.

import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { type BundledNode, startNode } from '../../../../server/index.ts';
import { encode, RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';

describe('limits of clients on the bundled server', function () {
  this.timeout(30_000);
  let node: BundledNode;
  let operator: RespClient;

  beforeEach(async () => {
    node = await startNode();
    operator = await RespClient.connect(node.port);
    await operator.call('CLIENT', 'NO-EVICT', 'ON');
  });
  afterEach(async () => {
    operator.close();
    await node.kill();
  });

  const set = async (name: string, value: string): Promise<void> => {
    equal(await operator.call('CONFIG', 'SET', name, value), 'OK');
  };
  const info = async (field: string): Promise<string> =>
    new RegExp(`^${field}:(.*)\r$`, 'm').exec(String(await operator.call('INFO', 'stats')))?.[1] ?? '';
  const join = async (name: string): Promise<RespClient> => {
    const client = await RespClient.connect(node.port);
    await client.call('CLIENT', 'SETNAME', name);
    return client;
  };
  const listed = async (name: string): Promise<boolean> =>
    String(await operator.call('CLIENT', 'LIST')).includes(`name=${name} `);

  it('hard: nothing of an answer that is too long is sent, and a transaction is done to its end', async () => {
    await set('client-output-buffer-limit', 'normal 100000 0 0');
    await operator.call('SET', 'big', 'x'.repeat(90_000));
    const client = await join('reader');
    const heard: Buffer[] = [];
    client.socket.on('data', (chunk: Buffer) => heard.push(chunk));
    client.raw(
      Buffer.concat([['MULTI'], ['SET', 'a', '1'], ['GET', 'big'], ['GET', 'big'], ['SET', 'b', '2']].map(encode)),
    );
    await until('the queue stands', () => Promise.resolve(String(Buffer.concat(heard)).split('QUEUED').length === 5));
    const before = Buffer.concat(heard).length;
    client.raw(encode(['EXEC']));
    await client.untilClosed();
    equal(Buffer.concat(heard).length, before);
    deepEqual(await operator.call('MGET', 'a', 'b'), ['1', '2']);
    equal(await listed('reader'), false);
    equal(await info('client_output_buffer_limit_disconnections'), '1');
  });

  it('hard: a call whose answer could never be sent ends the client instead of being refused', async () => {
    await operator.call('HSET', 'h', 'f', 'v');
    match(String(await operator.call('HRANDFIELD', 'h', '-999999999')), /out of range/);
    await set('client-output-buffer-limit', 'normal 100000 0 0');
    const client = await join('sampler');
    await client.call('HRANDFIELD', 'h', '-999999999').then(
      () => ok(false, 'answered'),
      () => undefined,
    );
    equal(await listed('sampler'), false);
  });

  it('a subscriber that does not read is closed at its own limit, not at that of others', async () => {
    await set('client-output-buffer-limit', 'normal 0 0 0 pubsub 2000000 0 0');
    const subscriber = await join('subscriber');
    await subscriber.call('SUBSCRIBE', 'ch');
    subscriber.socket.pause();
    const message = 'm'.repeat(100_000);
    let published = 0;
    while (await listed('subscriber')) {
      await operator.call('PUBLISH', 'ch', message);
      ok(++published < 1000, 'never closed');
    }
    ok(published >= 20, `closed after ${published}`);
    equal(await operator.call('PUBLISH', 'ch', message), 0);
    subscriber.close();
  });

  it('maxmemory-clients: who sends what nobody can run yet is let go; who asked to stay stays', async () => {
    await set('maxmemory-clients', '1000000');
    const [sender, spared, small] = [await join('sender'), await join('spared'), await join('small')];
    await spared.call('CLIENT', 'NO-EVICT', 'ON');
    for (const client of [sender, spared]) client.raw(`*1\r\n$2000000\r\n${'v'.repeat(1_500_000)}`);
    await until('the sender is gone', async () => !(await listed('sender')));
    await until('the other has been read', async () =>
      / name=spared .* qbuf=1500000 /.test(String(await operator.call('CLIENT', 'LIST'))),
    );
    deepEqual([await listed('spared'), await small.call('PING')], [true, 'PONG']);
    equal(await info('evicted_clients'), '1');
    for (const client of [sender, spared, small]) client.close();
  });

  it('maxmemory-clients: a client that does not read is let go before its commands take more', async () => {
    await set('maxmemory-clients', '3000000');
    await operator.call('SET', 'big', 'x'.repeat(500_000));
    const reader = await join('reader');
    reader.socket.pause();
    for (let round = 0; round < 100; round++) reader.raw(encode(['GET', 'big']));
    reader.raw(encode(['SET', 'last', '1']));
    await until('the reader is gone', async () => !(await listed('reader')));
    equal(await operator.call('GET', 'last'), null);
    reader.close();
  });

  it('an evicted subscriber receives nothing more, and publishing goes on', async () => {
    await set('maxmemory-clients', '1000000');
    const [slow, quick] = [await join('slow'), await join('quick')];
    await slow.call('HELLO', '3');
    await quick.call('HELLO', '3');
    await slow.call('CLIENT', 'TRACKING', 'ON', 'BCAST');
    await quick.call('CLIENT', 'TRACKING', 'ON', 'BCAST');
    slow.socket.pause();
    const key = 'k'.repeat(100_000);
    for (let round = 0; round < 200 && (await listed('slow')); round++) await operator.call('INCR', key);
    equal(await listed('slow'), false);
    const heard = quick.pushes.length;
    await operator.call('INCR', key);
    await quick.call('PING');
    equal(quick.pushes.length, heard + 1);
    for (const client of [slow, quick]) client.close();
  });
});
