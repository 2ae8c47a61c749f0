// struct: C structures to Lua values and back, as the library of that name does it that Redis embeds (0.2), on a
// machine of 64 bits and little endian. Owns: nothing. Does not know: who calls it.
// Invariant: what is read never lies beyond the string that was given.

import type { HostFunctions, LuaHost } from './host.ts';
import { toLong, toUnsignedLong } from './integers.ts';
import { LuaType } from './vm.ts';

const maxIntegerSize = 32;
const maxInt = 0x7fff_ffff;
const sizes: Readonly<Record<string, number>> = { B: 1, b: 1, H: 2, h: 2, L: 8, l: 8, T: 8, f: 4, d: 8, x: 1 };
const integers = 'bBhHlLTiI';

/** A format while it is read: where, and the byte order and alignment so far. */
class Format {
  big = false;
  readonly #host: LuaHost;
  readonly #state: number;
  readonly #text: string;
  #at = 0;
  #align = 1;

  constructor(host: LuaHost, state: number, text: string) {
    this.#host = host;
    this.#state = state;
    // C reads it up to a zero byte.
    const end = text.indexOf('\0');
    this.#text = end < 0 ? text : text.slice(0, end);
  }

  /** The next option, undefined at the end. */
  next(): string | undefined {
    return this.#text[this.#at++];
  }

  /** Bytes of an option; 0 for those that have none. */
  sizeOf(option: string): number {
    const fixed = sizes[option];
    if (fixed !== undefined) return fixed;
    if (option === 'c') return this.#number(1);
    if (option !== 'i' && option !== 'I') return 0;
    const size = this.#number(4);
    if (size > maxIntegerSize) {
      const text = `integral size ${size} is larger than limit of ${maxIntegerSize}`;
      this.#host.vm.raise(this.#state, text);
    }
    return size;
  }

