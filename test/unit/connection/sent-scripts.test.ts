// The first use of a script on a connection, and those that follow.

import { equal } from 'node:assert/strict';
import { SentScripts } from '../../../lib/connection/sent-scripts.ts';

describe('connection/sent-scripts', () => {
  const evalsha = (digest: string | number) => ['evalsha', String(digest), '0'];
  const full = ['eval', 'return 1', '0'];

  it('EVAL the first time, EVALSHA from then on, for each script by itself', () => {
    const scripts = new SentScripts();
    const [one, two] = [evalsha('one'), evalsha('two')];
    equal(scripts.argvOf(one, full), full);
    equal(scripts.argvOf(one, full), one);
    equal(scripts.argvOf(two, full), full);
    equal(scripts.argvOf(one, full), one);
  });

  it('what is kept has a limit: scripts beyond it are sent in full each time', () => {
    const scripts = new SentScripts();
    for (let digest = 0; digest < 10_000; digest++) scripts.argvOf(evalsha(digest), full);
    for (const _time of [1, 2]) equal(scripts.argvOf(evalsha(10_000), full), full);
    const known = evalsha(9_999);
    equal(scripts.argvOf(known, full), known);
  });
});
