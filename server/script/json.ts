// cjson: JSON to Lua values and back, as the library of that name does it that Redis embeds (2.1.0).
// Owns: the settings of each module table (`cjson` and what `cjson.new` made).
// Does not know: who calls it. Invariant: texts are bytes; what is no ASCII passes through as it is.

import { formatGeneral } from './format.ts';
import { firstUpvalue, type HostFunctions, type LuaHost } from './host.ts';
import { toInt } from './integers.ts';
import { JsonTokens, type Token } from './json-tokens.ts';
import { LuaType, type LuaVm } from './vm.ts';

interface Settings {
  sparseConvert: boolean;
  sparseRatio: number;
  sparseSafe: number;
  encodeDepth: number;
  decodeDepth: number;
  /** 2: as null. */
  encodeInvalid: number;
  decodeInvalid: boolean;
  precision: number;
  keepBuffer: boolean;
}

const maxInt = 0x7fff_ffff;
/** Module tables that one state may make: each has settings that stay. */
const maxModules = 1000;
/** Nested arrays and objects at most, whatever the settings say: each takes a part of this program's own stack. */
const maxNesting = 1500;

const escapes: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
  '"': '\\"',
  '/': '\\/',
  '\\': '\\\\',
};

function escaped(text: string): string {
  if (!/[\x00-\x1f"/\\\x7f]/.test(text)) return `"${text}"`;
  const body = text.replace(/[\x00-\x1f"/\\\x7f]/g, (char) => {
    return escapes[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return `"${body}"`;
}

/** A call of encode: the text is made in one go and thrown away when an error ends it. */
class Encoder {
  readonly #vm: LuaVm;
  readonly #settings: Settings;
  #text = '';

  constructor(vm: LuaVm, settings: Settings) {
    this.#vm = vm;
    this.#settings = settings;
  }

  encode(state: number): string {
    this.#value(state, 0);
    return this.#text;
  }

  /** Appends the value on the top. */
  #value(state: number, depth: number): void {
    const { lua } = this.#vm;
    const type = lua.lua_type(state, -1);
    if (type === LuaType.string) this.#text += escaped(this.#vm.text(state, -1)!);
    else if (type === LuaType.number) this.#text += this.#number(state, -1);
    else if (type === LuaType.boolean) this.#text += lua.lua_toboolean(state, -1) !== 0 ? 'true' : 'false';
    else if (type === LuaType.table) this.#table(state, depth + 1);
    else if (type === LuaType.nil) this.#text += 'null';
    else if (type === LuaType.lightUserdata && lua.lua_touserdata(state, -1) === 0) this.#text += 'null';
    else this.#fail(state, -1, 'type not supported');
  }

  #table(state: number, depth: number): void {
    const { lua } = this.#vm;
    const limit = Math.min(this.#settings.encodeDepth, maxNesting);
    if (depth > limit || lua.lua_checkstack(state, 3) === 0) {
      this.#vm.raise(state, `Cannot serialise, excessive nesting (${depth})`);
    }
    const length = this.#arrayLength(state);
    if (length > 0) this.#array(state, depth, length);
    else this.#object(state, depth);
  }

  /** The highest index of the table on the top; -1 when it has other keys, or too few of them. */
  #arrayLength(state: number): number {
    const { lua } = this.#vm;
    let max = 0;
    let items = 0;
    lua.lua_pushnil(state);
    while (lua.lua_next(state, -2) !== 0) {
      const key = lua.lua_type(state, -2) === LuaType.number ? lua.lua_tonumber(state, -2) : 0;
      if (!(Math.floor(key) === key && key >= 1)) {
        this.#vm.pop(state, 2);
        return -1;
      }
      // An index that is no `int` becomes the least one, and counts no more than none.
      if (key > max) max = key > maxInt ? -maxInt - 1 : key;
      items++;
      this.#vm.pop(state, 1);
    }
    const { sparseRatio, sparseSafe, sparseConvert } = this.#settings;
    if (sparseRatio > 0 && max > items * sparseRatio && max > sparseSafe) {
      if (!sparseConvert) this.#fail(state, -1, 'excessively sparse array');
      return -1;
    }
    return max;
  }

  #array(state: number, depth: number, length: number): void {
    const { lua } = this.#vm;
    this.#text += '[';
    for (let index = 1; index <= length; index++) {
      if (index > 1) this.#text += ',';
      lua.lua_rawgeti(state, -1, index);
      this.#value(state, depth);
      this.#vm.pop(state, 1);
    }
    this.#text += ']';
  }

  #object(state: number, depth: number): void {
    const { lua } = this.#vm;
    let mark = '{';
    lua.lua_pushnil(state);
    while (lua.lua_next(state, -2) !== 0) {
      this.#text += mark;
      mark = ',';
      const type = lua.lua_type(state, -2);
      if (type === LuaType.number) this.#text += `"${this.#number(state, -2)}":`;
      else if (type === LuaType.string) this.#text += `${escaped(this.#vm.text(state, -2)!)}:`;
      else this.#fail(state, -2, 'table key must be a number or string');
      this.#value(state, depth);
      this.#vm.pop(state, 1);
    }
    this.#text += mark === '{' ? '{}' : '}';
  }

  #number(state: number, at: number): string {
    const value = this.#vm.lua.lua_tonumber(state, at);
    const { encodeInvalid, precision } = this.#settings;
    if (Number.isFinite(value)) return formatGeneral(value, precision);
    if (encodeInvalid === 0) this.#fail(state, at, 'must not be NaN or Inf');
    return encodeInvalid === 2 ? 'null' : formatGeneral(value, precision);
  }

  #fail(state: number, at: number, why: string): never {
    const type = this.#vm.typeName(this.#vm.lua.lua_type(state, at));
    this.#vm.raise(state, `Cannot serialise ${type}: ${why}`);
  }
}

