// What is compiled when: once in each Lua state, and anew where a state was broken or forgotten.

import assert from 'node:assert/strict';
import { ReplyError } from '../../../../lib/wire/reply.ts';
import type { Interpreter } from '../../../../server/script/interpreter.ts';
import { sha1 } from '../../../../server/script/redis-api.ts';
import { ScriptCache } from '../../../../server/script/script-cache.ts';
import { ScriptFlag } from '../../../../server/script/shebang.ts';
import { loneInterpreter } from './kit.ts';

function open(): { cache: ScriptCache; compiled: string[]; states: Interpreter[] } {
  const compiled: string[] = [];
  const states: Interpreter[] = [];
  const cache = new ScriptCache(() => {
    const interpreter = loneInterpreter();
    const compile = interpreter.compile.bind(interpreter);
    interpreter.compile = (source, name) => {
      compiled.push(source);
      return compile(source, name);
    };
    states.push(interpreter);
    return interpreter;
  });
  return { cache, compiled, states };
}

describe('the script cache', () => {
  it('compiles a text once, and makes a Lua state for the first only', () => {
    const { cache, compiled, states } = open();
    assert.deepEqual([cache.memoryUsed, states.length], [0, 0]);
    const sum = cache.load('return 1');
    assert.equal(sum, sha1('return 1'));
    assert.equal(cache.load('return 1'), sum);
    cache.load('return 2');
    cache.interpreter();
    assert.deepEqual(compiled, ['return 1', 'return 2']);
    assert.equal(states.length, 1);
    assert.deepEqual(cache.size, { scripts: 2, bytes: 16 });
    assert.ok(cache.memoryUsed > 0);
  });

  it('finds a script by its sum in any case, until all are flushed with their state', () => {
    const { cache, states } = open();
    const sum = cache.load('return 1') as string;
    assert.deepEqual([cache.has(sum), cache.has(sum.toUpperCase()), cache.has(sha1('return 2'))], [true, true, false]);
    cache.flush();
    assert.deepEqual([cache.has(sum), cache.get(sum), cache.memoryUsed], [false, undefined, 0]);
    assert.deepEqual(cache.size, { scripts: 0, bytes: 0 });
    cache.load('return 1');
    assert.equal(states.length, 2);
  });

  it('refuses what is no Lua, and keeps nothing of it', () => {
    const { cache } = open();
    assert.match(String(cache.load('return )')), /Error compiling script \(new function\): user_script:1:/);
    assert.ok(cache.load('#!nothing\nreturn 1') instanceof ReplyError);
    assert.deepEqual(cache.size, { scripts: 0, bytes: 0 });
  });

  it('compiles what it knows for the state that takes the place of a broken one', () => {
    const { cache, compiled, states } = open();
    const sums = ['return 1', 'return 2'].map((text) => cache.load(text) as string);
    cache.interpreter().broken = true;
    const next = cache.interpreter();
    assert.equal(next, states[1]);
    assert.deepEqual(compiled, ['return 1', 'return 2', 'return 1', 'return 2']);
    for (const [at, sum] of sums.entries()) {
      assert.equal(next.start(cache.get(sum)!.ref, [], []), 'done');
      assert.equal(next.vm.lua.lua_tonumber(next.threads.outermost!, -1), at + 1);
      next.end('done');
    }
  });

  it('knows the flags of a script by its sum, or by a text that declares them', () => {
    const { cache } = open();
    const declared = '#!lua flags=no-writes\nreturn 1';
    assert.equal(cache.flagsOf(cache.sumOf(declared), undefined), undefined);
    assert.equal(cache.flagsOf(cache.sumOf(declared), declared), ScriptFlag.noWrites);
    const sum = cache.load(declared) as string;
    assert.equal(cache.flagsOf(sum.toUpperCase(), undefined), ScriptFlag.noWrites);
    assert.equal(cache.flagsOf(undefined, 'return 1'), undefined);
    assert.equal(cache.flagsOf(undefined, '#!lua flags=nonsense\nreturn 1'), undefined);
  });

  it('remembers the sums of long texts, and distinguishes texts of one length', () => {
    const { cache } = open();
    const [one, other] = ['a', 'b'].map((letter) => `return '${letter.repeat(1000)}'`) as [string, string];
    for (const text of [one, other, one, one]) assert.equal(cache.sumOf(text), sha1(text));
  });
});
