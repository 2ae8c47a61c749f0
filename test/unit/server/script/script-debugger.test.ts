// SCRIPT DEBUG SYNC without sockets: who gets a session, whom it answers, and what is left when it ends.

import assert from 'node:assert/strict';
import { ManualWorld } from '../../../../lib/base/world.ts';
import type { Reply, ReplyError, Status } from '../../../../lib/wire/reply.ts';
import { createEngine } from '../../../../server/command/all.ts';
import type { Client } from '../../../../server/engine/client.ts';
import { execute } from '../../../../server/engine/dispatch.ts';
import type { Engine } from '../../../../server/engine/engine.ts';
import { nobody } from '../../../../server/engine/replay.ts';
import { addScriptCommands } from '../../../../server/script/commands.ts';
import { Libraries } from '../../../../server/script/libraries.ts';
import { Scripts } from '../../../../server/script/script.ts';

const script = "local a = 1\nredis.call('set', KEYS[1], a)\nreturn a";

class Speaker {
  readonly sent: Reply[] = [];
  closed = false;
  readonly client: Client;
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
    const send = (reply: Reply): void => void this.sent.push(reply);
    const close = (): void => {
      this.closed = true;
    };
    this.client = engine.connect({ ...nobody, send, close });
  }

  say(...argv: string[]): Reply | undefined {
    return execute(this.#engine, this.client, argv);
  }

  /** A command of the session: its lines. */
  step(...argv: string[]): string {
    return lines(this.client.captor!.run(argv));
  }
}

function lines(reply: Reply | undefined): string {
  return Array.isArray(reply) ? reply.map((line) => (line as Status).text).join('\n') : String(reply);
}

describe('the script debugger', () => {
  let world: ManualWorld;
  let engine: Engine;
  let scripts: Scripts;
  beforeEach(() => {
    world = new ManualWorld();
    engine = createEngine({ world });
    scripts = new Scripts(engine);
    addScriptCommands(engine, scripts, new Libraries(engine, scripts));
  });
  afterEach(() => engine.stop());

  it('gives a session to a client that asked for one, once, and to nobody else', () => {
    const [one, other] = [new Speaker(engine), new Speaker(engine)];
    one.say('SCRIPT', 'DEBUG', 'SYNC');
    assert.deepEqual(
      [one.client, other.client].map((client) => scripts.debugging.isAsked(client)),
      [true, false],
    );
    assert.equal(scripts.debugging.sessionFor(other.client, script), undefined);
    one.client.denyBlocking = true;
    assert.equal(scripts.debugging.sessionFor(one.client, script), undefined);
    one.client.denyBlocking = false;
    assert.notEqual(scripts.debugging.sessionFor(one.client, script), undefined);
    assert.equal(scripts.debugging.sessionFor(one.client, script), undefined);
    one.say('SCRIPT', 'DEBUG', 'SYNC');
    one.say('SCRIPT', 'DEBUG', 'NO');
    assert.equal(scripts.debugging.sessionFor(one.client, script), undefined);
  });

  it('stops before the first line; others find the server busy until the session ends', () => {
    const [one, other] = [new Speaker(engine), new Speaker(engine)];
    one.say('SCRIPT', 'DEBUG', 'SYNC');
    assert.match(lines(one.say('EVAL', script, '1', 'k')), /Stopped at 1, stop reason = step over/);
    assert.equal(scripts.debugging.active, true);
    assert.match(String(other.say('GET', 'k')), /BUSY/);
    assert.equal(scripts.debugging.sessionFor(one.client, script), undefined);
    assert.match(one.step('n'), /Stopped at 2/);
    assert.match(one.step('p', 'a'), /<value> 1/);
    assert.equal(one.step('c'), '1');
    assert.match(lines(one.sent[0]), /<endsession>/);
    assert.deepEqual([one.closed, one.client.captor, scripts.debugging.active], [true, undefined, false]);
    assert.equal(other.say('GET', 'k'), '1');
  });

  it('aborts the script where it stands', () => {
    const one = new Speaker(engine);
    one.say('SCRIPT', 'DEBUG', 'SYNC');
    one.say('EVAL', script, '1', 'k');
    const reply = one.client.captor!.run(['abort']);
    assert.match(
      (reply as ReplyError).message,
      /^ERR script aborted for user request script: \w+, on @user_script:1\.$/,
    );
    assert.deepEqual([scripts.running, scripts.debugging.active, one.closed], [false, false, true]);
    assert.equal(new Speaker(engine).say('GET', 'k'), null);
  });

  it('lets the script run to its end when its client is gone', () => {
    const [one, other] = [new Speaker(engine), new Speaker(engine)];
    one.say('SCRIPT', 'DEBUG', 'SYNC');
    one.say('EVAL', script, '1', 'k');
    one.client.captor!.gone();
    assert.deepEqual([scripts.running, scripts.debugging.active, one.client.captor], [false, false, undefined]);
    assert.equal(other.say('GET', 'k'), '1');
  });

  it('shows nothing, and reports that there is no session, when none is under way', () => {
    scripts.debugging.noteCall(['get', 'k'], null);
    assert.equal(scripts.debugging.breakSoon(), false);
    assert.equal(new Speaker(engine).say('EVAL', 'return tostring(redis.breakpoint())', '0'), 'false');
  });
});
