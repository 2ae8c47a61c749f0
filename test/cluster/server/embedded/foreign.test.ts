// A bundled node beside newer servers: it takes copies of theirs, follows them, takes over from them and takes in keys
// that they give away. What they hold of types that it does not keep is refused by name.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RealWorld } from '../../../../lib/base/world.ts';
import { type BundledNode, startNode } from '../../../../server/index.ts';
import { ask, info, say } from '../../../kit/ask.ts';
import { type RealNode, startRealNode } from '../../../kit/redis-server.ts';
import { needServer } from '../../../kit/servers.ts';
import { until } from '../../../kit/until.ts';
import { untilEqual, untilLinked } from '../replication/kit.ts';

class ListeningWorld extends RealWorld {
  readonly lines: string[] = [];

  override log(line: string): void {
    this.lines.push(line);
  }
}

/** Slot of `hi`. */
const hi = '16140';

/** Values of every type, in every encoding that newer servers write otherwise than 7.0. */
const writes: readonly (readonly string[])[] = [
  ['SET', 'text', 'value'],
  ['SET', 'number', '12345'],
  ['SET', 'long', 'abc'.repeat(20_000)],
  ['SET', 'dying', 'later', 'PX', '100000'],
  ['SADD', 'small set', 'a', 'b', 'c', '1'],
  ['SADD', 'integers', '1', '2', '300000', '-9007199254740993'],
  ['SADD', 'large set', ...Array.from({ length: 600 }, (_, at) => `member ${at}`)],
  ['HSET', 'small hash', 'f', 'v', 'g', 'w'],
  ['HSET', 'large hash', ...Array.from({ length: 600 }, (_, at) => [`f${at}`, `v${at}`]).flat()],
  ['ZADD', 'small zset', '1', 'one', '2.5', 'two', '-inf', 'least'],
  ['ZADD', 'large zset', ...Array.from({ length: 300 }, (_, at) => [String(at / 4), `m${at}`]).flat()],
  ['RPUSH', 'small list', 'a', '2', 'c'],
  ['RPUSH', 'large list', ...Array.from({ length: 900 }, (_, at) => `item ${at} ${'x'.repeat(at % 90)}`)],
  ['PFADD', 'hll', 'a', 'b', 'c'],
  ['XADD', 'stream', '5-1', 'k', 'v'],
  ['XADD', 'stream', '5-2', 'k', 'w', 'other', 'x'],
  ['XADD', 'stream', '7-0', 'k', 'y'],
  ['XGROUP', 'CREATE', 'stream', 'g', '0'],
  ['XREADGROUP', 'GROUP', 'g', 'alice', 'COUNT', '2', 'STREAMS', 'stream', '>'],
  ['XGROUP', 'CREATECONSUMER', 'stream', 'g', 'bob'],
  ['XDEL', 'stream', '5-2'],
  ['XADD', 'bare', '1-1', 'k', 'v'],
  ['XDEL', 'bare', '1-1'],
];
const keys = [...new Set(writes.map(([word, first, second]) => (word === 'XGROUP' ? second! : first!)))].filter(
  (key) => key !== 'GROUP',
);

async function fill(node: { port: number }): Promise<void> {
  for (const argv of writes) await ask(node, ...argv);
}

async function groups(node: { port: number }): Promise<unknown> {
  const pending = String(await ask(node, 'XPENDING', 'stream', 'g'));
  const [group] = (await ask(node, 'XINFO', 'GROUPS', 'stream')) as unknown[];
  return [pending, String(group)];
}

