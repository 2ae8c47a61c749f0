import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { ManualWorld, RealWorld } from '../../../lib/base/world.ts';
import { Databases } from '../../../server/keyspace/databases.ts';
import { CommandReader, printCommand } from '../../../server/persistence/aof/commands.ts';
import { type LogLoadOptions, loadLog } from '../../../server/persistence/aof/loader.ts';
import { AppendLog, type LogOptions, type SyncPolicy } from '../../../server/persistence/aof/log.ts';
import { parseManifest, printManifest } from '../../../server/persistence/aof/manifest.ts';
import { capturedContent, loadSink } from '../../../server/persistence/rdb/snapshot.ts';
import { needRedisServer, type RealNode } from '../../kit/redis-server.ts';
import { writeBase } from '../../kit/saves.ts';
import { checked, dumpAll, everything, realNodeOn, sendAll, withClient } from './files.ts';

const facts = { version: '7.0.15', aofBase: true };
const nothing = { aux: [], functions: [], databases: [] };

/** The strings of a server that knows only SET and DEL: enough to see which writes a log holds. */
function applyTo(databases: Databases): (db: number, argv: readonly string[]) => void {
  return (db, [word, key, text]) => {
    const store = databases.stores[db]!;
    if (word!.toLowerCase() === 'set') store.replace(key!, text!);
    else store.delete(key!);
  };
}

async function load(dir: string, options: LogLoadOptions = {}): Promise<{ databases: Databases; cut: number }> {
  const databases = new Databases(new RealWorld());
  const { sink } = loadSink(databases);
  const summary = await loadLog({ dir }, { rdb: sink, onCommand: applyTo(databases) }, options);
  return { databases, cut: summary?.cut ?? -1 };
}

const read = (databases: Databases, db: number, key: string): string | undefined =>
  databases.stores[db]!.getString(key);
const set = (db: number, key: string, text: string): { db: number; argv: string[] } => ({
  db,
  argv: ['SET', key, text],
});

describe('append-only files: manifest and commands', () => {
  it('a manifest is read back, the files of real servers among them', () => {
    const real = 'file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.4.incr.aof seq 4 type i\n';
    assert.equal(printManifest(parseManifest(real)), real);
    const odd = { base: { name: 'my "log".1', seq: 1 }, increments: [], history: [{ name: 'old', seq: 7 }] };
    assert.deepEqual(parseManifest(printManifest(odd)), odd);
  });

  it('a damaged manifest is refused by its line', () => {
    const refused: [string, RegExp][] = [
      ['', /Found an empty AOF manifest/],
      ['file a seq 1\n', /at line 1\n>>> 'file a seq 1'\nInvalid AOF manifest file format/],
      ['file a seq 0 type b\n', /Invalid AOF manifest file format/],
      ['file a seq 1 type b\n\n', /at line 2\n>>> ''\nInvalid AOF manifest file format/],
      ['file a seq 1 type b odd\n', /Invalid AOF manifest file format/],
      ['file a seq 1 type x\n', /Unknown AOF file type/],
      ['file ../a seq 1 type b\n', /File can't be a path, just a filename/],
      [`file ${'a'.repeat(1024)} seq 1 type b\n`, /too long line/],
      ['file a seq 1 type b\nfile b seq 2 type b\n', /at line 2\n.*\nFound duplicate base file information/],
      ['file a seq 2 type i\nfile b seq 2 type i\n', /Found a non-monotonic sequence number/],
    ];
    for (const [text, why] of refused) assert.throws(() => parseManifest(text), why);
  });

  const word = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 90,
  });
  const named = word.filter((text) => !['multi', 'exec'].includes(text.toLowerCase()));

  it('commands come back at any split, and the sound part of a cut file is known', () => {
    const command = fc.tuple(named, fc.array(word, { maxLength: 5 })).map(([name, rest]) => [name, ...rest]);
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 20 }),
        fc.integer({ min: 1, max: 200 }),
        fc.nat(),
        (all, size, seed) => {
          const texts = all.map(printCommand);
          const whole = Buffer.from(texts.join(''), 'latin1');
          const end = seed % (whole.length + 1);
          const found: (readonly string[])[] = [];
          const reader = new CommandReader((argv) => found.push(argv));
          for (let at = 0; at < end; at += size) reader.feed(whole.subarray(at, Math.min(end, at + size)));
          const ends = texts.map((_, at) => texts.slice(0, at + 1).join('').length);
          const kept = ends.filter((place) => place <= end);
          assert.deepEqual(found, all.slice(0, kept.length));
          assert.equal(reader.sound, kept.at(-1) ?? 0);
          assert.equal(reader.whole, reader.sound === end);
        },
      ),
    );
  });

  it('a transaction comes whole or not at all', () => {
    const text = [['MULTI'], ['SET', 'a', '1'], ['SET', 'b', '2'], ['EXEC']].map(printCommand).join('');
    for (let end = 0; end <= text.length; end++) {
      const found: unknown[] = [];
      const reader = new CommandReader((argv) => found.push(argv[1]));
      reader.feed(Buffer.from(text.slice(0, end)));
      assert.deepEqual(found, end === text.length ? ['a', 'b'] : []);
      assert.equal(reader.sound, end === text.length ? end : 0);
    }
  });

  it('damage is reported with its place', () => {
    const refused: [string, RegExp][] = [
      ['PING\r\n', /'PING' where \* and a number belong, near byte 6/],
      ['*1\n', /does not end in CRLF/],
      ['*0\r\n', /'\*0' where/],
      ['*99999999\r\n', /where \*/],
      ['*1\r\n$99999999999\r\n', /where \$ and a number/],
      ['*1\r\n$4\r\nPING!!', /another length than its header says/],
      [printCommand(['EXEC']), /EXEC without MULTI/],
      [printCommand(['MULTI']).repeat(2), /MULTI inside MULTI/],
      ['x'.repeat(2000), /a line without an end/],
    ];
    for (const [text, why] of refused) {
      assert.throws(() => new CommandReader(() => undefined).feed(Buffer.from(text)), why, text.slice(0, 50));
    }
  });
});

