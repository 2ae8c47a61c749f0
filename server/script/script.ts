// The scripts of one server: those that were loaded, and the one that runs.
// Owns: the script cache, the Lua states (made when the first script comes), and the run under way.
// Does not know: the words of EVAL and SCRIPT (commands), nor function libraries (libraries.ts).
// Invariants: nothing is compiled twice; a script is atomic: while it runs, however long, no other command that changes
// or reads data does, and what it changed leaves as one unit.

import type { Timer } from '../../lib/base/world.ts';
import { note } from '../../lib/base/world.ts';
import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { aclCheck } from '../engine/acl-check.ts';
import type { Client } from '../engine/client.ts';
import { allTargets } from '../engine/effects.ts';
import type { Engine } from '../engine/engine.ts';
import { AsyncReply, CountedError, type Outcome } from '../engine/registry.ts';
import { DebugSession, scriptSource, valueText } from './debugger.ts';
import { Interpreter, ScriptEnded } from './interpreter.ts';
import { type ScriptHost, sha1 } from './redis-api.ts';
import { type ScriptRun, ScriptRunner, type StartOptions } from './run.ts';
import { readScript } from './shebang.ts';
import type { LuaThreads, Progress } from './threads.ts';
import { readReply } from './values.ts';
import { LuaType, type LuaVm, type ScriptPosition } from './vm.ts';

interface Script {
  readonly text: string;
  readonly flags: number;
  /** In the state that it was compiled in. */
  ref: number;
}

interface Running {
  readonly run: ScriptRun;
  readonly interpreter: Interpreter;
  /** Undefined until it was suspended. */
  settle: ((reply: Reply) => void) | undefined;
  suspended: boolean;
  killed: boolean;
  /** Where it was left. */
  place: ScriptPosition | undefined;
  /** When this part of it began: milliseconds of the world. */
  since: number;
  timer: Timer | undefined;
  /** It is stepped through. */
  session: DebugSession | undefined;
}

/** Characters from which on the sum of a text is remembered, and how many are. */
const longText = 512;
const maxSums = 128;

/** Milliseconds that a script over its time runs between two looks at other clients. */
const slice = 10;

const noScript = new ReplyError('NOSCRIPT No matching script. Please use EVAL.');
const notBusy = new ReplyError('NOTBUSY No scripts in execution right now.');
const fromMaster = new ReplyError(
  'UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot be killed.',
);
const hasWritten = new ReplyError(
  'UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.',
);
const busyWithScript = new ReplyError(
  'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
);
const busyWithFunction = new ReplyError(
  'BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.',
);
const killed = 'Script killed by user with SCRIPT KILL...';

/** Milliseconds that a script runs in a session without a stop, where nothing says how long scripts may run. */
const usualLimit = 5000;

/** What a script is called with. */
export interface ScriptCall extends StartOptions {
  readonly args: readonly string[];
}

export class Scripts implements ScriptHost {
  readonly runner: ScriptRunner;
  readonly #engine: Engine;
  readonly #scripts = new Map<string, Script>();
  #interpreter: Interpreter | undefined;
  #running: Running | undefined;
  #bytes = 0;
  /** Clients whose next EVAL begins a session of the debugger. */
  readonly #debugging = new WeakSet<Client>();
  /** Sums of long texts by their length: comparing a text is quicker than summing it up again. */
  readonly #sums = new Map<number, { readonly text: string; readonly sum: string }>();

  constructor(engine: Engine) {
    this.#engine = engine;
    this.runner = new ScriptRunner(engine);
  }

