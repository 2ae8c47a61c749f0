// redirectAllow: nobody is sent a password that it does not allow.

import assert from 'node:assert/strict';
import { Cluster, type ClusterOptions } from '../../../lib/index.ts';
import { slotOf } from '../../../lib/wire/slot.ts';
import { type Answer, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { until } from '../../kit/until.ts';

describe('client: redirectAllow', () => {
  let good: FakeNode;
  let bad: FakeNode;
  let client: Cluster;
  let redirect: string | undefined;
  /** What the map says of slots from 8192 on. */
  let upper: { readonly host: string; readonly port: number } | FakeNode;

  beforeEach(async () => {
    redirect = undefined;
    const answer = (argv: readonly string[]): Answer => {
      if (argv[0] === 'cluster') {
        return argv[1]!.toLowerCase() === 'slots'
          ? slotsReply([
              { start: 0, end: 8191, nodes: [good] },
              { start: 8192, end: 16383, nodes: [upper] },
            ])
          : clusterOk;
      }
      if (argv[0] === 'ssubscribe') return redirect ?? '-ERR none\r\n';
      return argv[0] === 'get' && redirect !== undefined ? redirect : '+OK\r\n';
    };
    good = await FakeNode.start(answer);
    bad = new FakeNode(answer);
    await bad.listen(0, '127.0.0.2');
    upper = good;
  });
  afterEach(async () => {
    client?.disconnect();
    await Promise.all([good.close(), bad.close()]);
  });

  function connect(options: ClusterOptions): void {
    client = new Cluster([good.key], { redisOptions: { password: 'secret' }, retryDeadline: 500, ...options });
  }

  for (const kind of ['MOVED', 'ASK']) {
    it(`does not follow ${kind} to an address that is not allowed`, async () => {
      connect({ redirectAllow: ['127.0.0.1'] });
      await client.get('foo');
      redirect = `-${kind} ${slotOf('foo')} 127.0.0.2:${bad.port}\r\n`;
      await assert.rejects(client.get('foo'), (error: Error & { code: string; node: string; slot: number }) => {
        assert.equal(error.code, 'ERR_REDIRECT_REFUSED');
        assert.equal(error.node, good.key);
        assert.equal(error.slot, slotOf('foo'));
        assert.match(error.message, new RegExp(`127.0.0.2:${bad.port}.*redirectAllow`));
        return true;
      });
      redirect = undefined;
      assert.equal(await client.get('foo'), 'OK');
      assert.equal(bad.connections, 0);
    });
  }

  it('does not follow a shard channel there', async () => {
    connect({ redirectAllow: ['127.0.0.1'] });
    await client.get('foo');
    redirect = `-MOVED ${slotOf('foo')} 127.0.0.2:${bad.port}\r\n`;
    await assert.rejects(client.ssubscribe('foo'), { code: 'ERR_REDIRECT_REFUSED' });
    assert.equal(bad.connections, 0);
  });

  it('leaves such entries of the map out, and keeps the others', async () => {
    upper = { host: '127.0.0.2', port: bad.port };
    connect({ redirectAllow: (host) => host === '127.0.0.1' });
    assert.equal(await client.get('bar'), 'OK');
    assert.ok(slotOf('bar') < 8192 && slotOf('foo') > 8191);
    assert.deepEqual(client.slots[0], [good.key]);
    assert.deepEqual(client.slots[16383], []);
    assert.deepEqual(client.nodes().length, 1);
    await assert.rejects(client.get('foo'));
    assert.equal(bad.connections, 0);
  });

  it('follows what is allowed, after natMap', async () => {
    redirect = `-MOVED ${slotOf('foo')} 10.9.9.9:7000\r\n`;
    connect({ redirectAllow: ['127.0.0.2/32'], natMap: { '10.9.9.9:7000': { host: '127.0.0.2', port: bad.port } } });
    const answer = bad.answer;
    bad.answer = (argv, socket) => (argv[0] === 'get' ? '+far\r\n' : answer(argv, socket));
    assert.equal(await client.get('foo'), 'far');
    await until('it is connected', () => bad.connections > 0);
  });

  it('says so when no node of the map is allowed', async () => {
    upper = { host: '127.0.0.2', port: bad.port };
    client = new Cluster([good.key], { redirectAllow: [], lazyConnect: true, clusterRetryStrategy: () => null });
    const { answer } = good;
    good.answer = (argv, socket) =>
      argv[1]?.toLowerCase() === 'slots'
        ? slotsReply([{ start: 0, end: 16383, nodes: [upper] }])
        : answer(argv, socket);
    await assert.rejects(client.connect(), { hint: /redirectAllow/ });
    assert.equal(bad.connections, 0);
  });

  it('is checked when the client is made', () => {
    assert.throws(() => new Cluster([good.key], { redirectAllow: ['10.0.0.0/99'] }), { option: 'redirectAllow[0]' });
    assert.throws(() => new Cluster([good.key], { redirectAllow: '10.0.0.0/8' as never }), /redirectAllow/);
  });
});
