// The C API of Lua 5.1, compiled to WebAssembly: loads the module, gives it its memory and what it calls of ours.
// Owns: one instance with its memory, and the views into it.
// Does not know: scripts, commands, and what a Lua value means.
// Invariant: `bytes` and `words` are views of the memory as it is now; every growth passes through here.

import { luaBinary } from './lua-binary.ts';

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

interface WasmTable {
  get(index: number): unknown;
  set(index: number, value: unknown): void;
  grow(count: number): number;
}

type WasmImports = Readonly<Record<string, Readonly<Record<string, (...args: number[]) => unknown>>>>;

interface WasmModule {
  readonly module: true;
}

/** The part of it that is used here; Node's own typings have none. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: WasmImports,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
};

/** A function that Lua calls: gets the lua_State, gives the number of results that it left on its stack. */
export type HostFunction = (state: number) => number;

/** What the compiled library exports, as far as it is used. Pointers and lengths are numbers of bytes. */
export interface LuaExports {
  readonly memory: WasmMemory;
  readonly __indirect_function_table: WasmTable;
  __wasm_call_ctors(): void;
  malloc(size: number): number;
  free(pointer: number): void;
  stackSave(): number;
  stackRestore(pointer: number): void;
  setThrew(threw: number, value: number): void;
  luaL_newstate(): number;
  luaL_loadbuffer(state: number, text: number, length: number, name: number): number;
  luaL_ref(state: number, table: number): number;
  luaL_unref(state: number, table: number, ref: number): void;
  luaL_callmeta(state: number, at: number, name: number): number;
  luaL_where(state: number, level: number): void;
  luaL_argerror(state: number, argument: number, text: number): number;
  luaL_typerror(state: number, argument: number, name: number): number;
  luaL_checknumber(state: number, argument: number): number;
  luaL_checklstring(state: number, argument: number, length: number): number;
  luaL_checktype(state: number, argument: number, type: number): void;
  luaL_checkany(state: number, argument: number): void;
  luaL_checkstack(state: number, slots: number, text: number): void;
  luaL_getmetafield(state: number, at: number, name: number): number;
  lua_checkstack(state: number, slots: number): number;
  lua_concat(state: number, count: number): void;
  lua_createtable(state: number, items: number, fields: number): void;
  lua_error(state: number): number;
  lua_gc(state: number, what: number, data: number): number;
  lua_getfield(state: number, at: number, name: number): void;
  lua_getinfo(state: number, what: number, record: number): number;
  lua_getlocal(state: number, record: number, at: number): number;
  lua_getmetatable(state: number, at: number): number;
  lua_getstack(state: number, level: number, record: number): number;
  lua_gettable(state: number, at: number): void;
  lua_gettop(state: number): number;
  lua_insert(state: number, at: number): void;
  lua_isnumber(state: number, at: number): number;
  lua_isstring(state: number, at: number): number;
  lua_newthread(state: number): number;
  lua_next(state: number, at: number): number;
  lua_objlen(state: number, at: number): number;
  lua_pcall(state: number, args: number, results: number, handler: number): number;
  lua_call(state: number, args: number, results: number): void;
  lua_pushboolean(state: number, value: number): void;
  lua_pushcclosure(state: number, fn: number, upvalues: number): void;
  lua_pushlightuserdata(state: number, pointer: number): void;
  lua_pushlstring(state: number, text: number, length: number): void;
  lua_pushnil(state: number): void;
  lua_pushnumber(state: number, value: number): void;
  lua_pushthread(state: number): number;
  lua_pushvalue(state: number, at: number): void;
  lua_rawget(state: number, at: number): void;
  lua_rawgeti(state: number, at: number, index: number): void;
  lua_rawset(state: number, at: number): void;
  lua_rawseti(state: number, at: number, index: number): void;
  lua_remove(state: number, at: number): void;
  lua_replace(state: number, at: number): void;
  lua_resume(state: number, args: number): number;
  lua_setfield(state: number, at: number, name: number): void;
  lua_sethook(state: number, hook: number, mask: number, count: number): number;
  lua_setmetatable(state: number, at: number): number;
  lua_settable(state: number, at: number): void;
  lua_settop(state: number, top: number): void;
  lua_toboolean(state: number, at: number): number;
  lua_tocfunction(state: number, at: number): number;
  lua_tolstring(state: number, at: number, length: number): number;
  lua_tonumber(state: number, at: number): number;
  lua_topointer(state: number, at: number): number;
  lua_touserdata(state: number, at: number): number;
  lua_type(state: number, at: number): number;
  lua_xmove(from: number, to: number, count: number): void;
  lua_yield(state: number, results: number): number;
  luaopen_base(state: number): number;
  luaopen_math(state: number): number;
  luaopen_string(state: number): number;
  luaopen_table(state: number): number;
}

/** The library signals a Lua error to its own C code by this value, thrown through whatever of ours is in between. */
export const longJump: number = Number.POSITIVE_INFINITY;

const pageBytes = 65_536;

let compiled: WasmModule | undefined;

/** An instance with a memory of its own. The code is read and compiled once in a process, when it is first needed. */
export class LuaInstance {
  readonly lua: LuaExports;
  /** The memory as bytes and as 32-bit words. */
  bytes: Buffer;
  words: Int32Array;
  readonly #maxPages: number;

