// The append only file of a node that is turned on, outdated and closed while the node goes on, on a real folder.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { createEngine } from '../../../../server/command/all.ts';
import type { Engine } from '../../../../server/engine/engine.ts';
import { AppendOnlyFile } from '../../../../server/persistence/append-only-file.ts';
import { InProcessSaver } from '../../../../server/persistence/saver/in-process.ts';
import { BackgroundSaves, type SaveOrder, type SaveWriter } from '../../../../server/persistence/saver/saver.ts';

/** One node's log; `writers`: of the saves that were begun. */
class Node {
  readonly world = new ManualWorld();
  readonly engine: Engine;
  readonly aof: AppendOnlyFile;
  readonly saves: BackgroundSaves;
  readonly writers: SaveWriter[] = [];
  readonly fatal: string[] = [];

  constructor(dir: string, config: Readonly<Record<string, string>> = {}) {
    this.engine = createEngine({ world: this.world, config: { dir, appendonly: 'yes', ...config } });
    const saver = new InProcessSaver();
    const begin = (order: SaveOrder): SaveWriter => {
      this.writers.push(saver.begin(order));
      return this.writers.at(-1)!;
    };
    this.saves = new BackgroundSaves({ begin });
    this.aof = new AppendOnlyFile(this.engine, this.saves, (reason) => this.fatal.push(reason));
  }

  /** A write, in memory and in the log. */
  write(key: string, value: string): void {
    this.engine.databases.stores[0]!.replace(key, value);
    this.aof.writes.append([{ db: 0, argv: ['SET', key, value] }]);
    this.aof.writes.flush();
  }

  turn(on: boolean, inTransaction = false): string | undefined {
    this.engine.config.set([['appendonly', on ? 'yes' : 'no']]);
    return this.aof.followParameter(inTransaction);
  }

  /** All keys and values. */
  get data(): Record<string, unknown> {
    const entries = [...this.engine.databases.stores[0]!.entries()];
    return Object.fromEntries(entries.map(({ key, value }) => [key, value]).sort());
  }

  async close(): Promise<void> {
    await this.aof.close();
    this.engine.stop();
  }
}

describe('the append only file of a node', () => {
  let dir: string;
  let nodes: Node[];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'lingcache-aof-'));
    nodes = [];
  });
  afterEach(async () => {
    for (const node of nodes) await node.close();
    rmSync(dir, { recursive: true, force: true });
  });

  function open(config: Readonly<Record<string, string>> = {}): Node {
    const node = new Node(dir, config);
    nodes.push(node);
    return node;
  }

  /** What a node that starts now finds on the disk. */
  async function found(): Promise<Record<string, unknown>> {
    const node = open();
    await node.aof.load();
    return node.data;
  }

  it('holds what is written after it was loaded', async () => {
    const node = open();
    await node.aof.load();
    node.write('a', '1');
    node.write('a', '2');
    await node.close();
    assert.equal(node.aof.log, undefined);
    assert.deepEqual(await found(), { a: '2' });
  });

  it('that is turned on is rewritten at once, and writes meanwhile are in it', async () => {
    const node = open({ appendonly: 'no' });
    node.write('before', '1');
    assert.equal(node.aof.facts, undefined);
    assert.equal(node.turn(true), undefined);
    assert.deepEqual([node.aof.log?.apart, node.aof.rewrites.running], [true, true]);
    node.write('meanwhile', '2');
    await node.aof.rewrites.done;
    assert.equal(node.aof.log?.apart, false);
    node.write('after', '3');
    await node.close();
    assert.deepEqual(await found(), { after: '3', before: '1', meanwhile: '2' });
  });

  it('that is turned on in a transaction, or beside another save, is rewritten later', () => {
    const node = open({ appendonly: 'no' });
    node.turn(true, true);
    assert.deepEqual([node.aof.log?.apart, node.aof.rewrites.running], [true, false]);
    assert.equal(node.aof.rewrites.facts.scheduled, true);
    node.aof.rewrites.tend();
    assert.equal(node.aof.rewrites.running, true);
  });

  it('stops when it is turned off, with the rewrite under way and one that is due', async () => {
    const node = open({ appendonly: 'no' });
    node.turn(true);
    node.aof.rewrites.schedule();
    const { done } = node.aof.rewrites;
    node.turn(false);
    assert.equal(node.aof.log, undefined);
    await done;
    const { scheduled, running, ok } = node.aof.rewrites.facts;
    assert.deepEqual([scheduled, running, ok], [false, false, true]);
  });

  it('whose data was replaced is rewritten, and again where that happens during the rewrite', async () => {
    const node = open();
    await node.aof.load();
    node.write('old', '1');
    node.engine.databases.clear();
    node.engine.databases.stores[0]!.replace('copy', '1');
    node.aof.replaced();
    assert.equal(node.aof.log?.apart, true);
    const first = node.aof.rewrites.done;
    node.engine.databases.clear();
    node.engine.databases.stores[0]!.replace('newer copy', '2');
    node.aof.replaced();
    await first;
    assert.equal(node.writers.length, 2, 'the first one was given up');
    await node.aof.rewrites.done;
    assert.equal(node.aof.log?.apart, false);
    await node.close();
    assert.deepEqual(await found(), { 'newer copy': '2' });
  });

  it('can be loaded in the place of what is in memory', async () => {
    const node = open();
    await node.aof.load();
    node.write('a', '1');
    node.engine.databases.stores[0]!.replace('unlogged', 'x');
    await node.aof.reload();
    assert.deepEqual(node.data, { a: '1' });
  });

  it('that cannot be opened is not turned on, and the log says why', () => {
    const node = open({ appendonly: 'no', appenddirname: 'x'.repeat(300) });
    assert.equal(node.turn(true), 'Unable to turn on AOF. Check server logs.');
    assert.equal(node.aof.log, undefined);
    assert.match(node.world.lines.join('\n'), /Can't open or create the append-only file: /);
    assert.deepEqual(readdirSync(dir), []);
  });

  it('that cannot be written ends the node with `always`, and only then', async () => {
    for (const policy of ['always', 'everysec'] as const) {
      const node = open({ appendfsync: policy, appenddirname: policy });
      await node.aof.load();
      const log = node.aof.log!;
      const flush = log.flush.bind(log);
      log.flush = () => {
        throw new Error('the disk is full');
      };
      node.write('k', 'v');
      assert.match(node.world.lines.join('\n'), /a write could not be logged: the disk is full/);
      assert.equal(node.fatal.length, policy === 'always' ? 1 : 0);
      log.flush = flush;
    }
  });

  it('that lacks a write refuses others until it was rewritten', async () => {
    const node = open();
    await node.aof.load();
    assert.equal(node.aof.refusal(), undefined);
    node.engine.databases.stores[0]!.replace('lost', '1');
    node.aof.log!.breakOff(new Error('the disk is full'));
    assert.match(String(node.aof.refusal()), /MISCONF Errors writing to the AOF file: the disk is full/);
    assert.deepEqual([node.aof.facts?.failed, node.aof.isStuck], [true, false]);
    node.aof.rewrites.tend();
    await node.aof.rewrites.done;
    assert.deepEqual([node.aof.facts?.failed, node.aof.refusal()], [false, undefined]);
    await node.close();
    assert.deepEqual(await found(), { lost: '1' });
  });

  it('follows the parameters that are set while it is kept', async () => {
    const node = open({ appendfsync: 'everysec' });
    await node.aof.load();
    node.engine.config.set([['appendfsync', 'always']]);
    assert.equal(node.aof.log?.policy, 'always');
  });
});
