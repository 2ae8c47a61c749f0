// Runs Lua functions so that they can be left in the middle and taken up again: each in a coroutine of its own, and so
// each function that a script calls through pcall, which C could not come back to otherwise.
// Owns: the coroutines of the function that runs, innermost last, and spare ones.
// Does not know: why a run is suspended or ended.
// Invariant: at most one function runs in a state; after it has ended, failed or was abandoned the chain is empty.

import { LuaType, type LuaVm } from './vm.ts';

/** `suspended`: call resume() to go on. The thread has the result, or the error's value, on its top. */
export type Progress = 'done' | 'failed' | 'suspended';

interface Thread {
  readonly state: number;
  /** What keeps it from being collected. */
  readonly ref: number;
  /** Called by xpcall: the function that an error's value goes through, as a reference. */
  handler: number | undefined;
  /** Whether everything around it can be left and taken up again. */
  resumable: boolean;
  /** When its hook is called. */
  mask: number;
}

const yielded = 1;
const countMask = 8;
const lineMask = 4;
/** Instructions between two calls of the hook. */
const hookInterval = 10_000;
const maxSpare = 16;
/** Nested pcalls, as many as Lua allows nested C calls. */
const maxDepth = 190;

export class LuaThreads {
  readonly #vm: LuaVm;
  readonly #chain: Thread[] = [];
  readonly #spare: Thread[] = [];
  readonly #reuse: boolean;
  #suspending = false;
  #mask = countMask;

  /** `reuse`: false when a run could leave its thread with other globals (setfenv). */
  constructor(vm: LuaVm, reuse: boolean) {
    this.#vm = vm;
    this.#reuse = reuse;
  }

  /** The outermost thread of the run; undefined: nothing runs. */
  get outermost(): number | undefined {
    return this.#chain[0]?.state;
  }

  /** The thread that runs, or was suspended. */
  get innermost(): number | undefined {
    return this.#chain.at(-1)?.state;
  }