  /** `maxBytes`: what the memory may grow to; an allocation beyond it is Lua's "not enough memory". */
  constructor(maxBytes: number) {
    this.#maxPages = Math.floor(maxBytes / pageBytes);
    compiled ??= new WebAssembly.Module(luaBinary());
    const instance = new WebAssembly.Instance(compiled, this.#imports());
    this.lua = instance.exports as unknown as LuaExports;
    this.bytes = Buffer.from(this.lua.memory.buffer);
    this.words = new Int32Array(this.lua.memory.buffer);
    this.lua.__wasm_call_ctors();
  }

  /** Puts functions where Lua can call them; gives their C pointers. `hook` gets (state, record) and gives nothing. */
  install(functions: readonly HostFunction[], hook: (state: number) => void): { pointers: number[]; hook: number } {
    const count = functions.length;
    const host = Object.fromEntries([...functions, hook].map((run, index) => [`f${index}`, run]));
    const module = new WebAssembly.Module(trampolines(count));
    const { exports } = new WebAssembly.Instance(module, { h: host });
    const table = this.lua.__indirect_function_table;
    const first = table.grow(count + 1);
    for (let index = 0; index <= count; index++) table.set(first + index, exports[`f${index}`]);
    return { pointers: functions.map((_, index) => first + index), hook: first + count };
  }

  /** A zero-terminated copy that is never freed: for names that last as long as the instance. */
  constant(text: string): number {
    const pointer = this.lua.malloc(text.length + 1);
    this.bytes.write(text, pointer, 'latin1');
    this.bytes[pointer + text.length] = 0;
    return pointer;
  }

  #grow(bytes: number): number {
    const { memory } = this.lua;
    const pages = Math.ceil(bytes / pageBytes);
    const now = memory.buffer.byteLength / pageBytes;
    if (pages > this.#maxPages) return 0;
    try {
      // More than was asked for, so that growing in small steps does not make new views each time.
      memory.grow(Math.max(pages - now, Math.min(now >> 2, this.#maxPages - now)));
    } catch {
      return 0;
    }
    this.bytes = Buffer.from(memory.buffer);
    this.words = new Int32Array(memory.buffer);
    return 1;
  }

  #imports(): WasmImports {
    const refused = -52;
    const never = (): number => refused;
    const env: Record<string, (...args: number[]) => unknown> = {
      exit: (code) => {
        throw new Error(`Lua ended with code ${code}`);
      },
      // The one protected call of Lua: whatever is no Lua error passes on, and the instance is of no use any more.
      invoke_vii: (fn, one, two) => {
        const { lua } = this;
        const stack = lua.stackSave();
        try {
          (lua.__indirect_function_table.get(fn!) as (one: number, two: number) => void)(one!, two!);
        } catch (error) {
          if (error !== longJump) throw error;
          lua.stackRestore(stack);
          lua.setThrew(1, 0);
        }
      },
      _emscripten_throw_longjmp: () => {
        throw longJump;
      },
      emscripten_memcpy_js: (to, from, count) => void this.bytes.copyWithin(to!, from!, from! + count!),
      emscripten_resize_heap: (bytes) => this.#grow(bytes! >>> 0),
      emscripten_date_now: () => 0,
      _emscripten_get_now_is_monotonic: () => 1,
    };
    // Files, processes and clocks: the parts of the library that use them are not open to scripts.
    for (const name of unreachable.env) env[name] = never;
    return { env, wasi_snapshot_preview1: Object.fromEntries(unreachable.wasi.map((name) => [name, never])) };
  }
}

const unreachable = {
  env: [
    'strftime',
    '__syscall_openat',
    '__syscall_fcntl64',
    '__syscall_ioctl',
    '__syscall_dup3',
    '__syscall_unlinkat',
    '__syscall_rmdir',
    '__syscall_renameat',
    '__syscall_readlinkat',
    '_emscripten_system',
    '_tzset_js',
    '_mktime_js',
    '_localtime_js',
    '_gmtime_js',
  ],
  wasi: ['fd_write', 'fd_read', 'fd_close', 'fd_seek', 'environ_sizes_get', 'environ_get'],
} as const;

/**
 * A module that passes its imports on as exports: a table of WebAssembly takes no functions of JavaScript, but these.
 * `count` functions (i32) -> i32, and one (i32, i32) -> nothing behind them.
 */
function trampolines(count: number): Uint8Array<ArrayBuffer> {
  const i32 = 0x7f;
  const types = [2, 0x60, 1, i32, 1, i32, 0x60, 2, i32, i32, 0];
  const imports = [...leb(count + 1)];
  const exports = [...leb(count + 1)];
  for (let index = 0; index <= count; index++) {
    const name = [...Buffer.from(`f${index}`)];
    imports.push(1, 0x68, name.length, ...name, 0, index === count ? 1 : 0);
    exports.push(name.length, ...name, 0, ...leb(index));
  }
  const section = (id: number, body: readonly number[]): number[] => [id, ...leb(body.length), ...body];
  const magic = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  return Uint8Array.from([...magic, ...section(1, types), ...section(2, imports), ...section(7, exports)]);
}

function leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push(rest > 127 ? (rest & 127) | 128 : rest);
    rest >>= 7;
  } while (rest > 0);
  return bytes;
}
