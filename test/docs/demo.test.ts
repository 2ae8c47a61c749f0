// The demo as users run it: in a pipe, on a terminal, on real nodes; every value checked, no call failed.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Cluster } from '../../lib/index.ts';
import { Output } from '../../server/tools/cli/output.ts';
import type { Traffic } from '../../server/tools/demo-traffic.ts';
import { DemoView } from '../../server/tools/demo-view.ts';
import { needRedisServer } from '../kit/real-cluster.ts';
import { until } from '../kit/until.ts';

const main = new URL('../../server/tools/main.js', import.meta.url).pathname;
const demo = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [main, 'demo', ...args], { timeout: 110_000 })).stdout;

describe('docs: demo', function () {
  this.timeout(120_000);

  it('shows a reshard, a failover and a handover in plain lines, and what redirects cost', async () => {
    const text = await demo();
    assert.match(text, /^moved 120 slots with [1-9]\d* keys/m);
    assert.match(text, /^followed [1-9]\d* MOVED and \d+ ASK/m);
    assert.match(text, /its replica \d+ was elected and answers; .*; 0 failed$/m);
    assert.match(text, /of [1-9][\d,]* acknowledged writes so far, the kill lost \d+/);
    assert.match(text, /an orderly change loses nothing: 0 calls failed, 0 values wrong/);
    assert.match(text, /^ {2}MOVED, after a slot has moved +[\d.]+ ms/m);
    assert.match(text, /^ {4}\d s .* calls\/s .* MOVED \d+ {2}ASK \d+/m);
    assert.match(text, /replies checked, all right/);
    assert.ok(!text.includes('\u001b'), 'no cursor movements in a pipe');
  });

  it('runs on redis-server nodes as well', async function () {
    needRedisServer(this, 'demo --real');
    const { wrong, failed, calls } = JSON.parse(await demo('--real', '--json')) as Record<string, number>;
    assert.deepEqual([wrong, failed], [0, 0]);
    assert.ok(calls! > 100);
  });

  it('on a terminal, the map stands below what was said and goes when it stops', async () => {
    let screen = '';
    const stream = { isTTY: true, columns: 100, write: (text: string) => (screen += text) };
    const out = new Output({ stdout: stream, stderr: stream, env: { NO_COLOR: '1' }, json: false });
    const slots = Array.from({ length: 16_384 }, (_, slot) => [`127.0.0.1:${slot < 8192 ? 7000 : 7001}`]);
    const redirects = { moved: 3, ask: 2, retried: 1 };
    const cluster = { slots, stats: () => ({ redirects }) } as unknown as Cluster;
    const view = new DemoView(out, cluster, { calls: 10, failed: 0, waiting: 8, longest: 5 } as Traffic);
    view.say('before');
    view.start();
    await until('it was drawn', () => screen.includes('MOVED 3  ASK 2  again 1'));
    const rows = [...screen.matchAll(/^ {2}([AB]{64})$/gm)].slice(0, 4).map(([, row]) => row);
    assert.deepEqual(
      rows,
      ['A', 'A', 'B', 'B'].map((letter) => letter.repeat(64)),
    );
    assert.match(screen, /A 7000 8192 {2}B 7001 8192/);
    screen = '';
    view.say('between');
    assert.match(screen, /^\u001b\[\d+A\u001b\[0Jbetween\n\n {2}A{64}/);
    screen = '';
    view.stop();
    assert.match(screen, /^\u001b\[7A\u001b\[0J$/);
  });

  it('on a narrow terminal no line is longer than the terminal, and all are erased', async () => {
    for (const columns of [80, 40]) {
      let screen = '';
      const stream = { isTTY: true, columns, write: (text: string) => (screen += text) };
      const out = new Output({ stdout: stream, stderr: stream, env: { NO_COLOR: '1' }, json: false });
      const slots = Array.from({ length: 16_384 }, () => ['127.0.0.1:7000']);
      const redirects = { moved: 12_345, ask: 12_345, retried: 12_345 };
      const cluster = { slots, stats: () => ({ redirects }) } as unknown as Cluster;
      const view = new DemoView(out, cluster, { calls: 0, failed: 12, waiting: 8, longest: 12_345 } as Traffic);
      view.start();
      await until('it was drawn', () => screen.includes('failed 12'));
      const lines = screen.split('\u001b')[0]!.split('\n').slice(0, -1);
      assert.ok(Math.max(...lines.map(({ length }) => length)) < columns, screen);
      screen = '';
      view.stop();
      assert.equal(screen, `\u001b[${lines.length}A\u001b[0J`);
    }
  });
});
