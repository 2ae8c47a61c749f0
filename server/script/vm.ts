// One Lua state: values in and out of it, host functions, and where an error was raised.
// Owns: the state, its registry and the scratch memory for strings.
// Does not know: scripts and commands; sandbox.ts and redis-api.ts give it what scripts see.
// Invariant: strings are binary, one byte per char, in both directions; a Lua error passes through host functions as
// `longJump` and through nothing else.

import { type HostFunction, type LuaExports, LuaInstance, longJump } from './wasm.ts';

const registryIndex = -10_000;
export const globalsIndex = -10_002;

export const LuaType = {
  none: -1,
  nil: 0,
  boolean: 1,
  lightUserdata: 2,
  number: 3,
  string: 4,
  table: 5,
  function: 6,
  userdata: 7,
  thread: 8,
} as const;

const typeNames = ['nil', 'boolean', 'userdata', 'number', 'string', 'table', 'function', 'userdata', 'thread'];

/** Bytes of the scratch memory; longer strings pass through memory of their own. */
const scratchBytes = 65_536;
/** Fields of lua_Debug, in bytes. */
const debugRecord = { size: 100, name: 4, what: 12, source: 16, line: 20 } as const;

/** In lua_State: where the instruction that comes next is kept, in bytes. */
const savedInstruction = 24;
const instructionBytes = 4;

/** Strings of this length and below are read byte by byte, which is quicker than a call into the buffer. */
const shortText = 12;

interface Latin1Buffer extends Buffer {
  latin1Slice(start: number, end: number): string;
  latin1Write(text: string, offset: number, length: number): number;
}

/** Where in a script something happened, as Redis writes it. */
export interface ScriptPosition {
  readonly source: string;
  readonly line: number;
}

export class LuaVm {
  readonly lua: LuaExports;
  /** The main thread of the state. */
  readonly main: number;
  /** The function that is called every so many instructions of a thread. */
  readonly hook: number;
  readonly #instance: LuaInstance;
  readonly #pointers = new Map<string, number>();
  readonly #names = new Map<string, number>();
  readonly #scratch: number;
  readonly #length: number;
  readonly #record: number;

  /** `functions`: what Lua may call, by name; `hook` is called every so often while Lua runs. */
  constructor(maxBytes: number, functions: Readonly<Record<string, HostFunction>>, hook: (state: number) => void) {
    this.#instance = new LuaInstance(maxBytes);
    this.lua = this.#instance.lua;
    const names = Object.keys(functions);
    const installed = this.#instance.install(Object.values(functions), hook);
    for (const [index, name] of names.entries()) this.#pointers.set(name, installed.pointers[index]!);
    this.hook = installed.hook;
    this.#scratch = this.lua.malloc(scratchBytes);
    this.#length = this.lua.malloc(4);
    this.#record = this.lua.malloc(debugRecord.size);
    this.main = this.lua.luaL_newstate();
    if (this.main === 0) throw new Error('Lua cannot be started: not enough memory');
  }

  /** Bytes that the values of the state take. */
  get memoryUsed(): number {
    const kilobytes = 3;
    const rest = 4;
    return this.lua.lua_gc(this.main, kilobytes, 0) * 1024 + this.lua.lua_gc(this.main, rest, 0);
  }

  /** The C pointer of a name that lasts. */
  name(text: string): number {
    let pointer = this.#names.get(text);
    if (pointer === undefined) {
      pointer = this.#instance.constant(text);
      this.#names.set(text, pointer);
    }
    return pointer;
  }

