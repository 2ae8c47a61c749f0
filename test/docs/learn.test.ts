// Every experiment shows what it says: each claim is checked while it runs, and it fails with the first that does not hold.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { experiments, learn } from '../../server/learn/learn.ts';

describe('docs: experiments', function () {
  this.timeout(120_000);

  for (const [name, { title }] of Object.entries(experiments)) {
    it(`${name}: ${title}`, async () => {
      const lines: string[] = [];
      const claims = await learn(name, { line: (text) => lines.push(text), paint: (_, text) => text, fast: true });
      assert.equal(lines.filter((line) => line.startsWith('   ✓ ')).length, claims);
      assert.ok(claims >= 3, `${claims} claims`);
      assert.ok(lines.some((line) => line.startsWith('1. ')));
    });
  }

  it('there are ten or more, and the command line lists and refuses', () => {
    const main = new URL('../../server/tools/main.js', import.meta.url).pathname;
    const run = (...args: string[]) => spawnSync(process.execPath, [main, 'learn', ...args], { encoding: 'utf8' });
    const listed = JSON.parse(run('--json').stdout) as { name: string }[];
    assert.ok(listed.length >= 10);
    const { status, stderr } = run('failovr');
    assert.equal(status, 2);
    assert.match(stderr, /did you mean failover\?/);
  });

  it('an experiment whose claim does not hold ends with that claim', async () => {
    const failing = {
      line: (text: string) => {
        if (text.includes('✓')) throw new Error(`said ${text.trim()}`);
      },
      paint: (_: string, text: string) => text,
      fast: true,
    };
    await assert.rejects(learn('slots', failing), /said ✓ the client computes the same/);
    await assert.rejects(learn('nothing', failing), RangeError);
  });

  it('an experiment that is interrupted ends at once, says no more and leaves nothing open', async () => {
    const controller = new AbortController();
    const lines: string[] = [];
    let port = 0;
    const line = (text: string): void => {
      lines.push(text);
      port = Number(/^ {3}(\d+)> /.exec(text)?.[1] ?? port);
      if (text.includes('✓')) controller.abort(new Error('Ctrl-C'));
    };
    const { signal } = controller;
    await assert.rejects(learn('slots', { line, paint: (_, text) => text, fast: true, signal }), /Ctrl-C/);
    const said = lines.length;
    await assert.rejects(once(connect(port, '127.0.0.1'), 'connect'), /ECONNREFUSED/);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(lines.length, said);
  });
});
