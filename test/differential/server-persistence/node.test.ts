import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BundledNode, startNode } from '../../../server/index.ts';
import { needRedisServer, type RealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { dumpAll, everything, realNodeOn, sendAll, withClient } from './files.ts';

// A node with a `dir`: its data outlives it, and moves between it and redis-server as files.

describe('a node that saves', () => {
  let dir = '';
  let node: BundledNode | undefined;
  const reals: RealNode[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'lingcache-node-'));
  });
  afterEach(async () => {
    await node?.kill();
    node = undefined;
    await Promise.all(reals.splice(0).map((real) => real.kill()));
    rmSync(dir, { recursive: true, force: true });
  });
  const start = async (config: Readonly<Record<string, string>> = {}): Promise<RespClient> => {
    node = await startNode({ config: { dir, ...config } });
    return RespClient.connect(node.port);
  };
  const again = async (): Promise<RespClient> => {
    await node!.restart();
    return RespClient.connect(node!.port);
  };

  it('has after SAVE and a kill what it had before', async () => {
    const client = await start();
    await sendAll(client, everything);
    const before = await dumpAll(client);
    const early = Number(await client.call('LASTSAVE'));
    assert.equal(await client.call('SAVE'), 'OK');
    assert.ok(Number(await client.call('LASTSAVE')) >= early);
    assert.equal(await client.call('SET', 'unsaved', '1'), 'OK');
    const back = await again();
    assert.deepEqual(await dumpAll(back), before);
    back.close();
  });

  it('saves in the background', async () => {
    const client = await start({ dbfilename: 'other.rdb' });
    await sendAll(client, [['SET', 'k', 'v']]);
    const replies = await Promise.all([client.call('BGSAVE'), client.call('BGSAVE'), client.call('BGSAVE', 'NOW')]);
    assert.deepEqual(replies.map(String), [
      'Background saving started',
      'ReplyError: ERR Background save already in progress',
      'ReplyError: ERR syntax error',
    ]);
    for (let tries = 0; !existsSync(join(dir, 'other.rdb')) && tries < 500; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const back = await again();
    assert.equal(await back.call('GET', 'k'), 'v');
    assert.equal(String(await back.call('BGREWRITEAOF')), 'Background append only file rewriting started');
    back.close();
  });

  for (const policy of ['always', 'everysec']) {
    it(`keeps every write with appendonly and appendfsync ${policy}, through rewrites`, async () => {
      const client = await start({ appendonly: 'yes', appendfsync: policy });
      await sendAll(client, everything.slice(0, 20));
      assert.equal(String(await client.call('BGREWRITEAOF')), 'Background append only file rewriting started');
      await sendAll(client, everything.slice(20));
      await sendAll(client, [
        ['SELECT', '3'],
        ['SET', 'short', 'x', 'PX', '1'],
        ['SET', 'n', '1'],
        ['INCRBYFLOAT', 'n', '0.5'],
      ]);
      await sendAll(client, [['MULTI'], ['INCR', 'c'], ['SADD', 's', 'a', 'b', 'c'], ['SPOP', 's'], ['EXEC']]);
      await sendAll(client, [
        ['SELECT', '0'],
        ['DEL', 'str:int8'],
        ['RENAME', 'list', 'list:renamed'],
      ]);
      const all = await snapshot(client);
      const back = await again();
      assert.deepEqual(await snapshot(back), all);
      back.close();
      const third = await again();
      assert.deepEqual(await snapshot(third), all);
      third.close();
    });
  }

  /** Dumps of all keys, sets of strings aside, whose order is no part of their value. */
  async function snapshot(client: RespClient): Promise<unknown> {
    await client.call('SELECT', '3');
    const members = ((await client.call('SMEMBERS', 's')) as string[]).sort();
    const keys = [...(await dumpAll(client))].filter(([name]) => !/ (set:|s$|hash:large|short|stream)/.test(name));
    return { members, keys: new Map(keys.sort(([a], [b]) => (a < b ? -1 : 1))) };
  }

  it('starts from files of redis-server, and redis-server from its', async function () {
    needRedisServer(this);
    const real = await realNodeOn(dir, ['--appendonly', 'yes']);
    reals.push(real);
    const digest = await withClient(real, async (client) => {
      await sendAll(client, everything);
      return client.call('DEBUG', 'DIGEST');
    });
    await real.stop();
    const client = await start({ appendonly: 'yes' });
    assert.equal(await client.call('GET', 'str:int32'), '-70000');
    await sendAll(client, [['SET', 'ours', '1'], ['DEL', 'ours'], ['SAVE']]);
    await node!.kill();
    for (const appendonly of ['yes', 'no']) {
      const other = await realNodeOn(dir, ['--appendonly', appendonly]);
      reals.push(other);
      await withClient(other, async (client) => assert.equal(await client.call('DEBUG', 'DIGEST'), digest, appendonly));
      await other.stop();
    }
  });

  it('has the digests of redis-server, key by key and altogether', async function () {
    needRedisServer(this);
    const real = await realNodeOn(dir);
    reals.push(real);
    const digests = async (client: RespClient): Promise<unknown[]> => {
      const found: unknown[] = [
        await client.call('DEBUG', 'DIGEST'),
        await client.call('DEBUG', 'DIGEST-VALUE', 'no', 'ne'),
      ];
      for (const name of [...(await dumpAll(client)).keys()].sort()) {
        const [db, key] = [name.slice(0, name.indexOf(' ')), name.slice(name.indexOf(' ') + 1)];
        await client.call('SELECT', db);
        found.push(name, await client.call('DEBUG', 'DIGEST-VALUE', Buffer.from(key, 'latin1')));
      }
      return found;
    };
    const theirs = await withClient(real, async (client) => {
      await sendAll(client, [
        ...everything,
        ['SELECT', '1'],
        ['ZADD', 'z', '-0', 'a', '1e-7', 'b', '1e17', 'c', '0.1', 'd'],
      ]);
      await sendAll(client, [
        ['ZADD', 'z', '12345678901234567', 'e', '-1.5e300', 'f', '0.0001', 'g', '-1e16', 'h'],
        ['SAVE'],
      ]);
      return digests(client);
    });
    await real.stop();
    const client = await start();
    assert.deepEqual(await digests(client), theirs);
    assert.equal(await client.call('FLUSHALL'), 'OK');
    assert.equal(await client.call('DEBUG', 'DIGEST'), '0'.repeat(40));
  });

  it('kill -9 of its process with appendfsync always loses no write that was answered', async () => {
    const script = fileURLToPath(new URL('./node-child.js', import.meta.url));
    const child = spawn(process.execPath, [script, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      const client = await RespClient.connect(Number(String(line)));
      let answered = 0;
      const write = async (lane: number): Promise<void> => {
        for (let at = lane; ; at += 8) {
          const reply = await client.call('SET', `k${at}`, at);
          assert.equal(reply, 'OK');
          safe.push(at);
          if (++answered === 500) child.kill('SIGKILL');
          if (at % 400 === 0) void client.call('BGREWRITEAOF').catch(() => undefined);
        }
      };
      const safe: number[] = [];
      await Promise.allSettled(Array.from({ length: 8 }, (_, lane) => write(lane)));
      assert.deepEqual(await ended, [null, 'SIGKILL']);
      assert.ok(safe.length >= 500);
      const back = await start({ appendonly: 'yes' });
      for (const at of safe) assert.equal(await back.call('GET', `k${at}`), String(at));
      back.close();
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('does not start on damaged files, and leaves them alone', async () => {
    writeFileSync(join(dir, 'dump.rdb'), 'REDIS0010 nonsense');
    await assert.rejects(startNode({ config: { dir } }), /RDB: /);
  });
});
