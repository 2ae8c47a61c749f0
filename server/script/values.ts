// Replies of commands as Lua values, and what a script returns as a reply.
// Owns: nothing. Does not know: commands. Invariant: whatever a script returns, the reply is finite.

import {
  Attributed,
  BigNumber,
  Double,
  NullArray,
  Push,
  type Reply,
  ReplyError,
  Status,
  Verbatim,
} from '../../lib/wire/reply.ts';
import { CountedError } from '../engine/registry.ts';
import { formatDouble } from '../engine/replies.ts';
import { INT64_MIN } from '../keyspace/number.ts';
import { LuaType, type LuaVm } from './vm.ts';

/** Tables in tables that a reply is made of at most: a table may hold itself, and readers have an end too. */
const maxDepth = 1000;

/** The error of a command or of the script's own making, as scripts see it. `counted`: the statistics have it already. */
export function pushError(vm: LuaVm, state: number, message: string, counted: boolean): void {
  const { lua } = vm;
  lua.lua_createtable(state, 0, 2);
  vm.setText(state, 'err', withCode(message));
  if (!counted) return;
  vm.pushText(state, 'ignore_error_stats_update');
  lua.lua_pushboolean(state, 1);
  lua.lua_rawset(state, -3);
}

/** An error has a code: a text of one word gets one. */
function withCode(message: string): string {
  const text = message.replace(/^[\r\n]+|[\r\n]+$/g, '');
  return text.includes(' ') ? text : `ERR ${text}`;
}

export function pushReply(vm: LuaVm, state: number, reply: Reply, protocol: 2 | 3): void {
  const { lua } = vm;
  if (typeof reply === 'string') vm.pushText(state, reply);
  else if (typeof reply === 'number') lua.lua_pushnumber(state, reply);
  else if (typeof reply === 'bigint') lua.lua_pushnumber(state, Number(reply));
  else if (reply === null || reply instanceof NullArray) pushNull(vm, state, protocol);
  else if (reply instanceof Status) {
    lua.lua_createtable(state, 0, 1);
    vm.setText(state, 'ok', reply.text);
  } else if (reply instanceof ReplyError) pushError(vm, state, reply.message, true);
  else if (reply instanceof Attributed) pushReply(vm, state, reply.reply, protocol);
  else if (Array.isArray(reply)) pushList(vm, state, reply, protocol);
  else if (protocol === 3) pushThird(vm, state, reply as RareReply);
  else pushSecond(vm, state, reply as RareReply);
}

type RareReply = boolean | Double | Verbatim | BigNumber | Push | ReadonlyMap<Reply, Reply> | ReadonlySet<Reply>;

function pushNull(vm: LuaVm, state: number, protocol: 2 | 3): void {
  if (protocol === 3) vm.lua.lua_pushnil(state);
  else vm.lua.lua_pushboolean(state, 0);
}

function pushList(vm: LuaVm, state: number, items: readonly Reply[], protocol: 2 | 3): void {
  const { lua } = vm;
  if (lua.lua_checkstack(state, 4) === 0) vm.raise(state, 'stack overflow');
  lua.lua_createtable(state, items.length, 0);
  for (let index = 0; index < items.length; index++) {
    pushReply(vm, state, items[index]!, protocol);
    lua.lua_rawseti(state, -2, index + 1);
  }
}

/** What RESP2 has no type for, as RESP2 shows it. */
function pushSecond(vm: LuaVm, state: number, reply: RareReply): void {
  if (typeof reply === 'boolean') vm.lua.lua_pushnumber(state, reply ? 1 : 0);
  else if (reply instanceof Double) vm.pushText(state, formatDouble(reply.value));
  else if (reply instanceof Verbatim) vm.pushText(state, reply.text);
  else if (reply instanceof BigNumber) vm.pushText(state, reply.digits);
  else if (reply instanceof Push) pushList(vm, state, reply.items as readonly Reply[], 2);
  else if (reply instanceof Map) pushList(vm, state, [...reply].flat() as Reply[], 2);
  else pushList(vm, state, [...(reply as ReadonlySet<Reply>)], 2);
}

function pushThird(vm: LuaVm, state: number, reply: RareReply): void {
  const { lua } = vm;
  if (typeof reply === 'boolean') lua.lua_pushboolean(state, reply ? 1 : 0);
  else if (reply instanceof Push) pushList(vm, state, reply.items as readonly Reply[], 3);
  else pushTagged(vm, state, reply);
}

/** A table with one field that says what it stands for. */
function pushTagged(vm: LuaVm, state: number, reply: Exclude<RareReply, boolean | Push>): void {
  const { lua } = vm;
  lua.lua_checkstack(state, 6);
  lua.lua_createtable(state, 0, 1);
  if (reply instanceof Double) {
    vm.setNumber(state, 'double', reply.value);
  } else if (reply instanceof BigNumber) {
    vm.setText(state, 'big_number', reply.digits);
  } else if (reply instanceof Verbatim) {
    vm.pushText(state, 'verbatim_string');
    lua.lua_createtable(state, 0, 2);
    vm.setText(state, 'string', reply.text);
    vm.setText(state, 'format', reply.format);
    lua.lua_rawset(state, -3);
  } else if (reply instanceof Map) {
    vm.pushText(state, 'map');
    lua.lua_createtable(state, 0, reply.size);
    for (const [key, value] of reply) {
      pushReply(vm, state, key, 3);
      pushReply(vm, state, value, 3);
      lua.lua_rawset(state, -3);
    }
    lua.lua_rawset(state, -3);
  } else {
    vm.pushText(state, 'set');
    lua.lua_createtable(state, 0, 8);
    for (const item of reply as ReadonlySet<Reply>) {
      pushReply(vm, state, item, 3);
      lua.lua_pushboolean(state, 1);
      lua.lua_rawset(state, -3);
    }
    lua.lua_rawset(state, -3);
  }
}

