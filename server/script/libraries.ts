// The function libraries of one server.
// Owns: the libraries, by name, and the Lua state that they live in (made when the first comes).
// Does not know: files and links; it gives the sources out and takes them in.
// Invariant: a library is there whole or not at all; a function's name belongs to one library.

import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine, FunctionStore } from '../engine/engine.ts';
import type { Outcome } from '../engine/registry.ts';
import { globMatcher } from '../keyspace/glob.ts';
import { dumpFunctions, parseFunctions } from '../persistence/rdb/function-dump.ts';
import { errorOf } from './execution.ts';
import type { LuaHost } from './host.ts';
import { Interpreter, ScriptEnded } from './interpreter.ts';
import { readRegistration } from './register-function.ts';
import type { ScriptCall, Scripts } from './script.ts';
import { readLibrary } from './shebang.ts';
import { pushError } from './values.ts';

export type RestorePolicy = 'flush' | 'append' | 'replace';

export interface LibraryFunction {
  readonly name: string;
  readonly description: string | undefined;
  readonly flags: number;
  readonly ref: number;
}

export interface Library {
  readonly name: string;
  /** As it was sent. */
  readonly code: string;
  readonly functions: ReadonlyMap<string, LibraryFunction>;
}

/** Libraries that are there together: no two with one name, no two functions with one name (whatever its case). */
interface LibrarySet {
  readonly libraries: Map<string, Library>;
  readonly functions: Map<string, LibraryFunction>;
}

interface Loading {
  readonly functions: Map<string, LibraryFunction>;
  /** When the loading is given up: milliseconds of the world. */
  readonly deadline: number;
}

/** Milliseconds that the code of a library may take when a client loads it. */
const loadLimit = 500;
const nameRule =
  'ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long';

function emptySet(): LibrarySet {
  return { libraries: new Map(), functions: new Map() };
}

function isName(text: string): boolean {
  return /^\w+$/.test(text);
}

function link(set: LibrarySet, library: Library): void {
  set.libraries.set(library.name, library);
  for (const own of library.functions.values()) set.functions.set(own.name.toLowerCase(), own);
}

function unlink(set: LibrarySet, library: Library): void {
  set.libraries.delete(library.name);
  for (const own of library.functions.values()) set.functions.delete(own.name.toLowerCase());
}

export class Libraries implements FunctionStore {
  readonly #engine: Engine;
  readonly #scripts: Scripts;
  #set = emptySet();
  #interpreter: Interpreter | undefined;
  #loading: Loading | undefined;

  constructor(engine: Engine, scripts: Scripts) {
    this.#engine = engine;
    this.#scripts = scripts;
  }

