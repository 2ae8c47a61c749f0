import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualWorld } from '../../../lib/base/world.ts';
import { type BundledNode, startNode } from '../../../server/index.ts';
import { loadLog } from '../../../server/persistence/aof/loader.ts';
import { AppendLog } from '../../../server/persistence/aof/log.ts';
import { ask, info, say } from '../../kit/ask.ts';
import { needRedisServer, type RealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { writeBase } from '../../kit/saves.ts';
import { until } from '../../kit/until.ts';
import { everything, realNodeOn, sendAll } from './files.ts';

// The append only log as it is turned on and off, rewritten and upgraded, file by file.

describe('the log of a node', () => {
  let dir = '';
  let node: BundledNode | undefined;
  const reals: RealNode[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'lingcache-log-'));
  });
  afterEach(async () => {
    await node?.kill();
    node = undefined;
    await Promise.all(reals.splice(0).map((real) => real.kill()));
    rmSync(dir, { recursive: true, force: true });
  });
  const start = async (config: Readonly<Record<string, string>> = {}): Promise<BundledNode> => {
    node = await startNode({ config: { dir, ...config } });
    return node;
  };
  const place = (name: string): string => join(dir, 'appendonlydir', name);
  const manifest = (): string => readFileSync(place('appendonly.aof.manifest'), 'latin1');
  const rewritten = (to: BundledNode): Promise<boolean> =>
    until('no rewrite is under way', async () => {
      const { aof_rewrite_in_progress: running, aof_rewrite_scheduled: scheduled } = await info(to, 'persistence');
      return running === '0' && scheduled === '0';
    });

  it('numbers its files from 1 when it is turned on, and leaves those of before until it is whole', async () => {
    const server = await start();
    await ask(server, 'SET', 'before', '1');
    assert.equal(await say(server, 'CONFIG', 'SET', 'appendonly', 'yes'), 'OK');
    await rewritten(server);
    const names = (n: number): string =>
      `file appendonly.aof.${n}.base.rdb seq ${n} type b\nfile appendonly.aof.${n}.incr.aof seq ${n} type i\n`;
    assert.equal(manifest(), names(1));
    await ask(server, 'SET', 'logged', '2');
    await ask(server, 'CONFIG', 'SET', 'appendonly', 'no');
    await ask(server, 'SET', 'unlogged', '3');
    assert.equal(manifest(), names(1));
    await ask(server, 'CONFIG', 'SET', 'appendonly', 'yes');
    await rewritten(server);
    assert.equal(manifest(), names(2));
    assert.deepEqual(readdirSync(join(dir, 'appendonlydir')).sort(), [
      'appendonly.aof.2.base.rdb',
      'appendonly.aof.2.incr.aof',
      'appendonly.aof.manifest',
    ]);
    await node!.kill();
    const back = await start({ appendonly: 'yes' });
    assert.equal(await ask(back, 'DBSIZE'), 3);
  });

  it('BGREWRITEAOF while no log is kept writes a base alone', async () => {
    const server = await start();
    await ask(server, 'SET', 'k', 'v');
    assert.equal(String(await ask(server, 'BGREWRITEAOF')), 'Background append only file rewriting started');
    await rewritten(server);
    assert.equal(manifest(), 'file appendonly.aof.1.base.rdb seq 1 type b\n');
    await node!.kill();
    const back = await start({ appendonly: 'yes' });
    assert.equal(String(await ask(back, 'GET', 'k')), 'v');
    assert.match(manifest(), /1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n$/);
  });

  it('cannot be turned on where its folder cannot be: the command says so, and it stays off', async () => {
    const server = await start();
    writeFileSync(join(dir, 'appendonlydir'), 'a file');
    assert.equal(
      await say(server, 'CONFIG', 'SET', 'appendonly', 'yes'),
      "-ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. Check server logs.",
    );
    assert.deepEqual(String(await ask(server, 'CONFIG', 'GET', 'appendonly')), 'appendonly,no');
    assert.equal((await info(server, 'persistence'))['aof_enabled'], '0');
    rmSync(join(dir, 'appendonlydir'));
    assert.equal(await say(server, 'CONFIG', 'SET', 'appendonly', 'yes'), 'OK');
    await rewritten(server);
    assert.equal((await info(server, 'persistence'))['aof_enabled'], '1');
  });

  it('turned off and on in one breath, it ends as it was set last', async () => {
    const server = await start({ appendonly: 'yes' });
    const client = await RespClient.connect(server.port);
    for (let round = 0; round < 20; round++) {
      client.raw(`CONFIG SET appendonly no\r\nCONFIG SET appendonly yes\r\nSET round ${round}\r\n`);
      for (let reply = 0; reply < 3; reply++) assert.equal(String(await client.read()), 'OK');
    }
    client.close();
    await rewritten(server);
    await ask(server, 'SET', 'last', 'v');
    await node!.kill();
    const back = await start({ appendonly: 'yes' });
    assert.deepEqual([String(await ask(back, 'GET', 'round')), String(await ask(back, 'GET', 'last'))], ['19', 'v']);
  });

  it('an upgrade that was cut off half way goes on', async () => {
    const commands = '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n';
    const stages: [string, () => void][] = [
      ['nothing but the old file', () => undefined],
      ['an empty folder', () => mkdirSync(join(dir, 'appendonlydir'))],
      [
        'a manifest whose base is still outside',
        () => {
          mkdirSync(join(dir, 'appendonlydir'));
          writeFileSync(place('appendonly.aof.manifest'), 'file appendonly.aof seq 1 type b\n');
        },
      ],
    ];
    for (const [name, prepare] of stages) {
      writeFileSync(join(dir, 'appendonly.aof'), commands);
      prepare();
      const server = await start({ appendonly: 'yes' });
      assert.equal(String(await ask(server, 'GET', 'k')), 'v', name);
      assert.equal(existsSync(join(dir, 'appendonly.aof')), false, name);
      assert.match(manifest(), /^file appendonly.aof seq 1 type b\n/, name);
      await node!.kill();
      rmSync(join(dir, 'appendonlydir'), { recursive: true });
    }
    // An old file beside a log that is whole is nothing to it.
    const server = await start({ appendonly: 'yes' });
    await ask(server, 'SET', 'own', '1');
    await node!.kill();
    writeFileSync(join(dir, 'appendonly.aof'), commands);
    const back = await start({ appendonly: 'yes' });
    assert.equal(await ask(back, 'EXISTS', 'k', 'own'), 1);
    assert.ok(server !== undefined && existsSync(join(dir, 'appendonly.aof')));
  });

  it('garbage at the end is refused, an unfinished command is cut off', async () => {
    const server = await start({ appendonly: 'yes' });
    await ask(server, 'SET', 'k', 'v');
    await node!.kill();
    const file = place('appendonly.aof.1.incr.aof');
    const whole = readFileSync(file);
    for (const tail of ['!!!', 'x', '*1\r\n!', '$3\r\n']) {
      writeFileSync(file, Buffer.concat([whole, Buffer.from(tail)]));
      await assert.rejects(start({ appendonly: 'yes' }), /Bad file format reading the append only file/, tail);
      assert.equal(statSync(file).size, whole.length + tail.length, 'nothing was cut off');
    }
    for (const tail of ['*', '*3\r\n$3', '*2\r\n$3\r\nDEL\r\n$1\r\nk']) {
      writeFileSync(file, Buffer.concat([whole, Buffer.from(tail)]));
      await assert.rejects(start({ appendonly: 'yes', 'aof-load-truncated': 'no' }), /Unexpected end of file/, tail);
      const back = await start({ appendonly: 'yes' });
      assert.equal(String(await ask(back, 'GET', 'k')), 'v');
      await node!.kill();
      assert.equal(statSync(file).size, whole.length);
    }
    writeFileSync(file, Buffer.concat([whole, Buffer.from('*1\r\n$3\r\nbla\r\n')]));
    await assert.rejects(start({ appendonly: 'yes' }), /Unknown command 'bla' reading the append only file/);
  });

  it('a base of commands holds everything that one of RDB does, for redis-server as well', async function () {
    needRedisServer(this);
    const server = await start({ appendonly: 'yes', 'aof-use-rdb-preamble': 'no' });
    const client = await RespClient.connect(server.port);
    await sendAll(client, everything);
    await sendAll(client, [
      ['XGROUP', 'CREATE', 'empty stream', 'g', '$', 'MKSTREAM'],
      ['ZADD', 'odd scores', '0.1', 'a', '-0', 'b', '1e300', 'c', 'inf', 'd', '3.0000000000000004', 'e'],
    ]);
    client.close();
    await ask(server, 'BGREWRITEAOF');
    await rewritten(server);
    assert.match(manifest(), /appendonly.aof.2.base.aof seq 2 type b/);
    const digest = String(await ask(server, 'DEBUG', 'DIGEST'));
    await node!.kill();
    const copy = `${dir}-real`;
    mkdirSync(copy);
    try {
      renameSync(join(dir, 'appendonlydir'), join(copy, 'appendonlydir'));
      const real = await realNodeOn(copy, ['--appendonly', 'yes']);
      reals.push(real);
      assert.equal(String(await ask(real, 'DEBUG', 'DIGEST')), digest);
      await reals.pop()!.kill();
      renameSync(join(copy, 'appendonlydir'), join(dir, 'appendonlydir'));
      const back = await start({ appendonly: 'yes' });
      assert.equal(String(await ask(back, 'DEBUG', 'DIGEST')), digest);
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  });

  it('writes what no string could hold', async function () {
    this.timeout(60_000);
    const log = new AppendLog({ dir, world: new ManualWorld(), policy: 'no' }, () => ({
      aux: [],
      functions: [],
      databases: [],
    }));
    const half = 'x'.repeat(300 * 1024 * 1024);
    log.append([{ db: 0, argv: ['MSET', 'a', half, 'b', half] }]);
    log.append([{ db: 0, argv: ['SET', 'after', '1'] }]);
    log.flush();
    assert.equal(log.failure, undefined);
    await log.close();
    const lengths: number[][] = [];
    const rdb = { onKey: () => undefined };
    await loadLog({ dir }, { rdb, onCommand: (_db, argv) => void lengths.push(argv.map(({ length }) => length)) });
    assert.deepEqual(lengths, [
      [4, 1, half.length, 1, half.length],
      [3, 5, 1],
    ]);
  });

  it('a write that could not be held turns the status to err until the log was rewritten', async () => {
    const world = new ManualWorld();
    const log = new AppendLog({ dir, world, policy: 'no' }, () => ({ aux: [], functions: [], databases: [] }));
    log.breakOff(new Error('no room'));
    log.append([{ db: 0, argv: ['SET', 'k', 'v'] }]);
    log.flush();
    assert.match(log.failure?.message ?? '', /no room/, 'later writes make nothing good');
    await log.rewrite(() => ({ aux: [], functions: [], databases: [] }), writeBase);
    assert.equal(log.failure, undefined);
    await log.close();
  });
});
