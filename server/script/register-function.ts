// The arguments of redis.register_function: a name and a function, or a table of them with more.

import { scriptFlagNames } from './shebang.ts';
import { LuaType, type LuaVm } from './vm.ts';

export interface Registration {
  readonly name: string;
  readonly description: string | undefined;
  readonly flags: number;
  /** Where the function is on the stack. */
  readonly callbackAt: number;
}

/** Reads them off the stack; what is wrong with them otherwise. */
export function readRegistration(vm: LuaVm, state: number): Registration | string {
  const count = vm.lua.lua_gettop(state);
  if (count < 1 || count > 2) return 'wrong number of arguments to redis.register_function';
  return count === 1 ? readNamed(vm, state) : readPositional(vm, state);
}

function readPositional(vm: LuaVm, state: number): Registration | string {
  const name = vm.text(state, 1);
  if (name === undefined) return 'first argument to redis.register_function must be a string';
  if (vm.lua.lua_type(state, 2) !== LuaType.function) {
    return 'second argument to redis.register_function must be a function';
  }
  return { name, description: undefined, flags: 0, callbackAt: 2 };
}

function readNamed(vm: LuaVm, state: number): Registration | string {
  const { lua } = vm;
  if (lua.lua_type(state, 1) !== LuaType.table) {
    return 'calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).';
  }
  const found: { name?: string; description?: string; flags: number } = { flags: 0 };
  // The function's place, below the keys and values of the loop.
  lua.lua_pushnil(state);
  lua.lua_pushnil(state);
  while (lua.lua_next(state, 1) !== 0) {
    const problem = readField(vm, state, found);
    if (problem !== undefined) return problem;
    vm.pop(state, 1);
  }
  if (found.name === undefined) return 'redis.register_function must get a function name argument';
  if (lua.lua_type(state, 2) !== LuaType.function) return 'redis.register_function must get a callback argument';
  return { name: found.name, description: found.description, flags: found.flags, callbackAt: 2 };
}

/** Reads the key and the value on the top; what is wrong with them. */
function readField(
  vm: LuaVm,
  state: number,
  found: { name?: string; description?: string; flags: number },
): string | undefined {
  const { lua } = vm;
  if (lua.lua_isstring(state, -2) === 0) {
    return 'named argument key given to redis.register_function is not a string';
  }
  switch (keyText(vm, state).toLowerCase()) {
    case 'function_name': {
      const name = vm.text(state, -1);
      if (name === undefined) return 'function_name argument given to redis.register_function must be a string';
      found.name = name;
      return undefined;
    }
    case 'description': {
      const description = vm.text(state, -1);
      if (description === undefined) {
        return 'description argument given to redis.register_function must be a string';
      }
      found.description = description;
      return undefined;
    }
    case 'callback':
      if (lua.lua_type(state, -1) !== LuaType.function) {
        return 'callback argument given to redis.register_function must be a function';
      }
      lua.lua_pushvalue(state, -1);
      lua.lua_replace(state, 2);
      return undefined;
    case 'flags': {
      if (lua.lua_type(state, -1) !== LuaType.table) {
        return 'flags argument to redis.register_function must be a table representing function flags';
      }
      const flags = readFlags(vm, state);
      if (flags === undefined) return 'unknown flag given';
      found.flags = flags;
      return undefined;
    }
    default:
      return 'unknown argument given to redis.register_function';
  }
}

/** The key below the value on the top; a number stays one, or the loop would not find on. */
function keyText(vm: LuaVm, state: number): string {
  vm.lua.lua_pushvalue(state, -2);
  const text = vm.text(state, -1)!;
  vm.pop(state, 1);
  return text;
}

function readFlags(vm: LuaVm, state: number): number | undefined {
  let flags = 0;
  for (let index = 1; ; index++) {
    vm.lua.lua_rawgeti(state, -1, index);
    const end = vm.lua.lua_type(state, -1) === LuaType.nil;
    const name = vm.text(state, -1)?.toLowerCase();
    vm.pop(state, 1);
    if (end) return flags;
    const flag = scriptFlagNames.find(([known]) => known === name)?.[1];
    if (flag === undefined) return undefined;
    flags |= flag;
  }
}