  get size(): { readonly libraries: number; readonly functions: number } {
    return { libraries: this.#set.libraries.size, functions: this.#set.functions.size };
  }

  /** Bytes of the Lua state for functions. */
  get memoryUsed(): number {
    return this.#interpreter?.vm.memoryUsed ?? 0;
  }

  /** The sources, in the order in which they were loaded. */
  get sources(): readonly string[] {
    return [...this.#set.libraries.values()].map(({ code }) => code);
  }

  has(name: string): boolean {
    return this.#set.functions.has(name.toLowerCase());
  }

  flagsOf(name: string | undefined): number | undefined {
    return name === undefined ? undefined : this.#set.functions.get(name.toLowerCase())?.flags;
  }

  list(pattern: string | undefined): readonly Library[] {
    const all = [...this.#set.libraries.values()];
    if (pattern === undefined) return all;
    const matches = globMatcher(pattern, true);
    return all.filter(({ name }) => matches(name));
  }

  /** Runs a function that exists. */
  call(caller: Client, name: string, call: Omit<ScriptCall, 'name' | 'flags' | 'isEval'>): Outcome {
    const key = name.toLowerCase();
    const found = this.#set.functions.get(key)!;
    const options = { ...call, name: found.name, flags: found.flags, isEval: false };
    // A new state may have taken the place of the one that it was found in.
    const ref = (): number => this.#set.functions.get(key)!.ref;
    return this.#scripts.execute(caller, options, this.#ready(), ref);
  }

  /** FUNCTION LOAD: the library's name. `limited`: its code may not take long. */
  load(code: string, replace: boolean, limited: boolean): string | ReplyError {
    // First: a new state means that what there was is loaded anew.
    const interpreter = this.#ready();
    return this.#add(interpreter, this.#set, code, replace, limited);
  }

  delete(name: string): ReplyError | undefined {
    const library = this.#set.libraries.get(name);
    if (library === undefined) return new ReplyError('ERR Library not found');
    unlink(this.#set, library);
    this.#free(library);
    return undefined;
  }

  flush(): void {
    this.#set = emptySet();
    this.#interpreter = undefined;
  }

  dump(): string {
    return dumpFunctions(this.sources);
  }

  restore(payload: string, policy: RestorePolicy): ReplyError | undefined {
    const sources = parseFunctions(payload);
    if (sources === 'damaged') return new ReplyError('ERR DUMP payload version or checksum are wrong');
    if (sources === 'no function') return new ReplyError('ERR given type is not a function');
    if (sources === 'cut short') return new ReplyError('ERR failed loading the given functions payload');
    return this.#takeIn(sources, policy);
  }

  add(source: string, replace = false): void {
    const loaded = this.load(source, replace, false);
    if (loaded instanceof ReplyError) throw new Error(`function libraries: ${loaded.message}`);
  }

  /** The libraries of a snapshot take the place of those there are. Throws an Error for one that cannot be loaded. */
  replaceAll(sources: readonly string[]): void {
    if (sources.length === 0 && this.#set.libraries.size === 0) return;
    const refusal = this.#takeIn(sources, 'flush');
    if (refusal !== undefined) throw new Error(`function libraries: ${refusal.message}`);
  }

  kill(): ReplyError | undefined {
    return this.#scripts.kill(false);
  }

  stats(): Reply {
    const { current } = this.#scripts;
    if (current?.isEval === true) return this.#engine.busy ?? null;
    const running: Reply =
      current === undefined
        ? null
        : new Map<Reply, Reply>([
            ['name', current.name],
            ['command', [...current.argv]],
            ['duration_ms', this.#scripts.runDuration()],
          ]);
    const { libraries, functions } = this.size;
    const counts = new Map<Reply, Reply>([
      ['libraries_count', libraries],
      ['functions_count', functions],
    ]);
    return new Map<Reply, Reply>([
      ['running_script', running],
      ['engines', new Map<Reply, Reply>([['LUA', counts]])],
    ]);
  }

  #takeIn(sources: readonly string[], policy: RestorePolicy): ReplyError | undefined {
    const interpreter = this.#ready();
    const added = emptySet();
    let refusal: ReplyError | undefined;
    for (const source of sources) {
      const loaded = this.#add(interpreter, added, source, false, false);
      if (loaded instanceof ReplyError) refusal ??= loaded;
      if (refusal !== undefined) break;
    }
    if (refusal === undefined && policy !== 'flush') refusal = this.#join(added, policy === 'replace');
    if (refusal !== undefined) {
      for (const library of added.libraries.values()) this.#free(library);
      return refusal;
    }
    if (policy === 'flush') {
      for (const library of this.#set.libraries.values()) this.#free(library);
      this.#set = added;
    }
    return undefined;
  }

  /** Adds all of a set, or nothing. */
  #join(added: LibrarySet, replace: boolean): ReplyError | undefined {
    const joined: LibrarySet = { libraries: new Map(this.#set.libraries), functions: new Map(this.#set.functions) };
    const old: Library[] = [];
    for (const name of added.libraries.keys()) {
      const there = joined.libraries.get(name);
      if (there === undefined) continue;
      if (!replace) return new ReplyError(`ERR Library ${name} already exists`);
      unlink(joined, there);
      old.push(there);
    }
    for (const [key, own] of added.functions) {
      if (joined.functions.has(key)) return new ReplyError(`ERR Function ${own.name} already exists`);
    }
    for (const library of added.libraries.values()) link(joined, library);
    for (const library of old) this.#free(library);
    this.#set = joined;
    return undefined;
  }

  #add(
    interpreter: Interpreter,
    set: LibrarySet,
    code: string,
    replace: boolean,
    limited: boolean,
  ): string | ReplyError {
    const source = readLibrary(code);
    if (source instanceof ReplyError) return source;
    if (!isName(source.name)) return new ReplyError(nameRule);
    if (source.engine.toLowerCase() !== 'lua') return new ReplyError(`ERR Engine '${source.engine}' not found`);
    const old = set.libraries.get(source.name);
    if (old !== undefined && !replace) return new ReplyError(`ERR Library '${source.name}' already exists`);
    const functions = this.#run(interpreter, source.code, limited);
    if (functions instanceof ReplyError) return functions;
    const library: Library = { name: source.name, code, functions };
    const refusal = this.#collision(set, library, old);
    if (refusal !== undefined) {
      this.#free(library);
      return refusal;
    }
    if (old !== undefined) {
      unlink(set, old);
      this.#free(old);
    }
    link(set, library);
    return source.name;
  }

  #collision(set: LibrarySet, library: Library, old: Library | undefined): ReplyError | undefined {
    if (library.functions.size === 0) return new ReplyError('ERR No functions registered');
    const own = new Set([...(old?.functions.values() ?? [])].map(({ name }) => name.toLowerCase()));
    for (const { name } of library.functions.values()) {
      const key = name.toLowerCase();
      if (set.functions.has(key) && !own.has(key)) return new ReplyError(`ERR Function ${name} already exists`);
    }
    return undefined;
  }

  /** Runs the code of a library: what it has registered. */
  #run(interpreter: Interpreter, code: string, limited: boolean): Map<string, LibraryFunction> | ReplyError {
    const compiled = interpreter.compile(code, '@user_function');
    if ('error' in compiled) return new ReplyError(`ERR Error compiling function: ${compiled.error}`);
    const deadline = limited ? this.#engine.world.now() + loadLimit : Number.POSITIVE_INFINITY;
    const loading: Loading = { functions: new Map(), deadline };
    this.#loading = loading;
    let error: string | undefined;
    try {
      const progress = interpreter.startLibrary(compiled.ref);
      if (progress !== 'done') error = errorOf(interpreter, interpreter.threads.outermost!).text;
      interpreter.end(progress);
    } catch (thrown) {
      interpreter.abandon();
      error = thrown instanceof ScriptEnded ? `ERR ${thrown.message}` : 'ERR stack overflow';
    } finally {
      this.#loading = undefined;
      interpreter.drop(compiled.ref);
    }
    if (error === undefined) return loading.functions;
    for (const { ref } of loading.functions.values()) interpreter.drop(ref);
    return new ReplyError(`ERR Error registering functions: ${error}`);
  }

  #free(library: Library): void {
    for (const { ref } of library.functions.values()) this.#interpreter?.drop(ref);
  }

  #ready(): Interpreter {
    const old = this.#interpreter;
    if (old !== undefined && !old.broken) return old;
    const interpreter = new Interpreter({
      forEval: false,
      script: this.#scripts,
      deprecatedApi: this.#engine.config.flag('lua-enable-deprecated-api'),
      onTick: (state, threads) => {
        if (this.#loading === undefined) this.#scripts.tick(state, threads);
        else if (this.#engine.world.now() > this.#loading.deadline) throw new ScriptEnded('FUNCTION LOAD timeout');
      },
      functions: (host) => ({ register_function: (state) => this.#register(host, state) }),
    });
    this.#interpreter = interpreter;
    this.#reload(interpreter);
    return interpreter;
  }

  /** Loads what there is into a new state. */
  #reload(interpreter: Interpreter): void {
    const { libraries } = this.#set;
    this.#set = emptySet();
    for (const { name, code } of libraries.values()) {
      const source = readLibrary(code);
      if (source instanceof ReplyError) continue;
      const functions = this.#run(interpreter, source.code, false);
      if (functions instanceof ReplyError) this.#engine.world.log(`library ${name} is lost: ${functions.message}`);
      else link(this.#set, { name, code, functions });
    }
  }

  /** redis.register_function. */
  #register(host: LuaHost, state: number): number {
    const { vm } = host;
    const fail = (text: string): never => {
      pushError(vm, state, `ERR ${text}`, false);
      vm.lua.lua_error(state);
      throw new Error('unreachable');
    };
    const loading = this.#loading;
    if (loading === undefined) return fail('redis.register_function can only be called on FUNCTION LOAD command');
    const asked = readRegistration(vm, state);
    if (typeof asked === 'string') return fail(asked);
    const { name } = asked;
    if (!isName(name)) return fail(nameRule.slice(4));
    if (loading.functions.has(name)) return fail('Function already exists in the library');
    vm.lua.lua_pushvalue(state, asked.callbackAt);
    loading.functions.set(name, { ...asked, ref: vm.keep(state) });
    return 0;
  }
}
