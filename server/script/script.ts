// The run of scripts and functions on one server, one at a time.
// Owns: the run under way, and the timer by which it goes on after others were served.
// Does not know: the words of EVAL and SCRIPT (commands), what scripts there are (script-cache.ts, libraries.ts), nor how
// Lua comes to a reply (execution.ts).
// Invariant: a script is atomic: while it runs, however long, no other command that changes or reads data does, and what
// it changed leaves as one unit.

import { note, type Timer } from '../../lib/base/world.ts';
import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { aclCheck } from '../engine/acl-check.ts';
import type { Client } from '../engine/client.ts';
import { allTargets } from '../engine/effects.ts';
import type { Engine } from '../engine/engine.ts';
import { AsyncReply, CountedError, type Outcome } from '../engine/registry.ts';
import type { DebugSession } from './debugger.ts';
import { Execution } from './execution.ts';
import { Interpreter } from './interpreter.ts';
import type { ScriptHost } from './redis-api.ts';
import { type ScriptRun, ScriptRunner, type StartOptions } from './run.ts';
import { ScriptCache } from './script-cache.ts';
import { ScriptDebugger } from './script-debugger.ts';
import type { LuaThreads } from './threads.ts';
import type { LuaVm } from './vm.ts';

/** Whoever waits for the reply of a run that was suspended. */
interface Waiting {
  /** Undefined once it is gone. */
  settle: ((reply: Reply) => void) | undefined;
}

const noScript = new ReplyError('NOSCRIPT No matching script. Please use EVAL.');
const notBusy = new ReplyError('NOTBUSY No scripts in execution right now.');

/** What a script is called with. */
export interface ScriptCall extends StartOptions {
  readonly args: readonly string[];
}

export class Scripts implements ScriptHost {
  readonly runner: ScriptRunner;
  /** The scripts of EVAL. */
  readonly cache: ScriptCache;
  readonly debugging: ScriptDebugger;
  readonly #engine: Engine;
  #running: Execution | undefined;
  #timer: Timer | undefined;
  #waiting: Waiting | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.runner = new ScriptRunner(engine);
    this.debugging = new ScriptDebugger(engine, this);
    this.cache = new ScriptCache(() => this.#newInterpreter());
  }

  get current(): ScriptRun | undefined {
    return this.#running?.run;
  }

  /** EVAL (`text` given) or EVALSHA. */
  evaluate(
    caller: Client,
    sum: string,
    call: Omit<ScriptCall, 'name' | 'flags' | 'isEval'>,
    session?: DebugSession,
  ): Outcome {
    const script = this.cache.get(sum);
    if (script === undefined) return noScript;
    const options = { ...call, name: sum, flags: script.flags, isEval: true };
    return this.execute(caller, options, this.cache.interpreter(), () => script.ref, session);
  }

  /** Runs a compiled function of an interpreter as a script. */
  execute(
    caller: Client,
    call: ScriptCall,
    interpreter: Interpreter,
    ref: () => number,
    session?: DebugSession,
  ): Outcome {
    // A script that DEBUG lets call everything calls one.
    if (this.#running !== undefined) return new ReplyError('ERR a script cannot run another one');
    const run = this.runner.begin(caller, call);
    if (run instanceof ReplyError) return run;
    const execution = new Execution(run, interpreter, this.#engine.world);
    this.#running = execution;
    this.#engine.databases.freeze();
    if (session !== undefined) this.debugging.begin(session, execution);
    // Its commands collect their effects themselves.
    caller.propagate();
    const reply = execution.start(ref, call.args, this.runner.client);
    if (reply === undefined) this.#suspend(execution);
    if (session !== undefined) return this.debugging.afterStart(reply);
    if (reply !== undefined) {
      this.finish();
      return reply;
    }
    const waiting: Waiting = { settle: undefined };
    this.#waiting = waiting;
    return new AsyncReply((settle) => {
      waiting.settle = settle;
      return () => {
        waiting.settle = undefined;
      };
    });
  }

  /** SCRIPT KILL and FUNCTION KILL: undefined when the script that runs will be ended. */
  kill(forEval: boolean): ReplyError | undefined {
    return this.#running === undefined ? notBusy : this.#running.kill(forEval);
  }

  /** What FUNCTION STATS says of it. */
  runDuration(): number {
    const run = this.current;
    return run === undefined ? 0 : Math.floor(this.#engine.world.now() - run.started);
  }

  /** The node stops. */
  close(): void {
    this.#timer?.cancel();
  }

  // ---- what the running script asks for

  get running(): boolean {
    return this.#running !== undefined;
  }

  get protocol(): 2 | 3 {
    return this.runner.client.protocol;
  }

  setProtocol(protocol: 2 | 3): void {
    this.runner.client.protocol = protocol;
  }

  setTargets(targets: number): void {
    this.#engine.effects.targets = targets;
  }

  call(argv: readonly string[]): Reply | undefined {
    const reply = this.runner.call(this.#running!.run, argv);
    if (this.debugging.active) this.debugging.noteCall(argv, reply ?? null);
    return reply;
  }

  breakSoon(): boolean {
    return this.debugging.breakSoon();
  }

  debug(vm: LuaVm, state: number): void {
    this.debugging.print(vm, state);
  }

  mayCall(argv: readonly string[]): boolean | undefined {
    const command = this.#engine.registry.find(argv);
    if (command instanceof ReplyError) return undefined;
    const { user } = this.#running!.run.caller;
    return !user.limited || aclCheck(user, command.row, argv) === undefined;
  }

  log(level: number, text: string): void {
    const { world, config } = this.#engine;
    const least = ['debug', 'verbose', 'notice', 'warning'].indexOf(config.get('loglevel'));
    if (level < least) return;
    if (level === 3) world.log(text);
    else note(world, text);
  }

  /** Called every so often while Lua runs: looks at the clock. */
  tick(state: number, threads: LuaThreads): void {
    if (this.debugging.active) this.debugging.arrive(state, threads);
    else this.#running?.tick(state, threads, this.#engine.config.number('busy-reply-threshold'));
  }

  #newInterpreter(): Interpreter {
    return new Interpreter({
      forEval: true,
      script: this,
      deprecatedApi: this.#engine.config.flag('lua-enable-deprecated-api'),
      onTick: (state, threads) => this.tick(state, threads),
    });
  }

  // ---- one that takes long

  #suspend(execution: Execution): void {
    const engine = this.#engine;
    engine.busy = execution.busyReply;
    // In a session its client says when it goes on.
    if (this.debugging.active) return;
    this.#timer = engine.world.after(0, () => this.#continue(execution), true);
  }

  /** It goes on at once, as one that no session steps through. */
  goOn(): void {
    if (this.#running !== undefined) this.#continue(this.#running);
  }

  #continue(execution: Execution): void {
    const reply = execution.resumeOrEnd(this.runner.client);
    if (reply === undefined) {
      this.#suspend(execution);
      return;
    }
    const waiting = this.#waiting;
    this.finish();
    if (reply instanceof ReplyError && !(reply instanceof CountedError)) this.#engine.countError(reply);
    // Its client may be gone; what it changed must leave all the same.
    this.#engine.finish();
    waiting?.settle?.(reply);
    this.#engine.freed();
  }

  /** The run is over: other commands run again. */
  finish(): void {
    const engine = this.#engine;
    this.#running = undefined;
    this.#waiting = undefined;
    this.#timer = undefined;
    engine.effects.targets = allTargets;
    engine.busy = undefined;
    engine.databases.unfreeze();
  }
}