  pushText(state: number, text: string): void {
    const { length } = text;
    if (length <= scratchBytes) {
      (this.#instance.bytes as Latin1Buffer).latin1Write(text, this.#scratch, length);
      this.lua.lua_pushlstring(state, this.#scratch, length);
      return;
    }
    const memory = this.lua.malloc(length);
    if (memory === 0) this.raise(state, 'not enough memory');
    (this.#instance.bytes as Latin1Buffer).latin1Write(text, memory, length);
    try {
      this.lua.lua_pushlstring(state, memory, length);
    } finally {
      this.lua.free(memory);
    }
  }

  /** The string, or the number as a string (it becomes one where it lies); undefined for other values. */
  text(state: number, at: number): string | undefined {
    const pointer = this.lua.lua_tolstring(state, at, this.#length);
    return pointer === 0 ? undefined : this.#read(pointer, this.#lengthRead());
  }

  /** The string argument of a host function; another value is Lua's error for a bad argument. */
  checkText(state: number, argument: number): string {
    const pointer = this.lua.luaL_checklstring(state, argument, this.#length);
    return this.#read(pointer, this.#lengthRead());
  }

  typeName(type: number): string {
    return typeNames[type] ?? 'no value';
  }

  pushFunction(state: number, name: string): void {
    this.pushClosure(state, name, 0);
  }

  /** Pushes a host function with the `upvalues` values on the top as its own. */
  pushClosure(state: number, name: string, upvalues: number): void {
    const pointer = this.#pointers.get(name);
    if (pointer === undefined) throw new RangeError(`no such host function: ${name}`);
    this.lua.lua_pushcclosure(state, pointer, upvalues);
  }

  /** The library's own function at `at`, to be called by a host function in its place, with its arguments. */
  native(state: number, at: number): HostFunction {
    const pointer = this.lua.lua_tocfunction(state, at);
    if (pointer === 0) throw new TypeError('not a function of the library');
    return this.lua.__indirect_function_table.get(pointer) as HostFunction;
  }

  /** table[field] = the host function, for the table on the top. */
  setFunction(state: number, field: string, name: string = field): void {
    this.pushText(state, field);
    this.pushFunction(state, name);
    this.lua.lua_rawset(state, -3);
  }

  setText(state: number, field: string, text: string): void {
    this.pushText(state, field);
    this.pushText(state, text);
    this.lua.lua_rawset(state, -3);
  }

  setNumber(state: number, field: string, value: number): void {
    this.pushText(state, field);
    this.lua.lua_pushnumber(state, value);
    this.lua.lua_rawset(state, -3);
  }

  /** Pushes table[field] of the table at `at` (negative: from the top), whatever its metatable says; gives its type. */
  rawField(state: number, at: number, field: string): number {
    this.pushText(state, field);
    this.lua.lua_rawget(state, at < 0 && at > registryIndex ? at - 1 : at);
    return this.lua.lua_type(state, -1);
  }

  /** The text in a field, as C reads it: up to a zero byte. Undefined when it is no string. */
  rawText(state: number, at: number, field: string): string | undefined {
    this.rawField(state, at, field);
    const text = this.text(state, -1);
    this.pop(state, 1);
    return text;
  }

  pop(state: number, count: number): void {
    this.lua.lua_settop(state, -count - 1);
  }

  /** Ends the running host function with an error; `where`: with the position of its caller before the text. */
  raise(state: number, text: string, where = true): never {
    const { lua } = this;
    if (where) lua.luaL_where(state, 1);
    this.pushText(state, text);
    if (where) lua.lua_concat(state, 2);
    lua.lua_error(state);
    throw longJump;
  }

  /** Ends it with the error for a bad argument. */
  badArgument(state: number, argument: number, text: string): never {
    this.pushText(state, text);
    this.lua.luaL_argerror(state, argument, this.lua.lua_tolstring(state, -1, 0));
    throw longJump;
  }

  /** Compiles a text (never a binary) and pushes the function, or the error's text; true when it is a function. */
  compile(state: number, source: string, name: string): boolean {
    // Compiled code could do anything to the state. A blank makes a text of it, which it is not.
    const text = source.startsWith('\x1b') ? ` ${source}` : source;
    const memory = this.lua.malloc(text.length + 1);
    if (memory === 0) {
      this.pushText(state, 'not enough memory');
      return false;
    }
    (this.#instance.bytes as Latin1Buffer).latin1Write(text, memory, text.length);
    this.pushText(state, name);
    const label = this.lua.lua_tolstring(state, -1, 0);
    const status = this.lua.luaL_loadbuffer(state, memory, text.length, label);
    this.lua.free(memory);
    this.lua.lua_remove(state, -2);
    return status === 0;
  }

  /** Keeps the value on the top, and takes it off; gives the number that it is had back by. */
  keep(state: number): number {
    return this.lua.luaL_ref(state, registryIndex);
  }

  pushKept(state: number, ref: number): void {
    this.lua.lua_rawgeti(state, registryIndex, ref);
  }

  drop(ref: number): void {
    this.lua.luaL_unref(this.main, registryIndex, ref);
  }

  /** Where a thread is, or was when an error ended it: in the function that runs, or in the one that called it if that is C. */
  position(state: number): ScriptPosition | undefined {
    const first = this.#frame(state, 0);
    return first?.what === 'C' ? this.#frame(state, 1) : first;
  }

  /** The call at `level` of a thread, 0 the innermost; undefined: there are fewer. */
  frame(state: number, level: number): (ScriptPosition & { readonly name: string | undefined }) | undefined {
    return this.#frame(state, level);
  }

  /**
   * Runs `use` while a thread that its hook has left before a line looks as if it stood on that line: it stands on the
   * instruction before, whose line and variables are others.
   */
  onLeftLine<T>(state: number, use: () => T): T {
    const { words } = this.#instance;
    const at = (state + savedInstruction) >> 2;
    words[at] = words[at]! + instructionBytes;
    try {
      return use();
    } finally {
      this.#instance.words[at] = this.#instance.words[at]! - instructionBytes;
    }
  }

  /** Calls `visit` with each local variable of a call, its value on the top of the thread. False: no such call. */
  eachLocal(state: number, level: number, visit: (name: string) => void): boolean {
    const { lua } = this;
    if (lua.lua_getstack(state, level, this.#record) === 0) return false;
    const names: string[] = [];
    // Looking at a value may look at other calls, which the record is needed for.
    for (let at = 1; ; at++) {
      const pointer = lua.lua_getlocal(state, this.#record, at);
      if (pointer === 0) break;
      names.push(this.#constant(pointer));
      this.pop(state, 1);
    }
    for (const [at, name] of names.entries()) {
      lua.lua_getstack(state, level, this.#record);
      lua.lua_getlocal(state, this.#record, at + 1);
      visit(name);
      this.pop(state, 1);
    }
    return true;
  }

  /** Whether a C function or a metamethod is under way in the thread, so that it cannot be left and taken up again. */
  insideC(state: number): boolean {
    const counts = this.#instance.bytes.readUInt32LE(state + 52);
    return (counts & 0xffff) > counts >>> 16;
  }

  /** Whether a table holds no keys of its own and never did since it was made. */
  isUntouched(table: number): boolean {
    const { bytes } = this.#instance;
    const lsizenode = 7;
    const sizearray = 28;
    return bytes[table + lsizenode] === 0 && bytes.readInt32LE(table + sizearray) === 0 && this.#firstNodeEmpty(table);
  }

  /** Lua's tostring for what is no string, number, boolean or nil: its type is all that is said. */
  describe(state: number, at: number): string {
    const type = this.lua.lua_type(state, at);
    if (type === LuaType.nil || type === LuaType.none) return 'nil';
    if (type === LuaType.boolean) return this.lua.lua_toboolean(state, at) !== 0 ? 'true' : 'false';
    const text = this.text(state, at);
    if (text !== undefined) return text;
    const pointer = this.lua.lua_topointer(state, at);
    return `${this.typeName(type)}: ${pointer === 0 ? '(nil)' : `0x${pointer.toString(16)}`}`;
  }

  /** Runs `use` with the stack pointer of the C code kept, so that whatever is thrown through it leaves it as it was. */
  guarded<T>(use: () => T): T {
    const stack = this.lua.stackSave();
    try {
      return use();
    } finally {
      this.lua.stackRestore(stack);
    }
  }

  #firstNodeEmpty(table: number): boolean {
    const node = this.#instance.words[(table + 16) >> 2]!;
    const valueType = 8;
    return this.#instance.words[(node + valueType) >> 2] === LuaType.nil;
  }

  #frame(
    state: number,
    level: number,
  ): (ScriptPosition & { readonly what: string; readonly name: string | undefined }) | undefined {
    if (this.lua.lua_getstack(state, level, this.#record) === 0) return undefined;
    this.lua.lua_getinfo(state, this.name('nSl'), this.#record);
    const { words } = this.#instance;
    const field = (offset: number): number => words[(this.#record + offset) >> 2]!;
    return {
      name: field(debugRecord.name) === 0 ? undefined : this.#constant(field(debugRecord.name)),
      what: this.#constant(field(debugRecord.what)),
      source: this.#constant(field(debugRecord.source)),
      line: field(debugRecord.line),
    };
  }

  #constant(pointer: number): string {
    const { bytes } = this.#instance;
    return bytes.toString('latin1', pointer, bytes.indexOf(0, pointer));
  }

  #lengthRead(): number {
    return this.#instance.words[this.#length >> 2]!;
  }

  #read(pointer: number, length: number): string {
    const bytes = this.#instance.bytes as Latin1Buffer;
    if (length > shortText) return bytes.latin1Slice(pointer, pointer + length);
    let text = '';
    for (let at = pointer; at < pointer + length; at++) text += String.fromCharCode(bytes[at]!);
    return text;
  }
}
