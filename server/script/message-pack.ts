// cmsgpack: MessagePack to Lua values and back, as the library of that name does it that Redis embeds (0.4.0).
// Owns: nothing. Does not know: who calls it. Invariant: what is read never lies beyond the string that was given.

import type { HostFunctions, LuaHost } from './host.ts';
import { toInt, toLong } from './integers.ts';
import { LuaType, type LuaVm } from './vm.ts';

/** Tables deeper than this are written as nil: so a table that holds itself has an end. */
const maxPacked = 16;
/** Nested arrays and maps that are read at most: each takes a part of this program's own stack. */
const maxUnpacked = 1500;
const tooMany = 'too many return values at once; use unpack_one or unpack_limit instead.';
const two32 = 4_294_967_296;
const two63 = 2 ** 63;

class Packer {
  readonly #vm: LuaVm;
  #text = '';
  readonly #view = new DataView(new ArrayBuffer(8));

  constructor(vm: LuaVm) {
    this.#vm = vm;
  }

  get text(): string {
    return this.#text;
  }

  /** Appends the value on the top and takes it off. */
  value(state: number, depth: number): void {
    const { lua } = this.#vm;
    const type = lua.lua_type(state, -1);
    if (type === LuaType.string) this.#bytes(this.#vm.text(state, -1)!);
    else if (type === LuaType.boolean) this.#text += lua.lua_toboolean(state, -1) !== 0 ? '\xc3' : '\xc2';
    else if (type === LuaType.number) this.#number(lua.lua_tonumber(state, -1));
    else if (type === LuaType.table && depth < maxPacked) this.#table(state, depth);
    else this.#text += '\xc0';
    this.#vm.pop(state, 1);
  }

  #bytes(text: string): void {
    const { length } = text;
    if (length < 32) this.#u8(0xa0 | length);
    else if (length <= 0xff) this.#u8(0xd9, length);
    else if (length <= 0xffff) this.#sized(0xda, length, 2);
    else this.#sized(0xdb, length, 4);
    this.#text += text;
  }

  #number(value: number): void {
    if (Number.isInteger(value) && value >= -two63 && value < two63) this.#integer(value);
    else if (Math.fround(value) === value) {
      this.#view.setFloat32(0, value);
      this.#fromView(0xca, 4);
    } else {
      this.#view.setFloat64(0, value);
      this.#fromView(0xcb, 8);
    }
  }

  #integer(value: number): void {
    if (value >= 0) {
      if (value <= 127) this.#u8(value);
      else if (value <= 0xff) this.#u8(0xcc, value);
      else if (value <= 0xffff) this.#sized(0xcd, value, 2);
      else if (value < two32) this.#sized(0xce, value, 4);
      else this.#long(0xcf, value);
    } else if (value >= -32) this.#u8(value & 0xff);
    else if (value >= -128) this.#u8(0xd0, value & 0xff);
    else if (value >= -32_768) this.#sized(0xd1, value, 2);
    else if (value >= -2_147_483_648) this.#sized(0xd2, value, 4);
    else this.#long(0xd3, value);
  }

  #long(mark: number, value: number): void {
    this.#view.setBigInt64(0, BigInt(value));
    this.#fromView(mark, 8);
  }

  #fromView(mark: number, count: number): void {
    this.#u8(mark);
    for (let at = 0; at < count; at++) this.#u8(this.#view.getUint8(at));
  }

  #sized(mark: number, value: number, bytes: 2 | 4): void {
    this.#u8(mark);
    for (let shift = (bytes - 1) * 8; shift >= 0; shift -= 8) this.#u8((value >> shift) & 0xff);
  }

  #u8(...bytes: number[]): void {
    this.#text += String.fromCharCode(...bytes);
  }

  #table(state: number, depth: number): void {
    if (this.#isArray(state)) this.#array(state, depth);
    else this.#map(state, depth);
  }

  /** Whether the keys are 1 to n, each of them. */
  #isArray(state: number): boolean {
    const { lua } = this.#vm;
    let max = 0;
    let count = 0;
    lua.luaL_checkstack(state, 2, this.#vm.name('in function table_is_an_array'));
    lua.lua_pushnil(state);
    while (lua.lua_next(state, -2) !== 0) {
      this.#vm.pop(state, 1);
      const key = lua.lua_type(state, -1) === LuaType.number ? lua.lua_tonumber(state, -1) : 0;
      if (key <= 0 || (key | 0) !== key) {
        this.#vm.pop(state, 1);
        return false;
      }
      max = Math.max(max, key);
      count++;
    }
    return max === count;
  }

  #array(state: number, depth: number): void {
    const { lua } = this.#vm;
    const length = lua.lua_objlen(state, -1);
    if (length <= 15) this.#u8(0x90 | length);
    else if (length <= 0xffff) this.#sized(0xdc, length, 2);
    else this.#sized(0xdd, length, 4);
    lua.luaL_checkstack(state, 1, this.#vm.name('in function mp_encode_lua_table_as_array'));
    for (let index = 1; index <= length; index++) {
      lua.lua_rawgeti(state, -1, index);
      this.value(state, depth + 1);
    }
  }

  #map(state: number, depth: number): void {
    const { lua } = this.#vm;
    lua.luaL_checkstack(state, 3, this.#vm.name('in function mp_encode_lua_table_as_map'));
    let length = 0;
    lua.lua_pushnil(state);
    while (lua.lua_next(state, -2) !== 0) {
      this.#vm.pop(state, 1);
      length++;
    }
    if (length <= 15) this.#u8(0x80 | length);
    else if (length <= 0xffff) this.#sized(0xde, length, 2);
    else this.#sized(0xdf, length, 4);
    lua.lua_pushnil(state);
    while (lua.lua_next(state, -2) !== 0) {
      lua.lua_pushvalue(state, -2);
      this.value(state, depth + 1);
      this.value(state, depth + 1);
    }
  }
}

