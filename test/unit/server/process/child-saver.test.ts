import assert from 'node:assert/strict';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type SaveOrder, type SaveWriter, SpawnError } from '../../../../server/persistence/saver/saver.ts';
import { ChildSaver } from '../../../../server/process/child-saver.ts';
import { parseOrder } from '../../../../server/process/save-order.ts';

/** A child that does what the test says. */
class FakeChild extends EventEmitter {
  readonly pid: number | undefined;
  readonly stdin = new PassThrough({ highWaterMark: 10 });
  readonly stdio = [this.stdin, null, null, new PassThrough()];
  readonly signals: unknown[] = [];
  options: SpawnOptions = {};
  argument = '';

  constructor(pid: number | undefined) {
    super();
    this.pid = pid;
  }

  kill(signal: string): boolean {
    this.signals.push(signal);
    return true;
  }
}

const piece = { bytes: Buffer.alloc(100), strings: [] };

describe('a save in a process of its own', () => {
  let folder: string;
  let child: FakeChild;
  let saver: ChildSaver;
  let target: { path: string; before: string; after: string };
  const temporary = (): string => `${target.before}77${target.after}`;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lingcache-saver-'));
    target = { path: join(folder, 'dump.rdb'), before: join(folder, 'temp-'), after: '.rdb' };
    child = new FakeChild(77);
    saver = new ChildSaver({
      program: 'child.js',
      log: () => 'the.log',
      score: () => 30,
      spawn: (_command, args, options) => {
        child.argument = args[1]!;
        child.options = options;
        return child as unknown as ChildProcess;
      },
    });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function begin(more: Partial<SaveOrder> = {}): SaveWriter {
    const writer = saver.begin({ kind: 'rdb', rdb: true, checksum: true, target, ...more });
    if (child.pid !== undefined && more.target === undefined) writeFileSync(temporary(), 'new');
    return writer;
  }

  it('says what is to be done', () => {
    assert.equal(begin().pid, 77);
    const order = { kind: 'rdb', rdb: true, checksum: true, file: target, log: 'the.log', score: 30 };
    assert.deepEqual(parseOrder(child.argument), order);
    assert.equal((child.options.env as Record<string, string>)['NODE_OPTIONS'], undefined);
  });

  it('is done when the child ends well, and then in its place', async () => {
    const writer = begin();
    writer.finish();
    child.emit('exit', 0, null);
    assert.deepEqual(await writer.ended, { how: 'done' });
    assert.equal(readFileSync(target.path, 'utf8'), 'new');
    assert.ok(!existsSync(temporary()));
  });

  it('leaves the file of before when the child ends otherwise', async () => {
    for (const [code, signal, end] of [
      [1, null, { how: 'failed' }],
      [255, null, { how: 'killed', signal: 10 }],
      [null, 'SIGKILL', { how: 'killed', signal: 9 }],
      [null, 'SIGTERM', { how: 'killed', signal: 15 }],
    ] as const) {
      child = new FakeChild(77);
      writeFileSync(target.path, 'old');
      const writer = begin();
      child.emit('exit', code, signal);
      assert.deepEqual(await writer.ended, end);
      assert.equal(readFileSync(target.path, 'utf8'), 'old');
      assert.ok(!existsSync(temporary()));
    }
  });

  it('is killed by a signal that ends a stopped child, too, and never comes into its place after that', async () => {
    const writer = begin();
    writer.kill();
    assert.deepEqual(child.signals, ['SIGKILL']);
    child.emit('exit', 0, null);
    assert.deepEqual(await writer.ended, { how: 'killed', signal: 10 });
    assert.ok(!existsSync(target.path) && !existsSync(temporary()));
    writer.kill();
    assert.equal(writer.write(piece), undefined);
    assert.equal(child.signals.length, 1);
  });

  it('fails when the file cannot be put into its place', async () => {
    const writer = begin();
    rmSync(temporary());
    child.emit('exit', 0, null);
    assert.equal((await writer.ended).how, 'failed');
  });

  it('waits for a child that takes no more, until it does or has ended', async () => {
    const writer = begin();
    let free = false;
    const waiting = writer.write(piece)!.then(() => {
      free = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(free, false);
    child.stdin.resume();
    await waiting;
    child.stdin.pause();
    const again = writer.write(piece);
    child.emit('exit', null, 'SIGKILL');
    await again;
  });

  it('comes back from the child when it is for replicas, all of it before it counts as done', async () => {
    const taken: string[] = [];
    let goOn: () => void = () => undefined;
    const take = (bytes: Buffer): Promise<void> => {
      taken.push(bytes.toString());
      return new Promise((resolve) => {
        goOn = resolve;
      });
    };
    const writer = begin({ kind: 'copy', target: take });
    assert.equal(parseOrder(child.argument).file, undefined);
    const back = child.stdio[3] as PassThrough;
    back.write('one');
    await new Promise((resolve) => setImmediate(resolve));
    child.emit('exit', 0, null);
    let ended = false;
    void writer.ended.then(() => {
      ended = true;
    });
    back.end('two');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([taken, ended], [['one'], false]);
    goOn();
    await new Promise((resolve) => setImmediate(resolve));
    goOn();
    assert.deepEqual(await writer.ended, { how: 'done' });
    assert.deepEqual(taken, ['one', 'two']);
  });

  it('that cannot be started says why a moment later', async () => {
    child = new FakeChild(undefined);
    const why = Object.assign(new Error('spawn EAGAIN'), { code: 'EAGAIN' });
    setImmediate(() => child.emit('error', why));
    assert.throws(begin, (error: unknown) => {
      assert.ok(error instanceof SpawnError);
      return true;
    });
    saver = new ChildSaver({
      program: 'child.js',
      log: () => '',
      score: () => undefined,
      spawn: () => {
        throw why;
      },
    });
    await assert.rejects(async () => {
      try {
        begin();
      } catch (error) {
        throw await (error as SpawnError).reason;
      }
    }, /EAGAIN/);
  });
});
