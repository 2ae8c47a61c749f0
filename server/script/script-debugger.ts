// The sessions of the script debugger (SCRIPT DEBUG SYNC): who asked for one, and the one under way. Meanwhile the
// client's requests are its commands, and everybody else finds the server busy.
// Owns: the clients whose next EVAL begins a session; the session, with the run that it steps through.
// Does not know: how lines are shown and what a command means (debugger.ts), nor how a run begins and ends for others.
// Invariant: while a session is under way its run stops nowhere but before a line of the script, and its client is
// answered by nobody else.

import { note } from '../../lib/base/world.ts';
import type { Reply } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import { DebugSession, scriptSource, valueText } from './debugger.ts';
import type { Execution } from './execution.ts';
import type { ScriptRunner } from './run.ts';
import type { LuaThreads } from './threads.ts';
import type { LuaVm } from './vm.ts';

/** Milliseconds that a script runs in a session without a stop, where nothing says how long scripts may run. */
const usualLimit = 5000;

/** Whoever runs the script. */
interface ScriptOwner {
  readonly runner: ScriptRunner;
  readonly running: boolean;
  /** The run is over for everybody else. */
  finish(): void;
  /** The run goes on as any other does. */
  goOn(): void;
}

interface Stepped {
  readonly session: DebugSession;
  readonly execution: Execution;
}

export class ScriptDebugger {
  readonly #engine: Engine;
  readonly #owner: ScriptOwner;
  readonly #asked = new WeakSet<Client>();
  #stepped: Stepped | undefined;

  constructor(engine: Engine, owner: ScriptOwner) {
    this.#engine = engine;
    this.#owner = owner;
  }

  /** SCRIPT DEBUG. */
  ask(client: Client, sync: boolean): void {
    if (sync) this.#asked.add(client);
    else this.#asked.delete(client);
  }

  isAsked(client: Client): boolean {
    return this.#asked.has(client);
  }

  /** The session that a client's EVAL begins; undefined: it runs as it is. */
  sessionFor(client: Client, text: string): DebugSession | undefined {
    if (!this.#asked.has(client) || client.denyBlocking || this.#owner.running) return undefined;
    this.#asked.delete(client);
    note(this.#engine.world, 'Redis synchronous debugging eval session started');
    return new DebugSession(text, this.#engine.world.now());
  }

  /** Whether a session is under way. */
  get active(): boolean {
    return this.#stepped !== undefined;
  }

  /** Before the run begins. */
  begin(session: DebugSession, execution: Execution): void {
    this.#stepped = { session, execution };
    execution.interpreter.threads.useLines(true);
  }

  /** After the first part of the run: what the client of EVAL is answered. */
  afterStart(reply: Reply | undefined): Reply {
    const stepped = this.#stepped!;
    if (reply !== undefined) return this.#end(stepped, reply);
    stepped.execution.run.caller.captor = {
      run: (argv) => this.#command(stepped, argv),
      gone: () => this.#leave(stepped),
    };
    return stepped.session.take();
  }

  // ---- what the run reports

  /** Before a line runs; also every so often in a text that the session has run. */
  arrive(state: number, threads: LuaThreads): void {
    const { session, execution } = this.#stepped!;
    const { world, config } = this.#engine;
    const limit = config.number('busy-reply-threshold') || usualLimit;
    if (!threads.isOwn(state)) {
      if (execution.partMs >= limit) throw execution.ended();
      return;
    }
    const at = execution.interpreter.vm.position(state);
    if (at?.source !== scriptSource) return;
    execution.standAt(at);
    if (session.arrive(at.line, world.now(), limit)) threads.suspend(state);
  }

  /** A command of the script and its reply. */
  noteCall(argv: readonly string[], reply: Reply): void {
    this.#stepped?.session.noteCall(argv, reply);
  }

  /** redis.breakpoint(): whether there is a session. */
  breakSoon(): boolean {
    this.#stepped?.session.breakSoon();
    return this.active;
  }

  /** redis.debug(): prints the values on the stack. */
  print(vm: LuaVm, state: number): void {
    const session = this.#stepped?.session;
    if (session === undefined) return;
    const values: string[] = [];
    for (let at = 1; at <= vm.lua.lua_gettop(state); at++) {
      vm.lua.lua_pushvalue(state, at);
      values.push(valueText(vm, state, 0));
      vm.pop(state, 1);
    }
    session.print(`<debug> line ${vm.position(state)?.line ?? 0}: ${values.join(', ')}`);
  }

  // ---- what the client asks for

  #command(stepped: Stepped, argv: readonly string[]): Reply {
    const { session, execution } = stepped;
    const { interpreter, run } = execution;
    const { runner } = this.#owner;
    const { vm } = interpreter;
    const state = interpreter.threads.innermost!;
    const withGlobal = (name: string, use: () => void): void => interpreter.withGlobal(state, name, use);
    const step = vm.onLeftLine(state, () => session.command(argv, { vm, state, withGlobal }));
    if (step.kind === 'evaluate') this.#evaluate(stepped, step.code);
    else if (step.kind === 'call') session.noteCall(step.argv, runner.call(run, step.argv) ?? null, true);
    if (step.kind === 'abort') return this.#end(stepped, execution.abandon('ERR script aborted for user request'));
    if (step.kind !== 'go') return session.take();
    session.resume(this.#engine.world.now());
    const reply = execution.resume(runner.client);
    return reply === undefined ? session.take() : this.#end(stepped, reply);
  }

  #evaluate({ session, execution }: Stepped, code: string): void {
    execution.beginPart();
    const { interpreter } = execution;
    let error: string | undefined;
    try {
      error = interpreter.evaluate(code, (state) =>
        session.printLong(`<retval> ${valueText(interpreter.vm, state, 0)}`),
      );
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown);
    }
    if (error !== undefined) session.print(`<error> ${error}`);
  }

  /** The lines that are left, then the answer of EVAL, and the connection ends. */
  #end(stepped: Stepped, reply: Reply): Reply {
    const { session, execution } = stepped;
    const { caller } = execution.run;
    note(this.#engine.world, 'Redis synchronous debugging eval session ended');
    this.#detach(stepped);
    this.#owner.finish();
    this.#engine.finish();
    session.print('<endsession>');
    caller.sink.send(session.take());
    caller.sink.close(true);
    this.#engine.freed();
    return reply;
  }

  /** Its client is gone: it runs on as any script does, before anybody else asks for something. */
  #leave(stepped: Stepped): void {
    this.#detach(stepped);
    this.#owner.goOn();
  }

  #detach({ execution }: Stepped): void {
    execution.run.caller.captor = undefined;
    this.#stepped = undefined;
    execution.interpreter.threads.useLines(false);
  }
}