/** A call of decode. */
class Decoder {
  readonly #vm: LuaVm;
  readonly #settings: Settings;
  readonly #tokens: JsonTokens;
  #depth = 0;

  constructor(vm: LuaVm, settings: Settings, text: string) {
    this.#vm = vm;
    this.#settings = settings;
    this.#tokens = new JsonTokens(text, settings.decodeInvalid);
  }

  decode(state: number): void {
    this.#value(state, this.#tokens.next());
    const end = this.#tokens.next();
    if (end.kind !== 'end') this.#fail(state, 'the end', end);
  }

  #value(state: number, token: Token): void {
    const { lua } = this.#vm;
    switch (token.kind) {
      case 'string':
        this.#vm.pushText(state, token.text);
        break;
      case 'number':
        lua.lua_pushnumber(state, token.value);
        break;
      case 'true':
      case 'false':
        lua.lua_pushboolean(state, token.kind === 'true' ? 1 : 0);
        break;
      case '{':
        this.#object(state);
        break;
      case '[':
        this.#array(state);
        break;
      case 'null':
        lua.lua_pushlightuserdata(state, 0);
        break;
      default:
        this.#fail(state, 'value', token);
    }
  }

  #object(state: number): void {
    const { lua } = this.#vm;
    this.#descend(state, 3);
    lua.lua_createtable(state, 0, 0);
    let token = this.#tokens.next();
    while (token.kind !== '}') {
      if (token.kind !== 'string') this.#fail(state, 'object key string', token);
      this.#vm.pushText(state, token.text);
      const colon = this.#tokens.next();
      if (colon.kind !== ':') this.#fail(state, 'colon', colon);
      this.#value(state, this.#tokens.next());
      lua.lua_rawset(state, -3);
      token = this.#tokens.next();
      if (token.kind === '}') break;
      if (token.kind !== ',') this.#fail(state, 'comma or object end', token);
      token = this.#tokens.next();
      // A comma promises one more.
      if (token.kind === '}') this.#fail(state, 'object key string', token);
    }
    this.#depth--;
  }

  #array(state: number): void {
    const { lua } = this.#vm;
    this.#descend(state, 2);
    lua.lua_createtable(state, 0, 0);
    let token = this.#tokens.next();
    if (token.kind !== ']') {
      for (let index = 1; ; index++) {
        this.#value(state, token);
        lua.lua_rawseti(state, -2, index);
        token = this.#tokens.next();
        if (token.kind === ']') break;
        if (token.kind !== ',') this.#fail(state, 'comma or array end', token);
        token = this.#tokens.next();
      }
    }
    this.#depth--;
  }

  #descend(state: number, slots: number): void {
    this.#depth++;
    const limit = Math.min(this.#settings.decodeDepth, maxNesting);
    if (this.#depth <= limit && this.#vm.lua.lua_checkstack(state, slots) !== 0) return;
    const at = this.#tokens.at;
    this.#vm.raise(state, `Found too many nested data structures (${this.#depth}) at character ${at}`);
  }

  #fail(state: number, expected: string, token: Token): never {
    const found = token.kind === 'error' ? token.why : tokenNames[token.kind];
    this.#vm.raise(state, `Expected ${expected} but found ${found} at character ${token.at + 1}`);
  }
}

