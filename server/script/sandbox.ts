// What scripts see of Lua: its libraries without what reaches outside, and globals that nobody can change.
// Owns: the tables of globals, and the proxies that stand in front of what is read-only.
// Does not know: commands. Redis has a Lua whose tables can be made read-only; this one is the original, so scripts get
// empty tables that read from the real ones, and the functions that could show the difference know them.
// Invariant: no script reaches a real table of these; a proxy that was changed all the same is reported (isIntact).

import type { HostFunctions, LuaHost } from './host.ts';
import { LibraryIntegers } from './library-integers.ts';
import { pushError } from './values.ts';
import { globalsIndex, LuaType } from './vm.ts';
import type { HostFunction } from './wasm.ts';

const readOnly = 'Attempt to modify a readonly table';
const acrossC = 'attempt to yield across metamethod/C-call boundary';
/** Functions of the base library that open files or write to the console. */
const removed = ['dofile', 'loadfile', 'print'];
/** Those that reach into the state of other scripts, which `lua-enable-deprecated-api` leaves in. */
const deprecated = ['setfenv', 'getfenv', 'newproxy'];
const replaced = [
  'pcall',
  'xpcall',
  'getmetatable',
  'setmetatable',
  'rawget',
  'rawset',
  'next',
  'pairs',
  'load',
  'loadstring',
  'tostring',
];

/** A table with functions of ours for scripts: pushes it. */
export type TableMaker = (state: number) => void;

interface Proxy {
  readonly real: number;
  readonly pointer: number;
  /** What getmetatable gives; undefined: nil. */
  readonly metatable: number | undefined;
}

export class Sandbox {
  readonly functions: HostFunctions;
  readonly #host: LuaHost;
  readonly #integers: LibraryIntegers;
  readonly #proxies = new Map<number, Proxy>();
  /** The real table of globals. */
  #globals = 0;
  #plainNext = 0;
  #plainInsert: HostFunction = () => 0;
  /** What stands for the metatable of strings. */
  #stringMetatable = 0;
  /** The metatable of what scripts take for the globals. */
  #access = 0;

  constructor(host: LuaHost) {
    this.#host = host;
    this.#integers = new LibraryIntegers(host);
    this.functions = {
      ...this.#integers.functions,
      pcall: (state) => this.#protectedCall(state, false),
      xpcall: (state) => this.#protectedCall(state, true),
      getmetatable: (state) => this.#getMetatable(state),
      setmetatable: (state) => this.#setMetatable(state),
      rawget: (state) => this.#rawGet(state),
      rawset: (state) => this.#rawSet(state),
      next: (state) => this.#next(state),
      pairs: (state) => this.#pairs(state),
      load: (state) => this.#load(state),
      loadstring: (state) => this.#loadString(state),
      tostring: (state) => this.#toString(state),
      'table.insert': (state) => this.#tableInsert(state),
      'coroutine.yield': (state) => this.#yield(state),
      'coroutine.running': (state) => this.#running(state),
      readonly: (state) => host.vm.raise(state, readOnly),
      missing: (state) => this.#missing(state),
      lua_base: (state) => host.vm.lua.luaopen_base(state),
      lua_table: (state) => host.vm.lua.luaopen_table(state),
      lua_string: (state) => host.vm.lua.luaopen_string(state),
      lua_math: (state) => host.vm.lua.luaopen_math(state),
    };
  }

  /** Makes the globals, `tables` being those that Lua itself does not have. */
  build(tables: Readonly<Record<string, TableMaker>>, deprecatedApi: boolean): void {
    const { vm } = this.#host;
    const { lua, main } = vm;
    for (const name of ['lua_base', 'lua_table', 'lua_string', 'lua_math']) {
      vm.pushFunction(main, name);
      lua.lua_call(main, 0, 0);
    }
    lua.lua_pushvalue(main, globalsIndex);
    for (const name of deprecatedApi ? removed : [...removed, ...deprecated]) {
      vm.pushText(main, name);
      lua.lua_pushnil(main);
      lua.lua_rawset(main, -3);
    }
    vm.rawField(main, -1, 'next');
    this.#plainNext = vm.keep(main);
    for (const name of replaced) vm.setFunction(main, name);
    this.#replaceIn('coroutine', ['yield', 'running']);
    this.#replaceIn('math', ['random', 'randomseed']);
    this.#integers.install();
    this.#plainInsert = this.#nativeOf('table', 'insert');
    this.#replaceIn('table', ['insert']);
    for (const [name, make] of Object.entries(tables)) {
      vm.pushText(main, name);
      make(main);
      lua.lua_rawset(main, -3);
    }
    for (const name of ['string', 'table', 'math', 'coroutine', ...Object.keys(tables)]) this.#protectField(name);
    this.#protectStrings();
    this.#protectGlobals();
  }