  /** Whether the hook is called before each line instead of every so often. */
  useLines(lines: boolean): void {
    this.#mask = lines ? lineMask : countMask;
    for (const thread of this.#chain) this.#hook(thread);
  }

  /** Whether a thread is one of the run, and not a coroutine that the script made itself. */
  isOwn(state: number): boolean {
    return this.#chain.some((thread) => thread.state === state);
  }

  /** A thread for the next run, with an empty stack: push the function and its arguments, then start(). */
  open(): number {
    const thread = this.#take();
    thread.resumable = true;
    this.#chain.push(thread);
    return thread.state;
  }

  /** Runs the function on the top with `args` arguments. Errors that are not Lua's pass through; then abandon(). */
  start(args: number): Progress {
    return this.#advance(args);
  }

  resume(): Progress {
    return this.#advance(0);
  }

  /** From the hook: suspends the run when it can be taken up again here; false when it cannot. */
  suspend(state: number): boolean {
    const top = this.#chain.at(-1);
    if (top === undefined || top.state !== state || !top.resumable || this.#vm.insideC(state)) return false;
    this.#suspending = true;
    this.#vm.lua.lua_yield(state, 0);
    return true;
  }

  /** After the results of a run were taken: its thread is free for the next. */
  close(progress: Progress): void {
    const thread = this.#chain.pop()!;
    if (progress === 'done') this.#release(thread);
    else this.#discard(thread);
  }

  /** Forgets the run where it is. */
  abandon(): void {
    for (const thread of this.#chain) this.#discard(thread);
    this.#chain.length = 0;
    this.#suspending = false;
  }

  /** pcall (`caught` false) and xpcall (true) of scripts, as a host function. */
  protectedCall(state: number, caught: boolean): number {
    const { lua } = this.#vm;
    const outer = this.#chain.at(-1);
    if (this.#chain.length >= maxDepth) this.#vm.raise(state, 'C stack overflow', false);
    const thread = this.#take();
    if (caught) {
      lua.lua_settop(state, 2);
      thread.handler = this.#vm.keep(state);
    }
    const count = lua.lua_gettop(state);
    thread.resumable = outer !== undefined && outer.state === state && outer.resumable && !this.#vm.insideC(state);
    lua.lua_checkstack(thread.state, count + 4);
    lua.lua_xmove(state, thread.state, count);
    this.#chain.push(thread);
    const status = lua.lua_resume(thread.state, count - 1);
    if (status === yielded) return lua.lua_yield(state, 0);
    this.#chain.pop();
    return this.#settle(thread, status, state);
  }

  #advance(first: number): Progress {
    const { lua } = this.#vm;
    let args = first;
    for (;;) {
      const thread = this.#chain.at(-1)!;
      this.#suspending = false;
      const status = lua.lua_resume(thread.state, args);
      if (status === yielded) {
        if (!this.#suspending) throw new Error('a script yielded to nobody');
        return 'suspended';
      }
      if (this.#chain.length === 1) return status === 0 ? 'done' : 'failed';
      this.#chain.pop();
      args = this.#settle(thread, status, this.#chain.at(-1)!.state);
    }
  }

  /** Pushes what pcall gives on the thread that called it: true and the results, or false and the error. */
  #settle(thread: Thread, status: number, to: number): number {
    const { lua } = this.#vm;
    if (status !== 0) {
      lua.lua_pushboolean(to, 0);
      lua.lua_xmove(thread.state, to, 1);
      if (thread.handler !== undefined) this.#handle(to, thread.handler);
      else this.#simplify(to);
      this.#discard(thread);
      return 2;
    }
    const results = lua.lua_gettop(thread.state);
    if (lua.lua_checkstack(to, results + 1) === 0) {
      this.#discard(thread);
      lua.lua_pushboolean(to, 0);
      this.#vm.pushText(to, 'stack overflow');
      return 2;
    }
    lua.lua_pushboolean(to, 1);
    lua.lua_xmove(thread.state, to, results);
    this.#release(thread);
    return results + 1;
  }

  /** Errors of redis.call are tables; a pcall gives their text, as it did before they were. */
  #simplify(state: number): void {
    const { lua } = this.#vm;
    if (lua.lua_type(state, -1) !== LuaType.table) return;
    this.#vm.rawField(state, -1, 'err');
    if (lua.lua_isstring(state, -1) !== 0) lua.lua_remove(state, -2);
    else this.#vm.pop(state, 1);
  }

  #handle(state: number, handler: number): void {
    const { lua } = this.#vm;
    this.#vm.pushKept(state, handler);
    lua.lua_insert(state, -2);
    lua.lua_pcall(state, 1, 1, 0);
  }

  #take(): Thread {
    const spare = this.#spare.pop();
    if (spare !== undefined) {
      if (spare.mask !== this.#mask) this.#hook(spare);
      return spare;
    }
    const { lua, main } = this.#vm;
    const state = lua.lua_newthread(main);
    const thread = { state, ref: this.#vm.keep(main), handler: undefined, resumable: false, mask: 0 };
    this.#hook(thread);
    return thread;
  }

  #hook(thread: Thread): void {
    thread.mask = this.#mask;
    this.#vm.lua.lua_sethook(thread.state, this.#vm.hook, this.#mask, hookInterval);
  }

  #release(thread: Thread): void {
    if (thread.handler !== undefined) this.#vm.drop(thread.handler);
    thread.handler = undefined;
    if (!this.#reuse || this.#spare.length >= maxSpare) {
      this.#vm.drop(thread.ref);
      return;
    }
    this.#vm.lua.lua_settop(thread.state, 0);
    this.#spare.push(thread);
  }

  #discard(thread: Thread): void {
    if (thread.handler !== undefined) this.#vm.drop(thread.handler);
    this.#vm.drop(thread.ref);
  }
}