  /** Scripts in the cache, and the bytes of their texts. */
  get size(): { readonly scripts: number; readonly bytes: number } {
    return { scripts: this.#scripts.size, bytes: this.#bytes };
  }

  /** Bytes of the Lua state for EVAL. */
  get memoryUsed(): number {
    return this.#interpreter?.vm.memoryUsed ?? 0;
  }

  get current(): ScriptRun | undefined {
    return this.#running?.run;
  }

  has(sum: string): boolean {
    return this.#scripts.has(sum.toLowerCase());
  }

  /** The flags of a script that is known, or would be once it was sent; undefined: it cannot be said. */
  flagsOf(sum: string | undefined, text: string | undefined): number | undefined {
    const known = sum === undefined ? undefined : this.#scripts.get(sum.toLowerCase());
    if (known !== undefined) return known.flags;
    if (text === undefined || !text.startsWith('#!')) return undefined;
    const source = readScript(text);
    return source instanceof ReplyError ? undefined : source.flags;
  }

  /** The SHA1 sum of a script's text. */
  sumOf(text: string): string {
    if (text.length < longText) return sha1(text);
    const known = this.#sums.get(text.length);
    if (known?.text === text) return known.sum;
    const sum = sha1(text);
    if (this.#sums.size >= maxSums) this.#sums.clear();
    this.#sums.set(text.length, { text, sum });
    return sum;
  }

  /** Compiles a script unless it is known; gives its sum, or what is wrong with it. */
  load(text: string): string | ReplyError {
    const sum = this.sumOf(text);
    if (this.#scripts.has(sum)) return sum;
    const source = readScript(text);
    if (source instanceof ReplyError) return source;
    const compiled = this.#ready().compile(source.code, '@user_script');
    if ('error' in compiled) {
      return new ReplyError(`ERR Error compiling script (new function): ${compiled.error}`);
    }
    this.#scripts.set(sum, { text, flags: source.flags, ref: compiled.ref });
    this.#bytes += text.length;
    return sum;
  }

  /** Forgets every script, and what the state for them holds. */
  flush(): void {
    this.#scripts.clear();
    this.#sums.clear();
    this.#bytes = 0;
    this.#interpreter = undefined;
  }

  /** EVAL (`text` given) or EVALSHA. */
  evaluate(
    caller: Client,
    sum: string,
    call: Omit<ScriptCall, 'name' | 'flags' | 'isEval'>,
    session?: DebugSession,
  ): Outcome {
    const script = this.#scripts.get(sum);
    if (script === undefined) return noScript;
    const options = { ...call, name: sum, flags: script.flags, isEval: true };
    return this.execute(caller, options, this.#ready(), () => script.ref, session);
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
    const running: Running = {
      run,
      interpreter,
      settle: undefined,
      suspended: false,
      killed: false,
      place: undefined,
      since: run.started,
      timer: undefined,
      session,
    };
    this.#begin(running);
    if (session !== undefined) interpreter.threads.useLines(true);
    // Its commands collect their effects themselves.
    caller.propagate();
    const reply = this.#advance(running, () => interpreter.start(ref(), call.keys, call.args));
    if (session !== undefined) {
      if (reply !== undefined) return this.#endSession(running, session, reply);
      caller.captor = {
        run: (argv) => this.#debugCommand(running, session, argv),
        gone: () => this.#leaveAlone(running),
      };
      return session.take();
    }
    if (reply !== undefined) {
      this.#end();
      return reply;
    }
    return new AsyncReply((settle) => {
      running.settle = settle;
      return () => {
        running.settle = undefined;
      };
    });
  }

  /** SCRIPT DEBUG. */
  setDebugging(client: Client, sync: boolean): void {
    if (sync) this.#debugging.add(client);
    else this.#debugging.delete(client);
  }

  isDebugging(client: Client): boolean {
    return this.#debugging.has(client);
  }

  /** The session that a client's EVAL begins; undefined: it runs as it is. */
  sessionFor(client: Client, text: string): DebugSession | undefined {
    if (!this.#debugging.has(client) || client.denyBlocking || this.#running !== undefined) return undefined;
    this.#debugging.delete(client);
    note(this.#engine.world, 'Redis synchronous debugging eval session started');
    return new DebugSession(text, this.#engine.world.now());
  }

  /** SCRIPT KILL and FUNCTION KILL: undefined when the script that runs will be ended. */
  kill(forEval: boolean): ReplyError | undefined {
    const running = this.#running;
    if (running === undefined) return notBusy;
    const { run } = running;
    if (run.caller.primaryLink) return fromMaster;
    if (run.wrote) return hasWritten;
    if (forEval !== run.isEval) return run.isEval ? busyWithScript : busyWithFunction;
    running.killed = true;
    return undefined;
  }

  /** What FUNCTION STATS says of it. */
  runDuration(): number {
    return this.#running === undefined ? 0 : Math.floor(this.#engine.world.now() - this.#running.run.started);
  }

  /** The node stops. */
  close(): void {
    this.#running?.timer?.cancel();
  }

  // What the running script asks for.

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
    const running = this.#running!;
    const reply = this.runner.call(running.run, argv);
    running.session?.noteCall(argv, reply ?? null);
    return reply;
  }

  breakSoon(): boolean {
    const session = this.#running?.session;
    session?.breakSoon();
    return session !== undefined;
  }

  debug(vm: LuaVm, state: number): void {
    const session = this.#running?.session;
    if (session === undefined) return;
    const values: string[] = [];
    for (let at = 1; at <= vm.lua.lua_gettop(state); at++) {
      vm.lua.lua_pushvalue(state, at);
      values.push(valueText(vm, state, 0));
      vm.pop(state, 1);
    }
    session.print(`<debug> line ${vm.position(state)?.line ?? 0}: ${values.join(', ')}`);
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
    const running = this.#running;
    if (running === undefined) return;
    if (running.session !== undefined) {
      this.#arrive(running, running.session, state, threads);
      return;
    }
    const threshold = this.#engine.config.number('busy-reply-threshold');
    const now = this.#engine.world.now();
    if (running.suspended ? now - running.since < slice : threshold <= 0 || now - running.since < threshold) return;
    const first = !running.suspended;
    running.place = running.interpreter.vm.position(state);
    if (this.#mayWait(running) && threads.suspend(state)) {
      if (first) this.#noteSlow(running);
      return;
    }
    // It cannot be left here, so that nobody could end it by hand.
    if (threshold > 0 && now - running.since >= threshold && !running.run.wrote && !running.run.caller.primaryLink) {
      throw new ScriptEnded(killed);
    }
  }

  /** The error of the value on the top of a thread that failed; `position`: with the place in the script. */
  static errorText(interpreter: Interpreter, state: number): { text: string; counted: boolean } {
    const { vm } = interpreter;
    if (vm.lua.lua_type(state, -1) !== LuaType.table) return { text: `ERR ${vm.describe(state, -1)}`, counted: false };
    const text = vm.rawText(state, -1, 'err') ?? 'ERR unknown error';
    vm.rawField(state, -1, 'ignore_error_stats_update');
    const counted = vm.lua.lua_toboolean(state, -1) !== 0;
    vm.pop(state, 1);
    return { text, counted };
  }

  #ready(): Interpreter {
    const old = this.#interpreter;
    if (old !== undefined && !old.broken) return old;
    const interpreter = new Interpreter({
      forEval: true,
      script: this,
      deprecatedApi: this.#engine.config.flag('lua-enable-deprecated-api'),
      onTick: (state, threads) => this.tick(state, threads),
    });
    this.#interpreter = interpreter;
    // What the old state knew is compiled for the new one.
    for (const script of this.#scripts.values()) {
      const source = readScript(script.text);
      if (source instanceof ReplyError) continue;
      const compiled = interpreter.compile(source.code, '@user_script');
      if ('ref' in compiled) script.ref = compiled.ref;
    }
    return interpreter;
  }

  #begin(running: Running): void {
    const { databases } = this.#engine;
    this.#running = running;
    databases.freeze();
  }

  #end(): void {
    const engine = this.#engine;
    this.#running = undefined;
    engine.effects.targets = allTargets;
    engine.busy = undefined;
    engine.databases.unfreeze();
  }

  /** Runs the script on; the reply, or undefined when it was suspended. */
  #advance(running: Running, step: () => Progress): Reply | undefined {
    const { interpreter } = running;
    running.since = this.#engine.world.now();
    let progress: Progress;
    try {
      progress = step();
    } catch (error) {
      return this.#broken(running, error);
    }
    if (progress === 'suspended') {
      this.#suspend(running);
      return undefined;
    }
    const state = interpreter.threads.outermost!;
    let reply: Reply;
    try {
      reply = progress === 'done' ? this.#result(interpreter, state) : this.#failure(running, state);
    } catch (error) {
      interpreter.broken = true;
      return this.#broken(running, error);
    }
    interpreter.end(progress);
    return reply;
  }

  #result(interpreter: Interpreter, state: number): Reply {
    // What it returns beyond the first value is nobody's.
    interpreter.vm.lua.lua_settop(state, 1);
    return readReply(interpreter.vm, state, this.protocol);
  }

  #failure(running: Running, state: number): ReplyError {
    const { text, counted } = Scripts.errorText(running.interpreter, state);
    return this.#error(running, running.interpreter.vm.position(state), text, counted);
  }