  /** Sets a global for the scripts that come: the value on the top of `state`, which is taken off. */
  setGlobal(state: number, name: string): void {
    const { vm } = this.#host;
    vm.pushKept(state, this.#globals);
    vm.lua.lua_insert(state, -2);
    vm.lua.lua_setfield(state, -2, vm.name(name));
    vm.pop(state, 1);
  }

  /** Pushes the value of a global of the scripts. */
  pushGlobal(state: number, name: string): void {
    const { vm } = this.#host;
    vm.pushKept(state, this.#globals);
    vm.rawField(state, -1, name);
    vm.lua.lua_remove(state, -2);
  }

  /** While `use` runs, the only globals are those of the table that `make` pushes. */
  withGlobals<T>(make: TableMaker, use: () => T): T {
    const { vm } = this.#host;
    this.#pushProxy(make);
    this.#redirect();
    try {
      return use();
    } finally {
      vm.pushKept(vm.main, this.#globals);
      this.#redirect();
    }
  }

  /** Whether no proxy holds anything: a function that is not ours may have written into one. */
  get isIntact(): boolean {
    for (const { pointer } of this.#proxies.values()) if (!this.#host.vm.isUntouched(pointer)) return false;
    return true;
  }

  /** Makes a read-only table of what `make` pushes, that raises an error for fields which are not there; leaves it. */
  pushStrict(state: number, make: TableMaker): void {
    const { vm } = this.#host;
    make(state);
    vm.lua.lua_createtable(state, 0, 1);
    vm.setFunction(state, '__index', 'missing');
    vm.lua.lua_setmetatable(state, -2);
    this.#wrap(state, undefined);
  }

  #redirect(): void {
    const { vm } = this.#host;
    vm.pushKept(vm.main, this.#access);
    vm.lua.lua_insert(vm.main, -2);
    vm.lua.lua_setfield(vm.main, -2, vm.name('__index'));
    vm.pop(vm.main, 1);
  }

  #pushProxy(make: TableMaker): void {
    this.pushStrict(this.#host.vm.main, make);
  }

  /** In the table of that name, on top of which the globals are, functions of ours take the place of Lua's. */
  #replaceIn(table: string, names: readonly string[]): void {
    const { vm } = this.#host;
    vm.rawField(vm.main, -1, table);
    for (const name of names) vm.setFunction(vm.main, name, `${table}.${name}`);
    vm.pop(vm.main, 1);
  }

  /** Of the globals on the top. */
  #nativeOf(table: string, name: string): HostFunction {
    const { vm } = this.#host;
    vm.rawField(vm.main, -1, table);
    vm.rawField(vm.main, -1, name);
    const run = vm.native(vm.main, -1);
    vm.pop(vm.main, 2);
    return run;
  }

  #protectField(name: string): void {
    const { vm } = this.#host;
    vm.pushText(vm.main, name);
    vm.rawField(vm.main, -2, name);
    this.#wrap(vm.main, undefined);
    vm.lua.lua_rawset(vm.main, -3);
  }

  /** Methods of strings come from the table that scripts see, not from the real one. */
  #protectStrings(): void {
    const { vm } = this.#host;
    const { lua, main } = vm;
    vm.pushText(main, '');
    lua.lua_getmetatable(main, -1);
    vm.pushText(main, '__index');
    vm.rawField(main, -4, 'string');
    lua.lua_rawset(main, -3);
    this.#wrap(main, undefined);
    this.#stringMetatable = vm.keep(main);
    vm.pop(main, 1);
  }