/** What went wrong with a string that is read; the host function makes Lua's error of it. */
class Damage extends Error {}

class Unpacker {
  at: number;
  readonly #vm: LuaVm;
  readonly #bytes: Buffer;

  constructor(vm: LuaVm, text: string, at: number) {
    this.#vm = vm;
    this.#bytes = Buffer.from(text, 'latin1');
    this.at = at;
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  /** Pushes the next value. Throws Damage. */
  value(state: number, depth: number): void {
    const { lua } = this.#vm;
    const mark = this.#bytes[this.#need(1)]!;
    lua.luaL_checkstack(state, 1, this.#vm.name(tooMany));
    if (mark < 0x80) lua.lua_pushnumber(state, mark);
    else if (mark < 0x90) this.#map(state, mark & 15, depth);
    else if (mark < 0xa0) this.#array(state, mark & 15, depth);
    else if (mark < 0xc0) this.#text(state, mark & 31);
    else if (mark >= 0xe0) lua.lua_pushnumber(state, mark - 256);
    else this.#marked(state, mark, depth);
  }

  #marked(state: number, mark: number, depth: number): void {
    const { lua } = this.#vm;
    switch (mark) {
      case 0xc0:
        lua.lua_pushnil(state);
        break;
      case 0xc2:
      case 0xc3:
        lua.lua_pushboolean(state, mark & 1);
        break;
      case 0xca:
        lua.lua_pushnumber(state, this.#bytes.readFloatBE(this.#need(4)));
        break;
      case 0xcb:
        lua.lua_pushnumber(state, this.#bytes.readDoubleBE(this.#need(8)));
        break;
      case 0xcc:
      case 0xcd:
      case 0xce:
        lua.lua_pushnumber(state, this.#unsigned(1 << (mark - 0xcc)));
        break;
      // A number of 64 bits is signed for the library, whatever it says.
      case 0xcf:
      case 0xd3:
        lua.lua_pushnumber(state, Number(this.#bytes.readBigInt64BE(this.#need(8))));
        break;
      case 0xd0:
        lua.lua_pushnumber(state, this.#bytes.readInt8(this.#need(1)));
        break;
      case 0xd1:
        lua.lua_pushnumber(state, this.#bytes.readInt16BE(this.#need(2)));
        break;
      case 0xd2:
        lua.lua_pushnumber(state, this.#bytes.readInt32BE(this.#need(4)));
        break;
      case 0xd9:
      case 0xda:
      case 0xdb:
        this.#text(state, this.#unsigned(1 << (mark - 0xd9)));
        break;
      case 0xdc:
      case 0xdd:
        this.#array(state, this.#unsigned(mark === 0xdc ? 2 : 4), depth);
        break;
      case 0xde:
      case 0xdf:
        this.#map(state, this.#unsigned(mark === 0xde ? 2 : 4), depth);
        break;
      default:
        throw new Damage('Bad data format in input.');
    }
  }

  #array(state: number, length: number, depth: number): void {
    const { lua } = this.#vm;
    this.#descend(state, depth);
    lua.lua_createtable(state, 0, 0);
    for (let index = 1; index <= length; index++) {
      this.value(state, depth + 1);
      lua.lua_rawseti(state, -2, index);
    }
  }

  #map(state: number, length: number, depth: number): void {
    const { lua } = this.#vm;
    this.#descend(state, depth);
    lua.lua_createtable(state, 0, 0);
    for (let count = 0; count < length; count++) {
      this.value(state, depth + 1);
      this.value(state, depth + 1);
      // With Lua's own error for a key that cannot be one.
      lua.lua_settable(state, -3);
    }
  }

  #descend(state: number, depth: number): void {
    if (depth > maxUnpacked) this.#vm.raise(state, `stack overflow (${tooMany})`);
    this.#vm.lua.luaL_checkstack(state, 3, this.#vm.name(tooMany));
  }

  #text(state: number, length: number): void {
    const from = this.#need(length);
    this.#vm.pushText(state, this.#bytes.toString('latin1', from, this.at));
  }

  #unsigned(bytes: number): number {
    return this.#bytes.readUIntBE(this.#need(bytes), bytes);
  }

  /** Where the next `count` bytes start. */
  #need(count: number): number {
    if (this.left < count) throw new Damage('Missing bytes in input.');
    const from = this.at;
    this.at += count;
    return from;
  }
}

export class MessagePackLibrary {
  readonly functions: HostFunctions;
  readonly #host: LuaHost;

  constructor(host: LuaHost) {
    this.#host = host;
    this.functions = {
      'cmsgpack.pack': (state) => this.#pack(state),
      'cmsgpack.unpack': (state) => this.#unpack(state, 0, 0),
      'cmsgpack.unpack_one': (state) => this.#unpack(state, 1, this.#optional(state, 2)),
      'cmsgpack.unpack_limit': (state) => {
        const limit = Number(toLong(host.vm.lua.luaL_checknumber(state, 2)));
        return this.#unpack(state, limit, this.#optional(state, 3));
      },
    };
  }

  push(state: number): void {
    const { vm } = this.#host;
    vm.lua.lua_createtable(state, 0, 8);
    for (const name of ['pack', 'unpack', 'unpack_one', 'unpack_limit']) {
      vm.setFunction(state, name, `cmsgpack.${name}`);
    }
    vm.setText(state, '_NAME', 'cmsgpack');
    vm.setText(state, '_VERSION', 'lua-cmsgpack 0.4.0');
    vm.setText(state, '_DESCRIPTION', 'MessagePack C implementation for Lua');
  }

  #optional(state: number, at: number): number {
    const { lua } = this.#host.vm;
    return lua.lua_type(state, at) <= LuaType.nil ? 0 : Number(toLong(lua.luaL_checknumber(state, at)));
  }

  #pack(state: number): number {
    const { vm } = this.#host;
    const count = vm.lua.lua_gettop(state);
    if (count === 0) vm.badArgument(state, 0, 'MessagePack pack needs input.');
    const packer = new Packer(vm);
    for (let at = 1; at <= count; at++) {
      vm.lua.luaL_checkstack(state, 1, vm.name('in function mp_check'));
      vm.lua.lua_pushvalue(state, at);
      packer.value(state, 0);
    }
    vm.pushText(state, packer.text);
    return 1;
  }

  /** `limit` and `offset` 0: everything there is. */
  #unpack(state: number, limit: number, offset: number): number {
    const { vm } = this.#host;
    const text = vm.checkText(state, 1);
    const { length } = text;
    if (offset < 0 || limit < 0) {
      vm.raise(state, `Invalid request to unpack with offset of ${toInt(offset)} and limit of ${length}.`);
    }
    if (offset > length) vm.raise(state, `Start offset ${toInt(offset)} greater than input length ${length}.`);
    const all = limit === 0 && offset === 0;
    const most = all ? Number.POSITIVE_INFINITY : limit;
    vm.lua.lua_settop(state, 1);
    const unpacker = new Unpacker(vm, text, offset);
    let count = 0;
    try {
      for (; unpacker.left > 0 && count < most; count++) unpacker.value(state, 0);
    } catch (error) {
      if (!(error instanceof Damage)) throw error;
      vm.raise(state, error.message);
    }
    if (all) return count;
    vm.lua.luaL_checkstack(state, 1, vm.name('in function mp_unpack_full'));
    vm.lua.lua_pushnumber(state, unpacker.left === 0 ? -1 : unpacker.at);
    vm.lua.lua_insert(state, 2);
    return count + 1;
  }
}