for (const name of ['valkey-9', 'valkey-8', 'redis-8'] as const) {
  const newFields = name !== 'valkey-8';
  describe(`a bundled node and ${name}`, function () {
    this.timeout(60_000);
    let server: string;
    const real: RealNode[] = [];
    const bundled: BundledNode[] = [];
    before(function () {
      server = needServer(this, name, 'the bundled server beside it');
    });
    afterEach(async () => {
      for (const node of bundled.splice(0)) await node.kill();
      for (const node of real.splice(0)) await node.stop();
    });

    const startReal = async (...args: string[]): Promise<RealNode> => {
      const node = await startRealNode(['--repl-diskless-sync-delay', '0', ...args], server);
      real.push(node);
      return node;
    };
    const startOurs = async (world = new ListeningWorld()): Promise<BundledNode & { world: ListeningWorld }> => {
      const node = await startNode({ world });
      bundled.push(node);
      return Object.assign(node, { world });
    };

    it('takes a copy, follows, takes over, and gives a copy back', async () => {
      const [master, ours] = [await startReal(), await startOurs()];
      await fill(master);
      await ask(ours, 'REPLICAOF', '127.0.0.1', master.port);
      await untilLinked(ours);
      await untilEqual(master, ours);
      assert.deepEqual(await groups(ours), await groups(master));
      await ask(master, 'APPEND', 'text', ' and more');
      await ask(
        master,
        'EVAL',
        "redis.call('incr', KEYS[1]) return redis.call('sadd', KEYS[2], 'd')",
        '2',
        'number',
        'small set',
      );
      await ask(master, 'XREADGROUP', 'GROUP', 'g', 'bob', 'STREAMS', 'stream', '>');
      await untilEqual(master, ours);
      assert.deepEqual(await groups(ours), await groups(master));
      await ask(ours, 'REPLICAOF', 'NO', 'ONE');
      await ask(ours, 'SET', 'text', 'ours now');
      await ask(master, 'REPLICAOF', '127.0.0.1', ours.port);
      await untilLinked(master);
      await untilEqual(master, ours);
      assert.equal(String(await ask(master, 'GET', 'text')), 'ours now');
      assert.equal((await info(ours, 'stats'))['sync_partial_ok'], '1', 'the old master went on from where it was');
    });

    if (newFields) {
      it('follows a master whose clients use its newer commands', async () => {
        const [master, ours] = [await startReal(), await startOurs()];
        await ask(ours, 'REPLICAOF', '127.0.0.1', master.port);
        await untilLinked(ours);
        const newer: readonly (readonly string[])[] = [
          ['HSETEX', 'h', 'EX', '1000', 'FIELDS', '2', 'f', 'v', 'g', 'w'],
          ['HSETEX', 'h', 'FXX', 'KEEPTTL', 'FIELDS', '1', 'f', 'fields'],
          ['HSETEX', 'short', 'PX', '50', 'FIELDS', '1', 'gone', '1'],
          ['HSETEX', 'short', 'FIELDS', '1', 'kept', '1'],
          ['HSET', 'h', 'a', '1', 'b', '2', 'c', '3'],
          ['HPEXPIRE', 'h', '1000000', 'FIELDS', '1', 'a'],
          ['HGETEX', 'h', 'PX', '500000', 'FIELDS', '1', 'b'],
          ['HGETEX', 'h', 'PERSIST', 'FIELDS', '1', 'b'],
          ['HGETDEL', 'h', 'FIELDS', '2', 'c', 'none'],
          ['HPERSIST', 'h', 'FIELDS', '1', 'a'],
          ['HEXPIRE', 'h', '0', 'FIELDS', '1', 'a'],
          ['SET', 'k', 'v'],
        ];
        const ofValkey = [
          ['SET', 'k', 'w', 'EX', '1000', 'IFEQ', 'v'],
          ['SET', 'other', 'v'],
          ['DELIFEQ', 'other', 'v'],
          ['MSETEX', '2', 'm1', 'one', 'm2', 'two', 'EX', '1000'],
        ];
        for (const argv of name === 'valkey-9' ? [...newer, ...ofValkey] : newer) await ask(master, ...argv);
        await until('the field is gone', async () => (await ask(master, 'HLEN', 'short')) === 1);
        await ask(master, 'SET', 'last', '1');
        await until('all came', async () => (await ask(ours, 'EXISTS', 'last')) === 1);
        await until('the field is gone here', async () => (await ask(ours, 'HLEN', 'short')) === 1);
        for (const key of ['h', 'short', 'k', 'other', 'm1', 'm2']) {
          const [read] = String(await ask(master, 'TYPE', key)) === 'hash' ? ['HGETALL'] : ['GET'];
          const values = await Promise.all(
            [master, ours].map(async (node) =>
              String(await ask(node, read!, key))
                .split(',')
                .sort()
                .join(),
            ),
          );
          assert.equal(values[1], values[0], key);
          const left = await Promise.all([master, ours].map((node) => ask(node, 'PEXPIRETIME', key)));
          assert.equal(left[1], left[0], `deadline of ${key}`);
        }
        assert.deepEqual(
          ours.world.lines.filter((line) => line.includes('CRITICAL')),
          [],
        );
        assert.equal(ours.world.lines.filter((line) => line.includes('commands of newer servers')).length, 1);
      });
    }

    for (const diskless of ['yes', 'no']) {
      it(`takes a copy of a master with repl-diskless-sync ${diskless}`, async () => {
        const [master, ours] = [
          await startReal('--repl-diskless-sync', diskless, '--repl-diskless-sync-delay', '0'),
          await startOurs(),
        ];
        await fill(master);
        await ask(ours, 'REPLICAOF', '127.0.0.1', master.port);
        await untilLinked(ours);
        await untilEqual(master, ours);
      });
    }

    it('takes in what MIGRATE and RESTORE bring, also for a replica of 7.0', async () => {
      const [source, ours, old] = [await startReal(), await startOurs(), await startRealNode()];
      real.push(old);
      await ask(old, 'REPLICAOF', '127.0.0.1', ours.port);
      await untilLinked(old);
      await fill(source);
      const digests = await Promise.all(keys.map((key) => ask(source, 'DEBUG', 'DIGEST-VALUE', key).then(String)));
      const moved = await ask(source, 'MIGRATE', '127.0.0.1', ours.port, '', '0', '5000', 'KEYS', ...keys);
      assert.equal(String(moved), 'OK');
      assert.equal(await ask(source, 'DBSIZE'), 0);
      for (const [at, key] of keys.entries()) {
        assert.equal(String(await ask(ours, 'DEBUG', 'DIGEST-VALUE', key)), digests[at], key);
      }
      await untilEqual(old, ours);
    });

    it('reads the snapshot that it saves', async () => {
      const dir = mkdtempSync(join(tmpdir(), 'lingcache-foreign-'));
      try {
        const source = await startReal('--dir', dir);
        await fill(source);
        await ask(source, 'SAVE');
        const digest = String(await ask(source, 'DEBUG', 'DIGEST'));
        const ours = await startNode({ config: { dir } });
        bundled.push(ours);
        assert.equal(String(await ask(ours, 'DEBUG', 'DIGEST')), digest);
        assert.deepEqual(await groups(ours), await groups(source));
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    });

    // Valkey 8 has nothing of the kind.
    (newFields ? it : it.skip)('refuses by name what it does not keep', async () => {
      const [master, ours] = [await startReal(), await startOurs()];
      await ask(master, 'HSET', 'fleeting', 'f', 'v');
      await ask(master, 'HEXPIRE', 'fleeting', '1000', 'FIELDS', '1', 'f');
      await ask(ours, 'REPLICAOF', '127.0.0.1', master.port);
      const why =
        /the key 'fleeting' is a hash whose fields expire on their own \(type \d+\), which this server does not keep|ended the link before its copy was whole/;
      await until('it says why', () => ours.world.lines.some((line) => why.test(line)));
      await ask(ours, 'REPLICAOF', 'NO', 'ONE');
      const reply = await say(master, 'MIGRATE', '127.0.0.1', ours.port, 'fleeting', '0', '5000');
      assert.match(
        String(reply),
        /Bad data format: 'fleeting' is a hash whose fields expire on their own, which this server does not keep/,
      );
      assert.equal(await ask(master, 'EXISTS', 'fleeting'), 1, 'it stays where it was');
    });

    it('becomes a replica of the foreign master it gives its last slot to, and takes its place', async () => {
      const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'];
      const master = await startReal(...settings);
      const ours = await startNode({ cluster: true, bus: 'tcp', config: { 'cluster-node-timeout': '2000' } });
      bundled.push(ours);
      await ask(ours, 'CLUSTER', 'ADDSLOTS', hi);
      await ask(master, 'CLUSTER', 'ADDSLOTSRANGE', '0', '16139', '16141', '16383');
      await ask(ours, 'CLUSTER', 'MEET', '127.0.0.1', master.port);
      for (const node of [master, ours]) {
        await until('the cluster is well', async () =>
          String(await ask(node, 'CLUSTER', 'INFO')).includes('cluster_state:ok'),
        );
      }
      const [ourId, theirId] = [
        String(await ask(ours, 'CLUSTER', 'MYID')),
        String(await ask(master, 'CLUSTER', 'MYID')),
      ];
      await ask(ours, 'SADD', '{hi} set', 'a', 'b');
      await ask(master, 'CLUSTER', 'SETSLOT', hi, 'IMPORTING', ourId);
      await ask(ours, 'CLUSTER', 'SETSLOT', hi, 'MIGRATING', theirId);
      await ask(ours, 'MIGRATE', '127.0.0.1', master.port, '{hi} set', '0', '5000');
      await ask(master, 'CLUSTER', 'SETSLOT', hi, 'NODE', theirId);
      // It may have heard of it already, and be no master any more.
      await say(ours, 'CLUSTER', 'SETSLOT', hi, 'NODE', theirId);
      await untilLinked(ours);
      await untilEqual(master, ours);
      assert.equal((await info(ours))['role'], 'slave');
      await until('its master knows it as its replica', async () =>
        String(await ask(master, 'CLUSTER', 'REPLICAS', theirId)).includes(ourId),
      );
      await until('it may take over', async () => String(await say(ours, 'CLUSTER', 'FAILOVER')) === 'OK');
      await until('it has', async () => (await info(ours))['role'] === 'master');
      await untilLinked(master);
      await ask(ours, 'SADD', '{hi} set', 'c');
      await untilEqual(master, ours);
    });
  });
}
