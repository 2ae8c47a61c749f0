// A Lua state with everything in it that scripts may use.
// Owns: the state, its threads, its sandbox and libraries.
// Does not know: which scripts there are. Invariant: a state that was left in the middle of its own code (`broken`) runs
// nothing any more.

import { BitLibrary } from './bit.ts';
import type { HostFunctions, LuaHost } from './host.ts';
import { JsonLibrary } from './json.ts';
import { MessagePackLibrary } from './message-pack.ts';
import { RedisApi, type ScriptHost } from './redis-api.ts';
import { Sandbox } from './sandbox.ts';
import { StructLibrary } from './struct.ts';
import { LuaThreads, type Progress } from './threads.ts';
import { LuaType, LuaVm } from './vm.ts';

/** Bytes that the values of all scripts may take together; what is beyond it is Lua's "not enough memory". */
const maxMemory = 1024 * 1024 * 1024;
/** Runs between two steps of the collector: it has one of its own, and these keep its work small. */
const collectEvery = 50;
const collectStep = 5;

/** The hook of a text that is evaluated in a session of the debugger: every so many instructions. */
const evaluationMask = 8;
const evaluationInterval = 10_000;

/** Ends a run from the hook, past every pcall of the script. */
export class ScriptEnded extends Error {}

export interface InterpreterOptions {
  /** Scripts get their keys and arguments as globals; else functions as arguments. */
  readonly forEval: boolean;
  readonly script: ScriptHost;
  /** Scripts have setfenv, getfenv and newproxy, with which one may disturb the others. */
  readonly deprecatedApi: boolean;
  /** Called every so many instructions while a script runs; may throw ScriptEnded. */
  readonly onTick: (state: number, threads: LuaThreads) => void;
  /** Further functions for scripts. */
  readonly functions?: (host: LuaHost) => HostFunctions;
}

export class Interpreter {
  readonly vm: LuaVm;
  readonly threads: LuaThreads;
  /** An error that is not Lua's went through its code. */
  broken = false;
  readonly #sandbox: Sandbox;
  readonly #api: RedisApi;
  readonly #forEval: boolean;
  #runs = 0;

  constructor(options: InterpreterOptions) {
    const host = {} as { -readonly [Key in keyof LuaHost]: LuaHost[Key] };
    const json = new JsonLibrary(host);
    const messagePack = new MessagePackLibrary(host);
    const struct = new StructLibrary(host);
    const bit = new BitLibrary(host);
    this.#forEval = options.forEval;
    this.#api = new RedisApi(host, options.script);
    this.#sandbox = new Sandbox(host);
    const functions = {
      register_function: () => 0,
      ...this.#sandbox.functions,
      ...this.#api.functions,
      ...json.functions,
      ...messagePack.functions,
      ...struct.functions,
      ...bit.functions,
      ...options.functions?.(host),
    };
    this.vm = new LuaVm(maxMemory, functions, (state) => options.onTick(state, this.threads));
    host.vm = this.vm;
    this.threads = new LuaThreads(this.vm, !options.deprecatedApi);
    host.threads = this.threads;
    this.#sandbox.build(
      {
        redis: (state) => this.#api.push(state, options.forEval),
        cjson: (state) => void json.push(state),
        cmsgpack: (state) => messagePack.push(state),
        struct: (state) => struct.push(state),
        bit: (state) => bit.push(state),
      },
      options.deprecatedApi,
    );
  }

  /** The function that a text stands for, to be run again and again; or what is wrong with the text. */
  compile(source: string, name: string): { readonly ref: number } | { readonly error: string } {
    const { main } = this.vm;
    if (this.vm.compile(main, source, name)) return { ref: this.vm.keep(main) };
    const error = this.vm.text(main, -1) ?? '';
    this.vm.pop(main, 1);
    return { error };
  }

  /** Runs a compiled function. Errors that are not Lua's pass through, and leave the interpreter as end() finds it. */
  start(ref: number, keys: readonly string[], args: readonly string[]): Progress {
    return this.#guarded(() => {
      const state = this.threads.open();
      this.vm.pushKept(state, ref);
      this.#pushList(state, keys);
      if (this.#forEval) this.#sandbox.setGlobal(state, 'KEYS');
      this.#pushList(state, args);
      if (this.#forEval) this.#sandbox.setGlobal(state, 'ARGV');
      return this.threads.start(this.#forEval ? 0 : 2);
    });
  }

  resume(): Progress {
    return this.#guarded(() => this.threads.resume());
  }

  /** Runs the code of a library with the globals that it has while it is loaded. */
  startLibrary(ref: number): Progress {
    return this.#sandbox.withGlobals(
      (state) => {
        this.vm.lua.lua_createtable(state, 0, 1);
        this.vm.pushText(state, 'redis');
        this.#sandbox.pushStrict(state, (at) => this.#api.pushForLibrary(at));
        this.vm.lua.lua_rawset(state, -3);
      },
      () =>
        this.#guarded(() => {
          this.vm.pushKept(this.threads.open(), ref);
          return this.threads.start(0);
        }),
    );
  }

  /** Runs `use` with the value of a global of the scripts on the top of a thread. */
  withGlobal(state: number, name: string, use: () => void): void {
    this.#sandbox.pushGlobal(state, name);
    use();
    this.vm.pop(state, 1);
  }

  /** Runs a text beside the run that is suspended, and calls `use` with its first value on the top of a thread of its own. */
  evaluate(code: string, use: (state: number) => void): string | undefined {
    const { main, lua } = this.vm;
    const expression = this.compile(`return ${code}`, '@ldb_eval');
    const compiled = 'ref' in expression ? expression : this.compile(code, '@ldb_eval');
    if ('error' in compiled) return compiled.error;
    const state = lua.lua_newthread(main);
    const thread = this.vm.keep(main);
    try {
      lua.lua_sethook(state, this.vm.hook, evaluationMask, evaluationInterval);
      this.vm.pushKept(state, compiled.ref);
      return this.vm.guarded(() => {
        const failed = lua.lua_pcall(state, 0, 1, 0) !== 0;
        if (failed) return this.#errorText(state);
        use(state);
        return undefined;
      });
    } finally {
      this.vm.drop(compiled.ref);
      this.vm.drop(thread);
    }
  }

  #errorText(state: number): string {
    const { vm } = this;
    if (vm.lua.lua_type(state, -1) !== LuaType.table) return vm.text(state, -1) ?? '';
    return vm.rawText(state, -1, 'err') ?? '';
  }

  /** After a run whose result was taken. */
  end(progress: Progress): void {
    this.threads.close(progress);
    this.#tidy();
  }

  /** After a run that was left where it was. */
  abandon(): void {
    this.threads.abandon();
    this.#tidy();
  }

  drop(ref: number): void {
    this.vm.drop(ref);
  }

  #tidy(): void {
    // A function of Lua's that writes past our checks has written into what every script sees.
    if (!this.#sandbox.isIntact) this.broken = true;
    if (++this.#runs % collectEvery === 0 && !this.broken) this.vm.lua.lua_gc(this.vm.main, collectStep, collectEvery);
  }

  #guarded(run: () => Progress): Progress {
    return this.vm.guarded(() => {
      try {
        return run();
      } catch (error) {
        if (!(error instanceof ScriptEnded)) this.broken = true;
        throw error;
      }
    });
  }

  #pushList(state: number, items: readonly string[]): void {
    const { lua } = this.vm;
    lua.lua_createtable(state, items.length, 0);
    for (let index = 0; index < items.length; index++) {
      this.vm.pushText(state, items[index]!);
      lua.lua_rawseti(state, -2, index + 1);
    }
  }
}