/** Takes the value on the top off and gives the reply that it stands for. `protocol`: what the script has set. */
export function readReply(vm: LuaVm, state: number, protocol: 2 | 3, depth = 0): Reply {
  const { lua } = vm;
  const reply = replyOf(vm, state, protocol, depth);
  lua.lua_settop(state, -2);
  return reply;
}

function replyOf(vm: LuaVm, state: number, protocol: 2 | 3, depth: number): Reply {
  const { lua } = vm;
  if (depth > maxDepth || lua.lua_checkstack(state, 4) === 0) return new ReplyError('ERR reached lua stack limit');
  switch (lua.lua_type(state, -1)) {
    case LuaType.string:
      return vm.text(state, -1)!;
    case LuaType.number:
      return integer(lua.lua_tonumber(state, -1));
    case LuaType.boolean: {
      const yes = lua.lua_toboolean(state, -1) !== 0;
      return protocol === 3 ? yes : yes ? 1 : null;
    }
    case LuaType.table:
      return tableOf(vm, state, protocol, depth);
    default:
      return null;
  }
}

/** A double as C makes a long long of it. */
function integer(value: number): number | bigint {
  if (Math.abs(value) < Number.MAX_SAFE_INTEGER) return Math.trunc(value) + 0;
  if (!(Math.abs(value) < 2 ** 63)) return INT64_MIN;
  return BigInt(Math.trunc(value));
}

/** Tables with one of a few fields stand for what Lua has no type for; others are lists, up to the first nil. */
function tableOf(vm: LuaVm, state: number, protocol: 2 | 3, depth: number): Reply {
  const special = specialOf(vm, state, protocol, depth);
  if (special !== undefined) return special;
  const items: Reply[] = [];
  for (let index = 1; ; index++) {
    vm.lua.lua_rawgeti(state, -1, index);
    if (vm.lua.lua_type(state, -1) === LuaType.nil) break;
    items.push(readReply(vm, state, protocol, depth + 1));
  }
  vm.pop(state, 1);
  return items;
}

function specialOf(vm: LuaVm, state: number, protocol: 2 | 3, depth: number): Reply | undefined {
  const error = stringField(vm, state, 'err');
  if (error !== undefined) return errorOf(vm, state, error);
  const ok = stringField(vm, state, 'ok');
  if (ok !== undefined) return new Status(oneLine(untilZero(ok)));
  if (vm.rawField(state, -1, 'double') === LuaType.number) {
    const value = vm.lua.lua_tonumber(state, -1);
    vm.pop(state, 1);
    return new Double(value);
  }
  vm.pop(state, 1);
  const big = stringField(vm, state, 'big_number');
  if (big !== undefined) return new BigNumber(oneLine(big));
  return verbatimOf(vm, state) ?? mapOf(vm, state, protocol, depth) ?? setOf(vm, state, protocol, depth);
}

/** The error in the table on the top, its text being `message`. */
function errorOf(vm: LuaVm, state: number, message: string): ReplyError {
  vm.rawField(state, -1, 'ignore_error_stats_update');
  const counted = vm.lua.lua_toboolean(state, -1) !== 0;
  vm.pop(state, 1);
  const text = oneLine(untilZero(message).replace(/[\r\n]+$/, ''));
  return counted ? new CountedError(text) : new ReplyError(text);
}

function stringField(vm: LuaVm, state: number, field: string): string | undefined {
  const text = vm.rawField(state, -1, field) === LuaType.string ? vm.text(state, -1) : undefined;
  vm.pop(state, 1);
  return text;
}

function verbatimOf(vm: LuaVm, state: number): Verbatim | undefined {
  if (vm.rawField(state, -1, 'verbatim_string') !== LuaType.table) {
    vm.pop(state, 1);
    return undefined;
  }
  const format = stringField(vm, state, 'format');
  const text = stringField(vm, state, 'string');
  vm.pop(state, 1);
  if (format === undefined || text === undefined) return undefined;
  return new Verbatim(text, untilZero(format).slice(0, 3));
}

function mapOf(vm: LuaVm, state: number, protocol: 2 | 3, depth: number): Reply | undefined {
  const { lua } = vm;
  if (vm.rawField(state, -1, 'map') !== LuaType.table) {
    vm.pop(state, 1);
    return undefined;
  }
  const map = new Map<Reply, Reply>();
  lua.lua_pushnil(state);
  while (lua.lua_next(state, -2) !== 0) {
    lua.lua_pushvalue(state, -2);
    const key = readReply(vm, state, protocol, depth + 1);
    map.set(key, readReply(vm, state, protocol, depth + 1));
  }
  vm.pop(state, 1);
  return map;
}

function setOf(vm: LuaVm, state: number, protocol: 2 | 3, depth: number): Reply | undefined {
  const { lua } = vm;
  if (vm.rawField(state, -1, 'set') !== LuaType.table) {
    vm.pop(state, 1);
    return undefined;
  }
  const set = new Set<Reply>();
  lua.lua_pushnil(state);
  while (lua.lua_next(state, -2) !== 0) {
    vm.pop(state, 1);
    lua.lua_pushvalue(state, -1);
    set.add(readReply(vm, state, protocol, depth + 1));
  }
  vm.pop(state, 1);
  return set;
}

function untilZero(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

function oneLine(text: string): string {
  return text.replace(/[\r\n]/g, ' ');
}
