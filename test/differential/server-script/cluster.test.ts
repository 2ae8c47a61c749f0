// What scripts may do in a cluster, beside a redis-server that owns all slots: undeclared keys, other slots, flags.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BundledCluster, startCluster } from '../../../server/index.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { until } from '../../kit/until.ts';
import { type Calls, compareOn } from './pair.ts';

const twoSlots = 'redis.call("set", "a", 1) redis.call("set", "b", 1) return redis.call("mget", "{x}1", "{x}2")';
const across = 'return redis.call("mset", "a", 1, "b", 2)';

const calls: Calls = [
  ['EVAL', 'return redis.call("set", KEYS[1], 1)', '1', 'a'],
  ['EVAL', 'return 1', '2', 'a', 'b'],
  ['EVAL', 'return 1', '2', '{x}a', '{x}b'],
  ['EVAL', twoSlots, '0'],
  ['EVAL', twoSlots, '1', 'a'],
  ['EVAL', across, '0'],
  ['EVAL', `#!lua\n${twoSlots}`, '0'],
  ['EVAL', `#!lua\n${twoSlots}`, '1', 'a'],
  ['EVAL', '#!lua\nreturn redis.call("set", "b", 1)', '1', 'a'],
  ['EVAL', '#!lua\nreturn redis.call("get", "a")', '1', 'a'],
  ['EVAL', `#!lua flags=allow-cross-slot-keys\n${twoSlots}`, '0'],
  ['EVAL', `#!lua flags=allow-cross-slot-keys\n${twoSlots}`, '1', 'a'],
  ['EVAL', `#!lua flags=allow-cross-slot-keys\n${across}`, '0'],
  ['EVAL', '#!lua flags=no-cluster\nreturn 1', '0'],
  ['EVAL', 'return redis.call("select", 1)', '0'],
  ['EVAL', 'return redis.call("cluster", "reset")', '0'],
  ['EVAL', 'return redis.call("sort", "s", "by", "w*")', '0'],
  [
    'FUNCTION',
    'LOAD',
    '#!lua name=l\nredis.register_function("f", function(k) return redis.call("get", "other") end)\nredis.register_function{function_name="n", callback=function() return 1 end, flags={"no-cluster"}}',
  ],
  ['FCALL', 'f', '1', 'a'],
  ['FCALL', 'f', '0'],
  ['FCALL', 'n', '0'],
  ['FCALL', 'f', '2', 'a', 'b'],
];

describe('scripts in a cluster, ours against redis-server', function () {
  this.timeout(60_000);
  const dir = mkdtempSync(join(tmpdir(), 'lingcache-script-cluster-'));
  let real: RealNode;
  let ours: BundledCluster;

  before(async function () {
    needRedisServer(this);
    real = await startRealNode(['--cluster-enabled', 'yes', '--dir', dir]);
    ours = await startCluster({ masters: 1, replicas: 0 });
    const client = await RespClient.connect(real.port);
    await client.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
    await until('the cluster is up', async () => String(await client.call('CLUSTER', 'INFO')).includes('state:ok'));
    client.close();
  });

  after(async () => {
    await ours?.close();
    await real?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  for (const protocol of [2, 3] as const) {
    it(`${calls.length} calls on a node that owns every slot, RESP${protocol}`, async () => {
      await compareOn(real.port, ours.ports[0]!, protocol, calls);
    });
  }

  it('a script of a key of another node is sent there, and may not touch its keys undeclared', async () => {
    const three = await startCluster({ masters: 3, replicas: 0 });
    const client = await RespClient.connect(three.ports[0]!);
    try {
      const replies = await Promise.all(
        ['a', 'b', 'c', 'd'].map((key) => client.call('EVAL', 'return 1', 1, key).then(String)),
      );
      assert.ok(replies.includes('1') && replies.some((reply) => reply.includes('MOVED')), replies.join());
      const found = await Promise.all(
        ['a', 'b', 'c', 'd'].map((key) =>
          client.call('EVAL', 'return redis.call("get", ARGV[1])', 0, key).then(String),
        ),
      );
      const refused = found.filter((reply) =>
        reply.includes('Script attempted to access a non local key in a cluster node'),
      );
      assert.equal(refused.length, replies.filter((reply) => reply.includes('MOVED')).length);
    } finally {
      client.close();
      await three.close();
    }
  });

  it('reads of a READONLY session on a replica, and writes there', async () => {
    const pair = await startCluster({ masters: 1, replicas: 1 });
    const replica = pair.nodes.find(({ role }) => role === 'replica')!;
    const master = await RespClient.connect(pair.nodes.find(({ role }) => role === 'master')!.port);
    const client = await RespClient.connect(replica.port);
    try {
      await master.call('SET', 'a', 'x');
      await master.call('FUNCTION', 'LOAD', '#!lua name=l\nredis.register_function("f", function() return 7 end)');
      await until('the function is there', async () => String(await client.call('FUNCTION', 'LIST')).includes('l'));
      const read = 'return redis.call("get", KEYS[1])';
      assert.match(String(await client.call('EVAL', read, 1, 'a')), /MOVED/);
      assert.match(String(await client.call('EVAL_RO', read, 1, 'a')), /MOVED/);
      await client.call('READONLY');
      await until('the value is there', async () => (await client.call('EVAL_RO', read, 1, 'a')) === 'x');
      assert.equal(await client.call('EVAL', `#!lua flags=no-writes\n${read}`, 1, 'a'), 'x');
      assert.match(String(await client.call('EVAL', `#!lua\n${read}`, 1, 'a')), /MOVED/);
      const write = String(await client.call('EVAL', 'return redis.call("set", KEYS[1], 1)', 1, 'a'));
      assert.match(write, /READONLY|non local key|MOVED/);
      assert.equal(await master.call('GET', 'a'), 'x');
    } finally {
      client.close();
      master.close();
      await pair.close();
    }
  });
});