  /** Bytes to leave out before an element of `size` bytes at `at`. */
  padding(at: number, option: string, size: number): number {
    if (size === 0 || option === 'c') return 0;
    const unit = Math.min(size, this.#align);
    // As C has it, for units that are no power of two as well.
    return (unit - (at & (unit - 1))) & (unit - 1);
  }

  control(option: string): void {
    const { vm } = this.#host;
    if (option === ' ') return;
    if (option === '>' || option === '<') {
      this.big = option === '>';
      return;
    }
    if (option !== '!') vm.badArgument(this.#state, 1, `invalid format option '${option}'`);
    const align = this.#number(8);
    if (align <= 0 || (align & (align - 1)) !== 0) {
      vm.raise(this.#state, `alignment ${align} is not a power of 2`);
    }
    this.#align = align;
  }

  #number(otherwise: number): number {
    let value = 0;
    let digit = this.#text.charCodeAt(this.#at) - 48;
    if (!(digit >= 0 && digit <= 9)) return otherwise;
    for (; digit >= 0 && digit <= 9; digit = this.#text.charCodeAt(++this.#at) - 48) {
      value = value * 10 + digit;
      if (value > maxInt) this.#host.vm.raise(this.#state, 'integral size overflow');
    }
    return value;
  }
}

function reversed(bytes: Buffer, big: boolean): string {
  return (big ? bytes.reverse() : bytes).toString('latin1');
}

export class StructLibrary {
  readonly functions: HostFunctions;
  readonly #host: LuaHost;

  constructor(host: LuaHost) {
    this.#host = host;
    this.functions = {
      'struct.pack': (state) => this.#pack(state),
      'struct.unpack': (state) => this.#unpack(state),
      'struct.size': (state) => this.#size(state),
    };
  }

  push(state: number): void {
    const { vm } = this.#host;
    vm.lua.lua_createtable(state, 0, 3);
    for (const name of ['pack', 'unpack', 'size']) vm.setFunction(state, name, `struct.${name}`);
  }

  #pack(state: number): number {
    const { vm } = this.#host;
    const format = new Format(this.#host, state, vm.checkText(state, 1));
    // An argument that is missing is nil.
    vm.lua.lua_pushnil(state);
    let text = '';
    let argument = 2;
    for (let option = format.next(); option !== undefined; option = format.next()) {
      const size = format.sizeOf(option);
      text += '\0'.repeat(format.padding(text.length, option, size));
      if (integers.includes(option)) {
        text += this.#integer(vm.lua.luaL_checknumber(state, argument++), size, format.big);
      } else if (option === 'x') text += '\0';
      else if (option === 'f' || option === 'd') {
        const bytes = Buffer.alloc(size);
        const value = vm.lua.luaL_checknumber(state, argument++);
        if (option === 'f') bytes.writeFloatLE(value);
        else bytes.writeDoubleLE(value);
        text += reversed(bytes, format.big);
      } else if (option === 'c' || option === 's') {
        const given = vm.checkText(state, argument++);
        const wanted = size === 0 ? given.length : size;
        if (given.length < wanted) vm.badArgument(state, argument, 'string too short');
        text += given.slice(0, wanted) + (option === 's' ? '\0' : '');
      } else format.control(option);
    }
    vm.pushText(state, text);
    return 1;
  }

  #integer(value: number, size: number, big: boolean): string {
    const bytes = Buffer.alloc(Math.max(size, 8));
    bytes.writeBigUInt64LE(toUnsignedLong(value));
    return reversed(bytes.subarray(0, size), big);
  }

  #unpack(state: number): number {
    const { vm } = this.#host;
    const { lua } = vm;
    const format = new Format(this.#host, state, vm.checkText(state, 1));
    const data = Buffer.from(vm.checkText(state, 2), 'latin1');
    const start = lua.lua_type(state, 3) <= LuaType.nil ? 1 : Number(toLong(lua.luaL_checknumber(state, 3)));
    if (start === 0) vm.badArgument(state, 3, 'offset must be 1 or greater');
    let at = start - 1;
    let count = 0;
    const check = (size: number): void => {
      // A negative offset is a huge one for C.
      if (at < 0 || size > data.length || at > data.length - size) vm.badArgument(state, 2, 'data string too short');
    };
    for (let option = format.next(); option !== undefined; option = format.next()) {
      let size = format.sizeOf(option);
      at += format.padding(at, option, size);
      check(size);
      lua.luaL_checkstack(state, 2, vm.name('too many results'));
      if (option === 'c' && size === 0) {
        if (count === 0 || lua.lua_isnumber(state, -1) === 0) vm.raise(state, "format 'c0' needs a previous size");
        size = Math.trunc(lua.lua_tonumber(state, -1));
        vm.pop(state, 1);
        count--;
        // A negative size is a huge one for C.
        check(size < 0 ? Number.POSITIVE_INFINITY : size);
      }
      if (option === 's') {
        const end = data.indexOf(0, at);
        if (end < 0) vm.raise(state, 'unfinished string in data');
        size = end - at + 1;
      }
      if (this.#value(state, option, data.subarray(at, at + size), format.big)) count++;
      else if (option !== 'x') format.control(option);
      at += size;
    }
    lua.lua_pushnumber(state, at + 1);
    return count + 1;
  }

  /** Pushes what an option reads from its bytes; false when it reads nothing. */
  #value(state: number, option: string, bytes: Buffer, big: boolean): boolean {
    const { vm } = this.#host;
    if (option === 'c') vm.pushText(state, bytes.toString('latin1'));
    else if (option === 's') vm.pushText(state, bytes.toString('latin1', 0, bytes.length - 1));
    else if (option === 'f') vm.lua.lua_pushnumber(state, big ? bytes.readFloatBE() : bytes.readFloatLE());
    else if (option === 'd') vm.lua.lua_pushnumber(state, big ? bytes.readDoubleBE() : bytes.readDoubleLE());
    else if (integers.includes(option)) {
      vm.lua.lua_pushnumber(state, readInteger(bytes, big, option >= 'a'));
    } else return false;
    return true;
  }

  #size(state: number): number {
    const { vm } = this.#host;
    const format = new Format(this.#host, state, vm.checkText(state, 1));
    let at = 0;
    for (let option = format.next(); option !== undefined; option = format.next()) {
      const size = format.sizeOf(option);
      at += format.padding(at, option, size);
      if (option === 's') vm.badArgument(state, 1, "option 's' has no fixed size");
      if (option === 'c' && size === 0) vm.badArgument(state, 1, "option 'c0' has no fixed size");
      if (!/[A-Za-z0-9]/.test(option)) format.control(option);
      at += size;
    }
    vm.lua.lua_pushnumber(state, at);
    return 1;
  }
}

/** The lowest eight bytes count; the sign is that of the size. */
function readInteger(bytes: Buffer, big: boolean, signed: boolean): number {
  const { length } = bytes;
  const low = big ? bytes.subarray(Math.max(0, length - 8)) : bytes.subarray(0, 8);
  let value = 0n;
  for (let index = 0; index < low.length; index++) {
    value = (value << 8n) | BigInt(low[big ? index : low.length - 1 - index]!);
  }
  if (!signed) return Number(value);
  return Number(BigInt.asIntN(length >= 8 ? 64 : Math.max(1, length * 8), value));
}