  /** With the place where it happened, and as one line. */
  #error({ run }: Running, at: ScriptPosition | undefined, text: string, counted: boolean): ReplyError {
    const place = at === undefined ? '' : ` script: ${run.name}, on ${at.source}:${at.line}.`;
    const message = `${text}${place}`.replace(/[\r\n]+$/, '').replace(/[\r\n]/g, ' ');
    return counted ? new CountedError(message) : new ReplyError(message);
  }

  #broken(running: Running, error: unknown): ReplyError {
    const { interpreter } = running;
    if (error instanceof ScriptEnded) {
      const reply = this.#killed(running);
      interpreter.abandon();
      return reply;
    }
    interpreter.abandon();
    const deep = error instanceof RangeError;
    if (!deep) this.#engine.world.log(`internal error: ${error instanceof Error ? error.stack : String(error)}`);
    return new ReplyError(deep ? 'ERR stack overflow' : 'ERR internal error in a script');
  }

  #killed(running: Running): ReplyError {
    this.#engine.world.log('Lua script killed by user with SCRIPT KILL.');
    return this.#error(running, running.place, `ERR ${killed}`, false);
  }

  /** Whether the client can be made to wait: not inside EXEC, nor what a master sent. */
  #mayWait({ run }: Running): boolean {
    return !run.caller.denyBlocking && !run.caller.primaryLink;
  }

  #noteSlow({ run }: Running): void {
    const spent = Math.floor(this.#engine.world.now() - run.started);
    const word = run.isEval ? 'SCRIPT KILL' : 'FUNCTION KILL';
    this.#engine.world.log(
      `Slow script detected: still in execution after ${spent} milliseconds. You can try killing the script using the ${word} command. Script name is: ${run.name}.`,
    );
  }

  // ---- a session of the debugger: the client's requests are its commands, and everybody else finds the server busy

  /** Before a line runs; also every so often in a text that the session has run. */
  #arrive(running: Running, session: DebugSession, state: number, threads: LuaThreads): void {
    const { world, config } = this.#engine;
    const limit = config.number('busy-reply-threshold') || usualLimit;
    const own = threads.isOwn(state);
    if (!own) {
      if (world.now() - running.since >= limit) throw new ScriptEnded(killed);
      return;
    }
    const at = running.interpreter.vm.position(state);
    if (at?.source !== scriptSource) return;
    running.place = at;
    if (session.arrive(at.line, world.now(), limit)) threads.suspend(state);
  }

  #debugCommand(running: Running, session: DebugSession, argv: readonly string[]): Reply {
    const { interpreter } = running;
    const { vm } = interpreter;
    const state = interpreter.threads.innermost!;
    const withGlobal = (name: string, use: () => void): void => interpreter.withGlobal(state, name, use);
    const step = vm.onLeftLine(state, () => session.command(argv, { vm, state, withGlobal }));
    if (step.kind === 'evaluate') this.#evaluate(running, session, step.code);
    else if (step.kind === 'call') session.noteCall(step.argv, this.runner.call(running.run, step.argv) ?? null, true);
    if (step.kind === 'abort') {
      const reply = this.#error(running, running.place, 'ERR script aborted for user request', false);
      interpreter.abandon();
      return this.#endSession(running, session, reply);
    }
    if (step.kind !== 'go') return session.take();
    session.resume(this.#engine.world.now());
    const reply = this.#advance(running, () => interpreter.resume());
    return reply === undefined ? session.take() : this.#endSession(running, session, reply);
  }

  #evaluate(running: Running, session: DebugSession, code: string): void {
    running.since = this.#engine.world.now();
    const { interpreter } = running;
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
  #endSession(running: Running, session: DebugSession, reply: Reply): Reply {
    const { caller } = running.run;
    note(this.#engine.world, 'Redis synchronous debugging eval session ended');
    caller.captor = undefined;
    running.session = undefined;
    running.interpreter.threads.useLines(false);
    this.#end();
    this.#engine.finish();
    session.print('<endsession>');
    caller.sink.send(session.take());
    caller.sink.close(true);
    return reply;
  }

  /** Its client is gone: it runs on as any script does, before anybody else asks for something. */
  #leaveAlone(running: Running): void {
    running.run.caller.captor = undefined;
    running.session = undefined;
    running.interpreter.threads.useLines(false);
    this.#continue(running);
  }

  #suspend(running: Running): void {
    const engine = this.#engine;
    running.suspended = true;
    engine.busy = running.run.isEval ? busyWithScript : busyWithFunction;
    if (running.session !== undefined) return;
    running.timer = engine.world.after(0, () => this.#continue(running), true);
  }

  #continue(running: Running): void {
    const reply = running.killed ? this.#endNow(running) : this.#advance(running, () => running.interpreter.resume());
    if (reply === undefined) return;
    this.#end();
    if (reply instanceof ReplyError && !(reply instanceof CountedError)) this.#engine.countError(reply);
    // Its client may be gone; what it changed must leave all the same.
    this.#engine.finish();
    running.settle?.(reply);
  }

  #endNow(running: Running): ReplyError {
    const reply = this.#killed(running);
    running.interpreter.abandon();
    return reply;
  }
}
