// One script or function under way in Lua: runs it on until it ends or is suspended, and makes a reply of its end.
// Owns: where it stands (suspended, to be killed, the place in its text, when this part of it began).
// Does not know: what the rest of the server does meanwhile, nor when it is resumed.
// Invariant: once there is a reply, nothing of the run is left in the interpreter.

import type { World } from '../../lib/base/world.ts';
import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { CountedError } from '../engine/registry.ts';
import { type Interpreter, ScriptEnded } from './interpreter.ts';
import type { ScriptRun } from './run.ts';
import type { LuaThreads, Progress } from './threads.ts';
import { readReply } from './values.ts';
import { LuaType, type ScriptPosition } from './vm.ts';

/** Milliseconds that a script over its time runs between two looks at other clients. */
const slice = 10;

const killedText = 'Script killed by user with SCRIPT KILL...';
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

export class Execution {
  readonly run: ScriptRun;
  readonly interpreter: Interpreter;
  readonly #world: World;
  #suspended = false;
  /** The log has said that it takes long. */
  #slow = false;
  #killed = false;
  /** Where it was left. */
  #place: ScriptPosition | undefined;
  /** When this part of it began: milliseconds of the world. */
  #since: number;

  constructor(run: ScriptRun, interpreter: Interpreter, world: World) {
    this.run = run;
    this.interpreter = interpreter;
    this.#world = world;
    this.#since = run.started;
  }

  /** What other clients are answered while it is suspended. */
  get busyReply(): ReplyError {
    return this.run.isEval ? busyWithScript : busyWithFunction;
  }

  /** Milliseconds since this part of it began. */
  get partMs(): number {
    return this.#world.now() - this.#since;
  }

  /** From now on its time is counted anew. */
  beginPart(): void {
    this.#since = this.#world.now();
  }

  /** It stands at this place of its text, and may be left there. */
  standAt(place: ScriptPosition | undefined): void {
    this.#place = place;
  }

  /** Runs it for the first time. `client`: that of its commands, in whose protocol its reply is read. */
  start(ref: () => number, args: readonly string[], client: { readonly protocol: 2 | 3 }): Reply | undefined {
    return this.#advance(() => this.interpreter.start(ref(), this.run.keys, args), client);
  }

  /** Goes on where it was left; the reply, or undefined when it was suspended again. */
  resume(client: { readonly protocol: 2 | 3 }): Reply | undefined {
    return this.#advance(() => this.interpreter.resume(), client);
  }

  /** As resume(), but one that was killed ends where it was left. */
  resumeOrEnd(client: { readonly protocol: 2 | 3 }): Reply | undefined {
    return this.#killed ? this.#end() : this.resume(client);
  }

  /** SCRIPT KILL and FUNCTION KILL: undefined when it will be ended instead of resumed. */
  kill(forEval: boolean): ReplyError | undefined {
    const { run } = this;
    if (run.caller.primaryLink) return fromMaster;
    if (run.wrote) return hasWritten;
    if (forEval !== run.isEval) return this.busyReply;
    this.#killed = true;
    return undefined;
  }

  /** Ends it where it was left; the reply, which gives the reason. */
  abandon(why: string): ReplyError {
    const reply = this.#error(this.#place, why, false);
    this.interpreter.abandon();
    return reply;
  }

  /**
   * Called every so often while Lua runs: after `threshold` ms (0: never) it is suspended for the first time, and then
   * after each slice.
   */
  tick(state: number, threads: LuaThreads, threshold: number): void {
    const { run } = this;
    const spent = this.partMs;
    if (this.#suspended ? spent < slice : threshold <= 0 || spent < threshold) return;
    if (!this.#slow) this.#noteSlow();
    this.#place = this.interpreter.vm.position(state);
    if (this.#mayWait && threads.suspend(state)) return;
    // It cannot be left here, so that nobody could end it by hand.
    if (threshold > 0 && spent >= threshold && !run.wrote && !run.caller.primaryLink) throw this.ended();
  }

  /** What is thrown from the hook to end it there, as if by SCRIPT KILL. */
  ended(): ScriptEnded {
    return new ScriptEnded(killedText);
  }

  #advance(step: () => Progress, client: { readonly protocol: 2 | 3 }): Reply | undefined {
    const { interpreter } = this;
    this.beginPart();
    let progress: Progress;
    try {
      progress = step();
    } catch (error) {
      return this.#broken(error);
    }
    if (progress === 'suspended') {
      this.#suspended = true;
      return undefined;
    }
    const state = interpreter.threads.outermost!;
    let reply: Reply;
    try {
      reply = progress === 'done' ? this.#result(state, client.protocol) : this.#failure(state);
    } catch (error) {
      interpreter.broken = true;
      return this.#broken(error);
    }
    interpreter.end(progress);
    return reply;
  }

  #result(state: number, protocol: 2 | 3): Reply {
    const { vm } = this.interpreter;
    // What it returns beyond the first value is nobody's.
    vm.lua.lua_settop(state, 1);
    return readReply(vm, state, protocol);
  }

  #failure(state: number): ReplyError {
    const { text, counted } = errorOf(this.interpreter, state);
    return this.#error(this.interpreter.vm.position(state), text, counted);
  }

  #broken(error: unknown): ReplyError {
    if (error instanceof ScriptEnded) return this.#end();
    this.interpreter.abandon();
    const deep = error instanceof RangeError;
    if (!deep) this.#world.log(`internal error: ${error instanceof Error ? error.stack : String(error)}`);
    return new ReplyError(deep ? 'ERR stack overflow' : 'ERR internal error in a script');
  }

  #end(): ReplyError {
    this.#world.log('Lua script killed by user with SCRIPT KILL.');
    return this.abandon(`ERR ${killedText}`);
  }

  /** With the place where it happened, and as one line. */
  #error(at: ScriptPosition | undefined, text: string, counted: boolean): ReplyError {
    const place = at === undefined ? '' : ` script: ${this.run.name}, on ${at.source}:${at.line}.`;
    const message = `${text}${place}`.replace(/[\r\n]+$/, '').replace(/[\r\n]/g, ' ');
    return counted ? new CountedError(message) : new ReplyError(message);
  }

  /** Whether the client can be made to wait: not inside EXEC, nor what a master sent. */
  get #mayWait(): boolean {
    return !this.run.caller.denyBlocking && !this.run.caller.primaryLink;
  }

  // Also of one that cannot be left: what a master sent, or a log that is loaded.
  #noteSlow(): void {
    const { run } = this;
    this.#slow = true;
    const spent = Math.floor(this.#world.now() - run.started);
    const word = run.isEval ? 'SCRIPT KILL' : 'FUNCTION KILL';
    this.#world.log(
      `Slow script detected: still in execution after ${spent} milliseconds. You can try killing the script using the ${word} command. Script name is: ${run.name}.`,
    );
  }
}

/** The error of the value on the top of a thread that failed; `counted`: the statistics of errors have it already. */
export function errorOf(interpreter: Interpreter, state: number): { text: string; counted: boolean } {
  const { vm } = interpreter;
  if (vm.lua.lua_type(state, -1) !== LuaType.table) return { text: `ERR ${vm.describe(state, -1)}`, counted: false };
  const text = vm.rawText(state, -1, 'err') ?? 'ERR unknown error';
  vm.rawField(state, -1, 'ignore_error_stats_update');
  const counted = vm.lua.lua_toboolean(state, -1) !== 0;
  vm.pop(state, 1);
  return { text, counted };
}