const tokenNames: Readonly<Record<Exclude<Token['kind'], 'error'>, string>> = {
  '{': 'T_OBJ_BEGIN',
  '}': 'T_OBJ_END',
  '[': 'T_ARR_BEGIN',
  ']': 'T_ARR_END',
  string: 'T_STRING',
  number: 'T_NUMBER',
  true: 'T_BOOLEAN',
  false: 'T_BOOLEAN',
  null: 'T_NULL',
  ':': 'T_COLON',
  ',': 'T_COMMA',
  end: 'T_END',
};

const moduleFunctions = [
  'encode',
  'decode',
  'encode_sparse_array',
  'encode_max_depth',
  'decode_max_depth',
  'encode_number_precision',
  'encode_keep_buffer',
  'encode_invalid_numbers',
  'decode_invalid_numbers',
  'new',
];

export class JsonLibrary {
  readonly functions: HostFunctions;
  readonly #host: LuaHost;
  readonly #modules: Settings[] = [];

  constructor(host: LuaHost) {
    this.#host = host;
    this.functions = {
      'cjson.encode': (state) => this.#encode(state),
      'cjson.decode': (state) => this.#decode(state),
      'cjson.encode_sparse_array': (state) => this.#sparse(state),
      'cjson.encode_max_depth': (state) => this.#integer(state, 'encodeDepth', 1, maxInt),
      'cjson.decode_max_depth': (state) => this.#integer(state, 'decodeDepth', 1, maxInt),
      'cjson.encode_number_precision': (state) => this.#integer(state, 'precision', 1, 14),
      'cjson.encode_keep_buffer': (state) => this.#flag(state, 'keepBuffer'),
      'cjson.encode_invalid_numbers': (state) => this.#invalid(state),
      'cjson.decode_invalid_numbers': (state) => this.#flag(state, 'decodeInvalid'),
      'cjson.new': (state) => this.push(state),
    };
  }

