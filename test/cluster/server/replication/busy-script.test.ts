import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { type BundledCluster, type BundledNode, startCluster } from '../../../../server/index.ts';
import { ask, info, say } from '../../../kit/ask.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';
import { forceCopy, replicasOf, untilEqual, untilLinked } from './kit.ts';

// A script that others have to wait for is atomic for replication too: its replica's master writes nothing into it, no
// copy replaces the data and the functions under it, and no copy is made of half of what it does.

describe('replication while a script runs that takes too long', function () {
  this.timeout(60_000);
  let cluster: BundledCluster;
  let master: BundledNode;
  let replica: BundledNode;
  let clients: RespClient[] = [];

  before(async () => {
    const config = { 'enable-debug-command': 'yes', 'busy-reply-threshold': '20', 'repl-diskless-sync-delay': '0' };
    cluster = await startCluster({ masters: 3, replicas: 1, config });
    master = cluster.nodes[0]!;
    replica = (await replicasOf(master, cluster.nodes))[0]!;
    await untilLinked(replica);
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    clients = [];
    await until('no script runs', async () => {
      const replies = await Promise.all([master, replica].map((node) => say(node, 'FUNCTION', 'KILL')));
      await Promise.all([master, replica].map((node) => say(node, 'SCRIPT', 'KILL')));
      return replies.every((reply) => String(reply).includes('NOTBUSY'));
    });
  });

  after(() => cluster?.close());

  async function connect(node: BundledNode): Promise<RespClient> {
    const client = await RespClient.connect(node.port);
    clients.push(client);
    return client;
  }

  const isBusy = async (node: BundledNode): Promise<boolean> => String(await say(node, 'PING')).includes('BUSY');
  const untilBusy = (node: BundledNode): Promise<unknown> => until('the node is busy', () => isBusy(node));

  const copies = async (): Promise<number> => Number((await info(master, 'stats'))['sync_full']);

  it("sees nothing of its master's writes until it is over", async () => {
    await ask(master, 'SET', 'bar', 'before');
    await untilEqual(master, replica);
    const reader = await connect(replica);
    await reader.call('READONLY');
    const script = `local first = redis.call('get', KEYS[1])
      while true do if redis.call('get', KEYS[1]) ~= first then return 'it has changed' end end`;
    const running = reader.call('EVAL_RO', script, 1, 'bar');
    await untilBusy(replica);
    for (let at = 0; at < 10; at++) assert.equal(await say(master, 'SET', 'bar', `after ${at}`), 'OK');
    await pause(200);
    assert.equal(await say(replica, 'SCRIPT', 'KILL'), 'OK');
    assert.match(String(await running), /killed by user/);
    await untilEqual(master, replica);
    assert.equal(await reader.call('GET', 'bar'), 'after 9');
  });

  it('takes in more than it keeps, when it is over', async () => {
    const reader = await connect(replica);
    await reader.call('READONLY');
    const running = reader.call('EVAL_RO', 'while true do end', 0);
    await untilBusy(replica);
    const value = 'x'.repeat(1 << 20);
    for (let at = 0; at < 40; at++) assert.equal(await say(master, 'SET', `{bar}${at % 4}`, `${value}${at}`), 'OK');
    await pause(200);
    assert.equal(await say(replica, 'SCRIPT', 'KILL'), 'OK');
    assert.match(String(await running), /killed by user/);
    const before = await copies();
    await untilEqual(master, replica);
    assert.equal(await copies(), before);
  });

  for (const kind of ['script', 'function'] as const) {
    it(`a copy waits until a ${kind} is over`, async () => {
      const code = `#!lua name=slow
        redis.register_function{function_name='slow', flags={'no-writes'}, callback=function() while true do end end}`;
      await ask(master, 'FUNCTION', 'LOAD', 'REPLACE', code);
      await untilEqual(master, replica);
      const before = await copies();
      const reader = await connect(replica);
      await reader.call('READONLY');
      let over = false;
      const running = reader
        .call(...(kind === 'script' ? ['EVAL_RO', 'while true do end', '0'] : ['FCALL_RO', 'slow', '0']))
        .finally(() => {
          over = true;
        });
      await untilBusy(replica);
      await forceCopy(master);
      await until('a copy is on its way', async () => (await copies()) > before);
      await pause(300);
      assert.deepEqual([await isBusy(replica), over], [true, false]);
      assert.equal(await say(replica, kind === 'script' ? 'SCRIPT' : 'FUNCTION', 'KILL'), 'OK');
      assert.match(String(await running), /killed by user/);
      await untilLinked(replica);
      await untilEqual(master, replica);
    });
  }

  it('a copy is not made of half a script', async () => {
    await ask(master, 'CONFIG', 'SET', 'repl-diskless-sync-delay', '1');
    await ask(master, 'DEL', 'bar');
    await untilEqual(master, replica);
    const begun = await copies();
    await forceCopy(master);
    // The copy is due in the midst of the script.
    await until('the replica waits for its copy', async () =>
      /state=wait_bgsave/.test(String((await info(master))['slave0'])),
    );
    const script = `redis.call('incr', KEYS[1])
      local from = redis.call('time')
      repeat
        local now = redis.call('time')
      until (now[1] - from[1]) * 1000000 + (now[2] - from[2]) > 2000000
      return redis.call('incr', KEYS[1])`;
    const writer = await connect(master);
    assert.equal(await writer.call('EVAL', script, 1, 'bar'), 2);
    await untilLinked(replica);
    await untilEqual(master, replica);
    assert.ok((await copies()) > begun);
    const reader = await connect(replica);
    await reader.call('READONLY');
    assert.equal(await reader.call('GET', 'bar'), '2');
  });
});