  /** The globals are on the top. */
  #protectGlobals(): void {
    const { vm } = this.#host;
    const { lua, main } = vm;
    lua.lua_createtable(main, 0, 1);
    vm.setFunction(main, '__index', 'missing');
    lua.lua_pushvalue(main, -1);
    lua.lua_setmetatable(main, -3);
    this.#wrap(main, undefined);
    const metatable = vm.keep(main);
    lua.lua_pushvalue(main, -1);
    this.#wrap(main, metatable);
    lua.lua_getmetatable(main, -1);
    this.#access = vm.keep(main);
    vm.pushText(main, '_G');
    lua.lua_pushvalue(main, -2);
    lua.lua_rawset(main, -4);
    lua.lua_replace(main, globalsIndex);
    this.#globals = vm.keep(main);
  }

  /** Puts a proxy in the place of the table on the top. */
  #wrap(state: number, metatable: number | undefined): void {
    const { vm } = this.#host;
    const { lua } = vm;
    lua.lua_pushvalue(state, -1);
    const real = vm.keep(state);
    lua.lua_createtable(state, 0, 0);
    lua.lua_createtable(state, 0, 2);
    vm.pushText(state, '__index');
    lua.lua_pushvalue(state, -4);
    lua.lua_rawset(state, -3);
    vm.setFunction(state, '__newindex', 'readonly');
    lua.lua_setmetatable(state, -2);
    lua.lua_remove(state, -2);
    // It must not be collected while its address stands for it.
    lua.lua_pushvalue(state, -1);
    vm.keep(state);
    const pointer = lua.lua_topointer(state, -1);
    this.#proxies.set(pointer, { real, pointer, metatable });
  }

  #proxyAt(state: number, at: number): Proxy | undefined {
    return this.#proxies.get(this.#host.vm.lua.lua_topointer(state, at));
  }

  #protectedCall(state: number, caught: boolean): number {
    const { vm, threads } = this.#host;
    if (caught) vm.lua.luaL_checkany(state, 2);
    else if (vm.lua.lua_gettop(state) === 0) {
      // What Redis's own pcall makes of no function: it calls the place of its result.
      vm.lua.lua_pushboolean(state, 0);
      vm.pushText(state, 'attempt to call a boolean value');
      return 2;
    }
    return threads.protectedCall(state, caught);
  }

  #missing(state: number): number {
    const { vm } = this.#host;
    if (vm.lua.lua_gettop(state) !== 2) vm.raise(state, 'Wrong number of arguments to luaProtectedTableError');
    const name = vm.text(state, 2);
    if (name === undefined) {
      return vm.raise(state, 'Second argument to luaProtectedTableError must be a string or number');
    }
    return vm.raise(state, `Script attempted to access nonexistent global variable '${untilZero(name)}'`);
  }

  #getMetatable(state: number): number {
    const { vm } = this.#host;
    const { lua } = vm;
    lua.luaL_checkany(state, 1);
    if (lua.lua_type(state, 1) === LuaType.string) {
      vm.pushKept(state, this.#stringMetatable);
      return 1;
    }
    const proxy = this.#proxyAt(state, 1);
    if (proxy !== undefined) {
      if (proxy.metatable === undefined) lua.lua_pushnil(state);
      else vm.pushKept(state, proxy.metatable);
      return 1;
    }
    if (lua.lua_getmetatable(state, 1) === 0) lua.lua_pushnil(state);
    else lua.luaL_getmetafield(state, 1, vm.name('__metatable'));
    return 1;
  }

  #setMetatable(state: number): number {
    const { vm } = this.#host;
    const { lua } = vm;
    lua.luaL_checktype(state, 1, LuaType.table);
    const type = lua.lua_type(state, 2);
    if (type !== LuaType.nil && type !== LuaType.table) vm.badArgument(state, 2, 'nil or table expected');
    if (this.#proxyAt(state, 1) !== undefined) vm.raise(state, readOnly, false);
    if (lua.luaL_getmetafield(state, 1, vm.name('__metatable')) !== 0) {
      vm.raise(state, 'cannot change a protected metatable');
    }
    lua.lua_settop(state, 2);
    lua.lua_setmetatable(state, 1);
    return 1;
  }

  /** Puts the real table in the place of a proxy. */
  #unwrap(state: number, at: number): boolean {
    const proxy = this.#proxyAt(state, at);
    if (proxy === undefined) return false;
    this.#host.vm.pushKept(state, proxy.real);
    this.#host.vm.lua.lua_replace(state, at);
    return true;
  }

  #rawGet(state: number): number {
    const { lua } = this.#host.vm;
    lua.luaL_checktype(state, 1, LuaType.table);
    lua.luaL_checkany(state, 2);
    lua.lua_settop(state, 2);
    this.#unwrap(state, 1);
    lua.lua_rawget(state, 1);
    return 1;
  }

  #rawSet(state: number): number {
    const { vm } = this.#host;
    const { lua } = vm;
    lua.luaL_checktype(state, 1, LuaType.table);
    lua.luaL_checkany(state, 2);
    lua.luaL_checkany(state, 3);
    lua.lua_settop(state, 3);
    if (this.#proxyAt(state, 1) !== undefined) vm.raise(state, readOnly, false);
    const key = lua.lua_type(state, 2);
    // The library takes it for a program that has lost its way.
    if (key === LuaType.nil) vm.raise(state, 'table index is nil', false);
    if (key === LuaType.number && Number.isNaN(lua.lua_tonumber(state, 2))) {
      vm.raise(state, 'table index is NaN', false);
    }
    lua.lua_rawset(state, 1);
    return 1;
  }

  /** Lua's own sets fields behind the back of a metatable. */
  #tableInsert(state: number): number {
    if (this.#proxyAt(state, 1) !== undefined) this.#host.vm.raise(state, readOnly, false);
    return this.#plainInsert(state);
  }

  #next(state: number): number {
    const { lua } = this.#host.vm;
    lua.luaL_checktype(state, 1, LuaType.table);
    lua.lua_settop(state, 2);
    this.#unwrap(state, 1);
    if (lua.lua_next(state, 1) !== 0) return 2;
    lua.lua_pushnil(state);
    return 1;
  }

  #pairs(state: number): number {
    const { vm } = this.#host;
    const { lua } = vm;
    lua.luaL_checktype(state, 1, LuaType.table);
    // Lua's own for tables of the script: loops are made of it.
    if (this.#proxyAt(state, 1) === undefined) vm.pushKept(state, this.#plainNext);
    else vm.pushFunction(state, 'next');
    lua.lua_pushvalue(state, 1);
    lua.lua_pushnil(state);
    return 3;
  }

  #loadString(state: number): number {
    const { vm } = this.#host;
    const source = vm.checkText(state, 1);
    const name = vm.lua.lua_type(state, 2) <= LuaType.nil ? source : vm.checkText(state, 2);
    return this.#compiled(state, source, name);
  }

  /** load(function): the text comes in pieces. */
  #load(state: number): number {
    const { vm } = this.#host;
    const { lua } = vm;
    const name = lua.lua_type(state, 2) <= LuaType.nil ? '=(load)' : vm.checkText(state, 2);
    lua.luaL_checktype(state, 1, LuaType.function);
    let source = '';
    for (;;) {
      lua.lua_settop(state, 1);
      lua.lua_pushvalue(state, 1);
      if (lua.lua_pcall(state, 0, 1, 0) !== 0) {
        this.#asError(state);
        return this.#noFunction(state);
      }
      if (lua.lua_type(state, -1) === LuaType.nil) break;
      if (lua.lua_isstring(state, -1) === 0) {
        vm.lua.luaL_where(state, 1);
        vm.pushText(state, 'reader function must return a string');
        lua.lua_concat(state, 2);
        this.#asError(state);
        return this.#noFunction(state);
      }
      const piece = vm.text(state, -1)!;
      if (piece === '') break;
      source += piece;
    }
    return this.#compiled(state, source, name);
  }

  #compiled(state: number, source: string, name: string): number {
    const { vm } = this.#host;
    return vm.compile(state, source, name) ? 1 : this.#noFunction(state);
  }

  /** Outside of pcall, what goes wrong while a text is read becomes the table that other errors are there. */
  #asError(state: number): void {
    const { vm, threads } = this.#host;
    if (threads.outermost !== state || vm.lua.lua_type(state, -1) === LuaType.table) return;
    const text = vm.describe(state, -1);
    vm.pop(state, 1);
    pushError(vm, state, `ERR ${text}`, false);
  }

  /** nil, and the error on the top. */
  #noFunction(state: number): number {
    const { lua } = this.#host.vm;
    lua.lua_pushnil(state);
    lua.lua_insert(state, -2);
    return 2;
  }

  /** Addresses as the C library of most servers prints them. */
  #toString(state: number): number {
    const { vm } = this.#host;
    const { lua } = vm;
    lua.luaL_checkany(state, 1);
    if (lua.luaL_callmeta(state, 1, vm.name('__tostring')) !== 0) return 1;
    const type = lua.lua_type(state, 1);
    if (type === LuaType.number || type === LuaType.string) {
      lua.lua_pushvalue(state, 1);
      lua.lua_tolstring(state, -1, 0);
    } else vm.pushText(state, vm.describe(state, 1));
    return 1;
  }

  #yield(state: number): number {
    const { vm, threads } = this.#host;
    // The script itself runs in a coroutine too, which is none for it.
    if (threads.isOwn(state)) vm.raise(state, acrossC, false);
    return vm.lua.lua_yield(state, vm.lua.lua_gettop(state));
  }

  #running(state: number): number {
    const { vm, threads } = this.#host;
    if (threads.isOwn(state)) vm.lua.lua_pushnil(state);
    else vm.lua.lua_pushthread(state);
    return 1;
  }
}

function untilZero(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
