// Lua's own functions with the integers of a machine of 64 bits. Each is called as it is when its numbers are the same
// on 32; else they are replaced by numbers that mean the same to it. Left out are functions whose integers beyond 32
// bits make no sense to anybody (select, table.remove, the base of tonumber), for each call costs a little.
// Owns: the library's functions behind its own. Does not know: what else scripts do not see of the library.

import type { HostFunctions, LuaHost } from './host.ts';
import { isShort, printInteger, toInt, toPosition } from './integers.ts';
import { LuaType } from './vm.ts';
import type { HostFunction } from './wasm.ts';

/** Where a function takes integers, from its first argument on, and how it takes them. */
interface Taken {
  readonly first: number;
  /** Undefined: all that follow. */
  readonly last?: number;
  readonly as: (value: number) => number;
}

const taken: Readonly<Record<string, Taken>> = {
  'string.sub': { first: 2, last: 3, as: toPosition },
  'string.byte': { first: 2, last: 3, as: toPosition },
  'string.find': { first: 3, last: 3, as: toPosition },
  'string.match': { first: 3, last: 3, as: toPosition },
  'string.rep': { first: 2, last: 2, as: toInt },
  'string.char': { first: 1, as: toInt },
  'string.gsub': { first: 4, last: 4, as: toInt },
  'table.concat': { first: 3, last: 4, as: toInt },
  'math.ldexp': { first: 2, last: 2, as: toInt },
};

const maxInt = 0x7fff_ffff;
/** %, flags, width, precision, letter. More flags or digits than these are an error, which the library raises. */
const conversion = /%(?:%|([-+ #0]{0,5})(\d{0,2})(\.\d{0,2})?([a-zA-Z]?))/g;
const integerLetter = /[diouxX]/;

export class LibraryIntegers {
  readonly functions: HostFunctions;
  readonly #host: LuaHost;
  readonly #natives = new Map<string, HostFunction>();

  constructor(host: LuaHost) {
    this.#host = host;
    const functions: Record<string, HostFunction> = {
      'string.format': (state) => this.#format(state),
      unpack: (state) => this.#unpack(state),
    };
    for (const [name, how] of Object.entries(taken)) functions[name] = this.#taking(name, how);
    this.functions = functions;
  }

  /** Takes the place of the library's functions in the globals on the top. */
  install(): void {
    for (const name of Object.keys(this.functions)) {
      const { vm } = this.#host;
      const at = name.indexOf('.');
      if (at > 0) vm.rawField(vm.main, -1, name.slice(0, at));
      const field = name.slice(at + 1);
      vm.rawField(vm.main, -1, field);
      this.#natives.set(name, vm.native(vm.main, -1));
      vm.pop(vm.main, 1);
      vm.setFunction(vm.main, field, name);
      if (at > 0) vm.pop(vm.main, 1);
    }
  }

  #taking(name: string, { first, last, as }: Taken): HostFunction {
    let native: HostFunction | undefined;
    return (state) => {
      const { lua } = this.#host.vm;
      const end = last ?? lua.lua_gettop(state);
      for (let at = first; at <= end; at++) {
        // 0 for what is no number.
        const value = lua.lua_tonumber(state, at);
        if (isShort(value)) continue;
        lua.lua_pushnumber(state, as(value));
        lua.lua_replace(state, at);
      }
      native ??= this.#natives.get(name)!;
      return native(state);
    };
  }

  /** Of a range that is longer than an `int` counts, the library would take the length for a small one. */
  #unpack(state: number): number {
    const { vm } = this.#host;
    const { lua } = vm;
    // Of the whole list, as nearly always.
    if (lua.lua_gettop(state) === 1) return this.#natives.get('unpack')!(state);
    for (const at of [2, 3]) {
      const value = lua.lua_tonumber(state, at);
      if (isShort(value)) continue;
      lua.lua_pushnumber(state, toInt(value));
      lua.lua_replace(state, at);
    }
    if (this.#rangeLength(state) > maxInt) vm.raise(state, 'too many results to unpack');
    return this.#natives.get('unpack')!(state);
  }

  /** Of a table and two indexes, each of which may be missing; 0 for arguments that are an error. */
  #rangeLength(state: number): number {
    const { lua } = this.#host.vm;
    const given = (at: number): boolean => lua.lua_type(state, at) > LuaType.nil;
    if (lua.lua_type(state, 1) !== LuaType.table) return 0;
    for (const at of [2, 3]) if (given(at) && lua.lua_isnumber(state, at) === 0) return 0;
    const from = given(2) ? Math.trunc(lua.lua_tonumber(state, 2)) : 1;
    const to = given(3) ? Math.trunc(lua.lua_tonumber(state, 3)) : lua.lua_objlen(state, 1);
    return to - from + 1;
  }

  #format(state: number): number {
    const { lua } = this.#host.vm;
    for (let at = lua.lua_gettop(state); at > 1; at--) {
      const value = lua.lua_tonumber(state, at);
      if (value >= 0 && value <= maxInt) continue;
      this.#printIntegers(state);
      break;
    }
    return this.#natives.get('string.format')!(state);
  }

  /** Integers that are others on 32 bits become texts, and their conversions `%s`. */
  #printIntegers(state: number): void {
    const { vm } = this.#host;
    const { lua } = vm;
    const format = vm.checkText(state, 1);
    let at = 1;
    const replaced = format.replace(conversion, (whole, flags = '', width = '', dot?: string, letter = '') => {
      if (whole === '%%') return whole;
      at++;
      if (!integerLetter.test(letter) || lua.lua_isnumber(state, at) === 0) return whole;
      // A point alone is a precision of 0.
      const precision = dot === undefined ? undefined : Number(dot.slice(1));
      const how = { flags, width: Number(width), precision, letter };
      vm.pushText(state, printInteger(lua.lua_tonumber(state, at), how));
      lua.lua_replace(state, at);
      return '%s';
    });
    vm.pushText(state, replaced);
    lua.lua_replace(state, 1);
  }
}
