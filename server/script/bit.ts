// bit: operations on 32 bits, as the library of that name does them that Redis embeds (BitOp 1.0.2).
// Owns: nothing. Does not know: who calls it.

import type { HostFunctions, LuaHost } from './host.ts';

const names = [
  'tobit',
  'bnot',
  'band',
  'bor',
  'bxor',
  'lshift',
  'rshift',
  'arshift',
  'rol',
  'ror',
  'bswap',
  'tohex',
] as const;

type Name = (typeof names)[number];

export class BitLibrary {
  readonly functions: HostFunctions;
  readonly #host: LuaHost;
  /** A double whose fraction is pushed out leaves its lowest bits here. */
  readonly #double = new Float64Array(1);
  readonly #words = new Int32Array(this.#double.buffer);

  constructor(host: LuaHost) {
    this.#host = host;
    const push = (state: number, bits: number): number => {
      host.vm.lua.lua_pushnumber(state, bits | 0);
      return 1;
    };
    const fold = (combine: (one: number, other: number) => number) => (state: number) => {
      let bits = this.#bits(state, 1);
      for (let at = host.vm.lua.lua_gettop(state); at > 1; at--) bits = combine(bits, this.#bits(state, at));
      return push(state, bits);
    };
    const shift = (by: (bits: number, count: number) => number) => (state: number) => {
      const bits = this.#bits(state, 1);
      return push(state, by(bits, this.#bits(state, 2) & 31));
    };
    const own: Record<Name, (state: number) => number> = {
      tobit: (state) => push(state, this.#bits(state, 1)),
      bnot: (state) => push(state, ~this.#bits(state, 1)),
      band: fold((one, other) => one & other),
      bor: fold((one, other) => one | other),
      bxor: fold((one, other) => one ^ other),
      lshift: shift((bits, count) => bits << count),
      rshift: shift((bits, count) => bits >>> count),
      arshift: shift((bits, count) => bits >> count),
      rol: shift((bits, count) => (bits << count) | (bits >>> ((32 - count) & 31))),
      ror: shift((bits, count) => (bits << ((32 - count) & 31)) | (bits >>> count)),
      bswap: (state) => {
        const bits = this.#bits(state, 1);
        return push(state, (bits >>> 24) | ((bits >>> 8) & 0xff00) | ((bits & 0xff00) << 8) | (bits << 24));
      },
      tohex: (state) => this.#hex(state),
    };
    this.functions = Object.fromEntries(names.map((name) => [`bit.${name}`, own[name]]));
  }

  push(state: number): void {
    const { vm } = this.#host;
    vm.lua.lua_createtable(state, 0, names.length);
    for (const name of names) vm.setFunction(state, name, `bit.${name}`);
  }

  /** An argument as 32 bits: rounded to an integer as the processor does, not cut. */
  #bits(state: number, at: number): number {
    const { lua, name } = this.#host.vm;
    this.#double[0] = lua.lua_tonumber(state, at) + 6_755_399_441_055_744;
    const bits = this.#words[0]!;
    if (bits === 0 && lua.lua_isnumber(state, at) === 0) {
      lua.luaL_typerror(state, at, name.call(this.#host.vm, 'number'));
    }
    return bits;
  }

  #hex(state: number): number {
    const { vm } = this.#host;
    const bits = this.#bits(state, 1);
    const asked = vm.lua.lua_gettop(state) < 2 ? 8 : this.#bits(state, 2);
    const digits = Math.min(8, Math.abs(asked));
    const text = (bits >>> 0)
      .toString(16)
      .padStart(8, '0')
      .slice(8 - digits);
    vm.pushText(state, asked < 0 ? text.toUpperCase() : text);
    return 1;
  }
}