  /** Pushes a module table with settings of its own. */
  push(state: number): number {
    const { vm } = this.#host;
    if (this.#modules.length >= maxModules) vm.raise(state, 'too many cjson modules');
    const id = this.#modules.push({
      sparseConvert: false,
      sparseRatio: 2,
      sparseSafe: 10,
      encodeDepth: 1000,
      decodeDepth: 1000,
      encodeInvalid: 0,
      decodeInvalid: true,
      precision: 14,
      keepBuffer: true,
    });
    vm.lua.lua_createtable(state, 0, moduleFunctions.length + 3);
    for (const name of moduleFunctions) {
      vm.pushText(state, name);
      vm.lua.lua_pushnumber(state, id - 1);
      vm.pushClosure(state, `cjson.${name}`, 1);
      vm.lua.lua_rawset(state, -3);
    }
    vm.pushText(state, 'null');
    vm.lua.lua_pushlightuserdata(state, 0);
    vm.lua.lua_rawset(state, -3);
    vm.setText(state, '_NAME', 'cjson');
    vm.setText(state, '_VERSION', '2.1.0');
    return 1;
  }

  #settings(state: number): Settings {
    return this.#modules[this.#host.vm.lua.lua_tonumber(state, firstUpvalue)]!;
  }

  /** The settings, with the arguments that are missing made nil. */
  #arguments(state: number, count: number): Settings {
    const { vm } = this.#host;
    if (vm.lua.lua_gettop(state) > count) vm.badArgument(state, count + 1, 'found too many arguments');
    vm.lua.lua_settop(state, count);
    return this.#settings(state);
  }

  #one(state: number): void {
    const { vm } = this.#host;
    if (vm.lua.lua_gettop(state) !== 1) vm.badArgument(state, 1, 'expected 1 argument');
  }

  #encode(state: number): number {
    const { vm } = this.#host;
    this.#one(state);
    vm.pushText(state, new Encoder(vm, this.#settings(state)).encode(state));
    return 1;
  }

  #decode(state: number): number {
    const { vm } = this.#host;
    this.#one(state);
    const text = vm.checkText(state, 1);
    if (text.length >= 2 && (text.charCodeAt(0) === 0 || text.charCodeAt(1) === 0)) {
      vm.raise(state, 'JSON parser does not support UTF-16 or UTF-32');
    }
    new Decoder(vm, this.#settings(state), text).decode(state);
    return 1;
  }

  #sparse(state: number): number {
    const settings = this.#arguments(state, 3);
    this.#readFlag(state, 1, settings, 'sparseConvert');
    this.#readInteger(state, 2, settings, 'sparseRatio', 0, maxInt);
    this.#readInteger(state, 3, settings, 'sparseSafe', 0, maxInt);
    return 3;
  }

  #integer(state: number, field: IntegerField, min: number, max: number): number {
    this.#readInteger(state, 1, this.#arguments(state, 1), field, min, max);
    return 1;
  }

  #flag(state: number, field: FlagField): number {
    this.#readFlag(state, 1, this.#arguments(state, 1), field);
    return 1;
  }

  #invalid(state: number): number {
    const { vm } = this.#host;
    const settings = this.#arguments(state, 1);
    const type = vm.lua.lua_type(state, 1);
    if (type === LuaType.boolean) settings.encodeInvalid = vm.lua.lua_toboolean(state, 1);
    else if (type !== LuaType.nil) settings.encodeInvalid = this.#option(state, 1, ['off', 'on', 'null']);
    if (settings.encodeInvalid === 2) vm.pushText(state, 'null');
    else vm.lua.lua_pushboolean(state, settings.encodeInvalid);
    return 1;
  }

  #readInteger(state: number, at: number, settings: Settings, field: IntegerField, min: number, max: number): void {
    const { vm } = this.#host;
    if (vm.lua.lua_type(state, at) !== LuaType.nil) {
      const value = toInt(vm.lua.luaL_checknumber(state, at));
      if (value < min || value > max) vm.badArgument(state, 1, `expected integer between ${min} and ${max}`);
      settings[field] = value;
    }
    vm.lua.lua_pushnumber(state, settings[field]);
  }

  #readFlag(state: number, at: number, settings: Settings, field: FlagField): void {
    const { vm } = this.#host;
    const type = vm.lua.lua_type(state, at);
    if (type === LuaType.boolean) settings[field] = vm.lua.lua_toboolean(state, at) !== 0;
    else if (type !== LuaType.nil) settings[field] = this.#option(state, at, ['off', 'on']) === 1;
    vm.lua.lua_pushboolean(state, settings[field] ? 1 : 0);
  }

  #option(state: number, at: number, options: readonly string[]): number {
    const { vm } = this.#host;
    const given = vm.checkText(state, at);
    const index = options.indexOf(given);
    if (index < 0) vm.badArgument(state, at, `invalid option '${given}'`);
    return index;
  }
}

type IntegerField = 'sparseRatio' | 'sparseSafe' | 'encodeDepth' | 'decodeDepth' | 'precision';
type FlagField = 'sparseConvert' | 'decodeInvalid' | 'keepBuffer';