describe('append-only log', () => {
  let dir = '';
  const logs: AppendLog[] = [];
  const nodes: RealNode[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'lingcache-aof-'));
  });
  afterEach(async () => {
    for (const log of logs.splice(0)) await log.close();
    await Promise.all(nodes.splice(0).map((node) => node.kill()));
    rmSync(dir, { recursive: true, force: true });
  });
  const open = (options: Partial<LogOptions> = {}): AppendLog => {
    const log = new AppendLog({ dir, world: new RealWorld(), policy: 'no', ...options }, () => nothing);
    logs.push(log);
    return log;
  };
  const shut = async (log: AppendLog): Promise<void> => {
    logs.splice(logs.indexOf(log), 1);
    await log.close();
  };
  const place = (name: string): string => join(dir, 'appendonlydir', name);
  const realNode = async (): Promise<RealNode> => {
    const node = await realNodeOn(dir, ['--appendonly', 'yes', '--appendfsync', 'no']);
    nodes.push(node);
    return node;
  };

  it('holds what was flushed, over restarts', async () => {
    for (let run = 0; run < 3; run++) {
      const log = open();
      log.append([set(0, `run${run}`, 'a')]);
      log.append([set(4, `run${run}`, 'b'), set(0, 'last', String(run))]);
      log.flush();
      await shut(log);
    }
    const { databases, cut } = await load(dir);
    assert.equal(cut, 0);
    assert.equal(read(databases, 0, 'run2'), 'a');
    assert.equal(read(databases, 4, 'run0'), 'b');
    assert.equal(read(databases, 0, 'last'), '2');
    assert.deepEqual(readdirSync(join(dir, 'appendonlydir')).sort(), [
      'appendonly.aof.1.base.rdb',
      'appendonly.aof.1.incr.aof',
      'appendonly.aof.manifest',
    ]);
  });

  it('syncs as its policy says', async () => {
    const syncs = async (policy: SyncPolicy): Promise<number[]> => {
      const world = new ManualWorld();
      const log = open({ policy, world });
      const counts: number[] = [];
      for (let at = 0; at < 3; at++) {
        log.append([set(0, 'k', policy)]);
        log.flush();
        log.flush();
        counts.push(log.syncs);
      }
      world.forward(1000);
      for (let tries = 0; policy === 'everysec' && log.syncs === 0 && tries < 1000; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      counts.push(log.syncs);
      await shut(log);
      assert.equal(world.pending, 0);
      return [...counts, log.syncs];
    };
    assert.deepEqual(await syncs('always'), [1, 2, 3, 3, 3]);
    assert.deepEqual(await syncs('everysec'), [0, 0, 0, 1, 1]);
    assert.deepEqual(await syncs('no'), [0, 0, 0, 0, 1]);
  });

  it('a rewrite leaves one base and one increment, and loses nothing that was written meanwhile', async () => {
    const databases = new Databases(new RealWorld());
    const apply = applyTo(databases);
    const log = open();
    const write = (key: string, text: string): void => {
      apply(2, ['SET', key, text]);
      log.append([set(2, key, text)]);
      log.flush();
    };
    for (let at = 0; at < 5000; at++) write(`k${at}`, `before ${at}`);
    const rewriting = log.rewrite(() => capturedContent(databases, facts), writeBase);
    await assert.rejects(
      log.rewrite(() => nothing, writeBase),
      /already under way/,
    );
    for (let at = 4000; at < 6000; at++) {
      write(`k${at}`, `during ${at}`);
      if (at % 100 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await rewriting;
    write('after', 'x');
    assert.deepEqual(readdirSync(join(dir, 'appendonlydir')).sort(), [
      'appendonly.aof.2.base.rdb',
      'appendonly.aof.2.incr.aof',
      'appendonly.aof.manifest',
    ]);
    const loaded = (await load(dir)).databases;
    assert.equal(loaded.stores[2]!.size, 6001);
    assert.equal(read(loaded, 2, 'k0'), 'before 0');
    assert.equal(read(loaded, 2, 'k4500'), 'during 4500');
    assert.equal(read(loaded, 2, 'after'), 'x');
  });

  it('a rewrite that fails leaves the log as good as before, and the next one works', async () => {
    const log = open();
    log.append([set(0, 'a', '1')]);
    const odd = { ...nothing, databases: [{ index: 0, size: 1, expires: 0, keys: failing() }] };
    await assert.rejects(
      log.rewrite(() => odd, writeBase),
      /no such value/,
    );
    log.append([set(0, 'b', '2')]);
    log.flush();
    const { databases } = await load(dir);
    assert.deepEqual([read(databases, 0, 'a'), read(databases, 0, 'b')], ['1', '2']);
    await log.rewrite(() => capturedContent(databases, facts), writeBase);
    log.append([set(0, 'c', '3')]);
    log.flush();
    const counts: number[] = [];
    const again = (await load(dir, { pause: (count) => void counts.push(count) })).databases;
    assert.deepEqual([read(again, 0, 'a'), read(again, 0, 'b'), read(again, 0, 'c')], ['1', '2', '3']);
    // Two keys of the base, one command: the pause counts both.
    assert.deepEqual(counts, [2, 1]);
  });

  function* failing(): Generator<never> {
    yield* [];
    throw new Error('no such value');
  }

  it('a tail that a crash cut off is given up, at whatever byte, and the log goes on from there', async () => {
    const log = open();
    log.append([set(0, 'first', '1')]);
    log.append([set(0, 'a', '1'), set(0, 'b', '2')]);
    log.flush();
    const sound = printCommand(['SELECT', '0']).length + printCommand(['SET', 'first', '1']).length;
    const { length } = log;
    await shut(log);
    const file = place('appendonly.aof.1.incr.aof');
    const saved = join(dir, 'saved');
    copyFileSync(file, saved);
    for (let end = sound; end < length; end += 3) {
      copyFileSync(saved, file);
      truncateSync(file, end);
      if (end > sound)
        await assert.rejects(
          load(dir, { cutTail: false }),
          /Unexpected end of file .* appendonly.aof.1.incr.aof: it ends within/,
        );
      const { databases, cut } = await load(dir);
      assert.equal(cut, end - sound);
      assert.equal(statSync(file).size, sound);
      assert.deepEqual([read(databases, 0, 'first'), read(databases, 0, 'b')], ['1', undefined]);
    }
    const next = open();
    next.append([set(0, 'b', '3')]);
    next.flush();
    const { databases, cut } = await load(dir);
    assert.deepEqual([cut, read(databases, 0, 'first'), read(databases, 0, 'b')], [0, '1', '3']);
  });

  it('damage elsewhere is an error that names the file, and changes nothing', async () => {
    const log = open();
    log.append([set(0, 'a', '1')]);
    await shut(log);
    const file = place('appendonly.aof.1.incr.aof');
    appendFileSync(file, 'garbage\r\n');
    const before = readFileSync(file);
    await assert.rejects(
      load(dir),
      /Bad file format reading the append only file appendonly.aof.1.incr.aof: 'garbage' where \*/,
    );
    assert.deepEqual(readFileSync(file), before);
    appendFileSync(place('appendonly.aof.manifest'), 'file appendonly.aof.2.incr.aof seq 2 type i\n');
    writeFileSync(file, before.subarray(0, 30));
    writeFileSync(place('appendonly.aof.2.incr.aof'), '');
    await assert.rejects(load(dir), /appendonly.aof.1.incr.aof: it ends within.* not the last file/);
    rmSync(file);
    await assert.rejects(load(dir), /The AOF file appendonly.aof.1.incr.aof can't be read: No such file or directory/);
    assert.throws(() => open({ name: '../x' }), RangeError);
  });

  it('a log of one file, with or without an RDB file at its start, is taken over', async () => {
    const log = open();
    log.append([set(3, 'a', '1')]);
    await shut(log);
    const base = readFileSync(place('appendonly.aof.1.base.rdb'));
    const commands = readFileSync(place('appendonly.aof.1.incr.aof'));
    for (const bytes of [commands, Buffer.concat([base, commands])]) {
      rmSync(join(dir, 'appendonlydir'), { recursive: true });
      writeFileSync(join(dir, 'appendonly.aof'), bytes);
      assert.equal(read((await load(dir)).databases, 3, 'a'), '1');
      const again = open();
      again.append([set(3, 'b', '2')]);
      await shut(again);
      const { databases } = await load(dir);
      assert.deepEqual([read(databases, 3, 'a'), read(databases, 3, 'b')], ['1', '2']);
    }
  });

  it('a disk that is full fails the flush, keeps the write for later, and is reported', async function () {
    if (!existsSync('/dev/full')) {
      console.log('      skipped: this system has no /dev/full');
      this.skip();
    }
    mkdirSync(join(dir, 'appendonlydir'));
    symlinkSync('/dev/full', place('appendonly.aof.1.incr.aof'));
    writeFileSync(place('appendonly.aof.manifest'), 'file appendonly.aof.1.incr.aof seq 1 type i\n');
    const log = new AppendLog({ dir, world: new RealWorld(), policy: 'always', maxPendingBytes: 100 }, () => nothing);
    log.append([set(0, 'a', '1')]);
    assert.throws(() => log.flush(), /ENOSPC/);
    assert.match(log.failure?.message ?? '', /ENOSPC/);
    assert.equal(log.length, 0);
    assert.throws(() => log.append([set(0, 'b', 'x'.repeat(100))]), /more than 100 bytes wait/);
    assert.throws(() => log.flush(), /ENOSPC/);
    await assert.rejects(log.close(), /ENOSPC/);
  });

  it('kill -9 of the writer loses no write that was safe', async function () {
    this.timeout(60_000);
    let rewrites = 0;
    for (const [run, padding] of ['0', '3000', '0', '20000', '10'].entries()) {
      const home = join(dir, `run${run}`);
      mkdirSync(home);
      const script = fileURLToPath(new URL('./aof-child.js', import.meta.url));
      const child = spawn(process.execPath, [script, home, padding], { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = once(child, 'exit');
      let output = '';
      const wanted = 200 + run * 61;
      child.stdout.setEncoding('latin1').on('data', (text: string) => {
        output += text;
        if (output.includes(`\n${wanted}\n`)) child.kill('SIGKILL');
      });
      const [, signal] = (await ended) as [number | null, string | null];
      assert.equal(signal, 'SIGKILL');
      // A line without its end may have been cut: only whole ones are promises.
      const safe = output.slice(0, output.lastIndexOf('\n')).split('\n').length;
      assert.ok(safe > wanted);
      const base = readdirSync(join(home, 'appendonlydir')).find((name) => name.endsWith('.base.rdb'));
      rewrites += Number(/\.(\d+)\.base/.exec(base ?? '')?.[1]) - 1;
      const { databases } = await load(home);
      for (let at = 0; at < safe; at++) {
        assert.equal(read(databases, at % 3, `key:${at}`), `${at}${'x'.repeat(Number(padding))}`, `run ${run}`);
        assert.equal(read(databases, at % 3, `twin:${at}`), at % 5 === 0 ? 'x' : undefined, `run ${run}`);
      }
    }
    assert.ok(rewrites > 5, `${rewrites} rewrites on the way`);
  });

  it('redis-server loads a log of ours, and its checker accepts it', async function () {
    needRedisServer(this);
    const databases = new Databases(new RealWorld());
    const log = open();
    for (const argv of everything) {
      if (argv[0] === 'SET' && argv.length === 3) {
        applyTo(databases)(0, argv);
        log.append([{ db: 0, argv }]);
      }
    }
    await log.rewrite(() => capturedContent(databases, facts), writeBase);
    log.append([set(0, 'one', '1'), set(5, 'two', '2')]);
    log.append([{ db: 5, argv: ['HSET', 'h', 'f', '\x00\xff\r\n'] }]);
    await shut(log);
    assert.match(checked('redis-check-aof', place('appendonly.aof.manifest')), /All AOF files and manifest are valid/);
    await withClient(await realNode(), async (client) => {
      for (const { key, value } of stringsOf(databases)) {
        assert.equal(await client.call('GET', Buffer.from(key, 'latin1')), value);
      }
      assert.equal(await client.call('GET', 'one'), '1');
      await client.call('SELECT', '5');
      assert.equal(await client.call('GET', 'two'), '2');
      assert.equal(await client.call('HGET', 'h', 'f'), '\x00\xff\r\n');
    });
  });

  function stringsOf(databases: Databases): { key: string; value: string }[] {
    return [...databases.stores[0]!.entries()].map(({ key, value }) => ({ key, value: value as string }));
  }

  it('a log of a real server is loaded, and gives another one the same data after our rewrite', async function () {
    needRedisServer(this);
    const first = await realNode();
    const before = await withClient(first, async (client) => {
      await sendAll(client, everything);
      await sendAll(client, [['BGREWRITEAOF']]);
      for (let tries = 0; tries < 500; tries++) {
        const info = String(await client.call('INFO', 'persistence'));
        if (/aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info)) break;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await sendAll(client, [
        ['SELECT', '2'],
        ['SET', 'late', 'one'],
        ['MULTI'],
        ['SET', 'x', '1'],
        ['SET', 'y', '2'],
        ['EXEC'],
      ]);
      return { digest: await client.call('DEBUG', 'DIGEST'), count: (await dumpAll(client)).size };
    });
    await first.stop();
    const { databases } = await load(dir);
    assert.deepEqual(
      ['late', 'x', 'y'].map((key) => read(databases, 2, key)),
      ['one', '1', '2'],
    );
    assert.equal(
      databases.stores.reduce((sum, store) => sum + store.size, 0),
      before.count,
    );
    const log = open();
    await log.rewrite(() => capturedContent(databases, facts), writeBase);
    await shut(log);
    assert.match(checked('redis-check-aof', place('appendonly.aof.manifest')), /All AOF files and manifest are valid/);
    await withClient(await realNode(), async (client) => {
      assert.equal(await client.call('DEBUG', 'DIGEST'), before.digest);
    });
  });
});
