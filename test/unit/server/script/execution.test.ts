// One script in Lua, from its first part to its reply, on injected time: suspended, resumed, killed.

import assert from 'node:assert/strict';
import { type Reply, ReplyError } from '../../../../lib/wire/reply.ts';
import { createEngine } from '../../../../server/command/all.ts';
import type { Engine } from '../../../../server/engine/engine.ts';
import { nobody } from '../../../../server/engine/replay.ts';
import { Execution } from '../../../../server/script/execution.ts';
import type { Interpreter } from '../../../../server/script/interpreter.ts';
import { type ScriptRun, ScriptRunner } from '../../../../server/script/run.ts';
import { ScriptFlag } from '../../../../server/script/shebang.ts';
import { loneInterpreter, PassingWorld } from './kit.ts';

const threshold = 100;
const endless = 'local n = 0 while true do n = n + 1 end';
const long = 'local n = 0 for i = 1, 200000 do n = n + i end return n';
const sum = 20_000_100_000;

class Bench {
  readonly world = new PassingWorld();
  readonly engine: Engine = createEngine({ world: this.world });
  readonly caller = this.engine.connect(nobody);
  readonly client = { protocol: 2 } as const;
  readonly #runner = new ScriptRunner(this.engine);
  #execution: Execution | undefined;
  readonly interpreter: Interpreter = loneInterpreter((state, threads) =>
    this.#execution?.tick(state, threads, threshold),
  );

  /** Its run begins; the reply of its first part. */
  start(text: string, isEval = true): { readonly execution: Execution; readonly reply: Reply | undefined } {
    const options = { name: 'f', flags: ScriptFlag.compatible, isEval, argv: [], keys: ['k'], readOnly: false };
    const run = this.#runner.begin(this.caller, options) as ScriptRun;
    const execution = new Execution(run, this.interpreter, this.world);
    this.#execution = execution;
    const compiled = this.interpreter.compile(text, '@user_script') as { ref: number };
    return { execution, reply: execution.start(() => compiled.ref, ['arg'], this.client) };
  }

  /** What is left of earlier runs does not show. */
  assertReady(): void {
    assert.equal(this.interpreter.threads.outermost, undefined);
    assert.equal(this.interpreter.broken, false);
    assert.equal(this.start('return KEYS[1] .. ARGV[1]').reply, 'karg');
  }

  /** Lines of the log about it. */
  logged(pattern: RegExp): number {
    return this.world.lines.filter((line) => pattern.test(line)).length;
  }
}

describe('a script under way', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.engine.stop());

  it('is answered with its first value, or with an error and the place where it happened', () => {
    assert.equal(bench.start('return 1, 2').reply, 1);
    const { reply } = bench.start('\nerror("no\\nmore")');
    assert.ok(reply instanceof ReplyError);
    assert.match(reply.message, /^ERR user_script:2: no more script: f, on @user_script:2\.$/);
    bench.assertReady();
  });

  it('is suspended after the threshold and then after each slice, which is noted once, and ends with its value', () => {
    bench.world.step = threshold + 1;
    const { execution, reply } = bench.start(long);
    assert.equal(reply, undefined);
    let parts = 1;
    for (let again = execution.resume(bench.client); again !== sum; again = execution.resume(bench.client)) {
      assert.equal(again, undefined);
      parts++;
    }
    assert.ok(parts > 5, `${parts} parts`);
    assert.equal(bench.logged(/Slow script detected.*SCRIPT KILL command. Script name is: f/), 1);
    bench.world.step = 0;
    bench.assertReady();
  });

  it('is not suspended while time stands still', () => {
    assert.equal(bench.start(long).reply, sum);
    assert.equal(bench.logged(/Slow script/), 0);
  });

  it('ends where it was left once it was killed, unless it is resumed in spite of that', () => {
    bench.world.step = threshold + 1;
    const { execution } = bench.start(endless);
    assert.match(String(execution.kill(false)), /BUSY .* SCRIPT KILL/);
    assert.equal(execution.resumeOrEnd(bench.client), undefined);
    assert.equal(execution.kill(true), undefined);
    assert.equal(execution.resume(bench.client), undefined);
    const reply = execution.resumeOrEnd(bench.client);
    assert.match(
      (reply as ReplyError).message,
      /^ERR Script killed by user with SCRIPT KILL\.\.\. script: f, on @user_script:1\.$/,
    );
    assert.equal(bench.logged(/Lua script killed by user/), 1);
    bench.world.step = 0;
    bench.assertReady();
  });

  it('cannot be killed once it has written, nor when a master has sent it', () => {
    bench.world.step = threshold + 1;
    const { execution } = bench.start(endless, false);
    execution.run.wrote = true;
    assert.match(String(execution.kill(false)), /UNKILLABLE Sorry the script already executed write commands/);
    execution.run.wrote = false;
    bench.caller.primaryLink = true;
    assert.match(String(execution.kill(false)), /UNKILLABLE The busy script was sent by a master/);
    bench.caller.primaryLink = false;
    assert.match(String(execution.kill(true)), /BUSY .* FUNCTION KILL/);
    assert.equal(execution.kill(false), undefined);
  });

  it('is noted as slow once, and goes on to its end, where a master or a log that is loaded has sent it', () => {
    bench.world.step = threshold + 1;
    bench.caller.primaryLink = true;
    assert.equal(bench.start(long).reply, sum);
    bench.caller.primaryLink = false;
    assert.equal(bench.logged(/Slow script detected/), 1);
  });

  it('is ended after the threshold where its client cannot be made to wait', () => {
    bench.world.step = threshold + 1;
    bench.caller.denyBlocking = true;
    const { reply } = bench.start(endless);
    assert.match((reply as ReplyError).message, /^ERR Script killed by user with SCRIPT KILL/);
    bench.caller.denyBlocking = false;
    bench.world.step = 0;
    bench.assertReady();
  });

  it('is answered with an error of its own when something else than Lua fails', () => {
    const { reply } = bench.start("redis.pcall('fail')");
    assert.equal((reply as ReplyError).message, 'ERR internal error in a script');
    assert.equal(bench.logged(/internal error: Error: not an error of Lua/), 1);
    assert.deepEqual([bench.interpreter.broken, bench.interpreter.threads.outermost], [true, undefined]);
  });
});
