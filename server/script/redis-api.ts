// The `redis` table of scripts, and math.random: what they ask of the server.
// Owns: the protocol that the running script has asked for, and where its effects go.
// Does not know: how a script is started and stopped. Invariant: nothing here outlives the run but the random numbers.

import { createHash } from 'node:crypto';
import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { formatDouble } from '../engine/replies.ts';
import { serverVersion } from '../engine/version.ts';
import type { HostFunctions, LuaHost } from './host.ts';
import { isShort, toInt } from './integers.ts';
import { ScriptRandom } from './random.ts';
import { pushError, pushReply } from './values.ts';
import { LuaType, type LuaVm } from './vm.ts';

/** What scripts ask for, given by whoever runs them. Undefined `run`: no script runs, a library is being loaded. */
export interface ScriptHost {
  readonly running: boolean;
  /** Runs a command for the script that runs. */
  call(argv: readonly string[]): Reply | undefined;
  readonly protocol: 2 | 3;
  setProtocol(protocol: 2 | 3): void;
  setTargets(targets: number): void;
  /** Whether the user of the script may call it; undefined: there is no such command. */
  mayCall(argv: readonly string[]): boolean | undefined;
  log(level: number, text: string): void;
  /** redis.breakpoint(): whether the script is in a session of the debugger. */
  breakSoon(): boolean;
  /** redis.debug(): prints the values on the stack in that session. */
  debug(vm: LuaVm, state: number): void;
}

const maxRandom = 0x7fff_ffff;
const levels = [
  ['LOG_DEBUG', 0],
  ['LOG_VERBOSE', 1],
  ['LOG_NOTICE', 2],
  ['LOG_WARNING', 3],
] as const;
const targets = [
  ['REPL_NONE', 0],
  ['REPL_AOF', 1],
  ['REPL_SLAVE', 2],
  ['REPL_REPLICA', 2],
  ['REPL_ALL', 3],
] as const;

/** `7.0.15` as 0x0007000f. */
function versionNumber(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  return (major << 16) | (minor << 8) | patch;
}

export class RedisApi {
  readonly functions: HostFunctions;
  readonly #host: LuaHost;
  readonly #script: ScriptHost;
  readonly #random = new ScriptRandom();

  constructor(host: LuaHost, script: ScriptHost) {
    this.#host = host;
    this.#script = script;
    this.functions = {
      call: (state) => this.#call(state, true),
      'redis.pcall': (state) => this.#call(state, false),
      log: (state) => this.#log(state),
      sha1hex: (state) => this.#sha1hex(state),
      error_reply: (state) => this.#errorReply(state),
      status_reply: (state) => this.#statusReply(state),
      setresp: (state) => this.#setProtocol(state),
      set_repl: (state) => this.#setTargets(state),
      acl_check_cmd: (state) => this.#mayCall(state),
      breakpoint: (state) => this.#boolean(state, this.#script.breakSoon()),
      debug: (state) => {
        this.#script.debug(this.#host.vm, state);
        return 0;
      },
      replicate_commands: (state) => this.#boolean(state, true),
      'math.random': (state) => this.#randomNumber(state),
      'math.randomseed': (state) => this.#seed(state),
    };
  }

  /** Pushes the table; `forEval`: with what only EVAL has. */
  push(state: number, forEval: boolean): void {
    const { vm } = this.#host;
    vm.lua.lua_createtable(state, 0, 32);
    for (const name of ['call', 'setresp', 'sha1hex', 'error_reply', 'status_reply', 'set_repl', 'acl_check_cmd']) {
      vm.setFunction(state, name);
    }
    vm.setFunction(state, 'pcall', 'redis.pcall');
    for (const [name, value] of targets) vm.setNumber(state, name, value);
    this.#pushCommon(state);
    if (forEval) for (const name of ['breakpoint', 'debug', 'replicate_commands']) vm.setFunction(state, name);
  }

  /** Pushes the table that the code of a library has while it is loaded. */
  pushForLibrary(state: number): void {
    this.#host.vm.lua.lua_createtable(state, 0, 8);
    this.#pushCommon(state);
    this.#host.vm.setFunction(state, 'register_function');
  }

  #pushCommon(state: number): void {
    const { vm } = this.#host;
    vm.setFunction(state, 'log');
    for (const [name, value] of levels) vm.setNumber(state, name, value);
    vm.setText(state, 'REDIS_VERSION', serverVersion);
    vm.setNumber(state, 'REDIS_VERSION_NUM', versionNumber(serverVersion));
  }

  #call(state: number, raises: boolean): number {
    const { vm } = this.#host;
    const { lua } = vm;
    if (!this.#script.running) this.#fail(state, 'redis.call/pcall can only be called inside a script invocation');
    const argv = this.#arguments(state);
    if (argv === undefined) {
      if (raises) lua.lua_error(state);
      return 1;
    }
    const reply = this.#script.call(argv) ?? null;
    pushReply(vm, state, reply, this.#script.protocol);
    if (raises && reply instanceof ReplyError) lua.lua_error(state);
    return 1;
  }

  /** The arguments as words, taken off the stack; undefined when there is an error in their place. */
  #arguments(state: number): string[] | undefined {
    const { vm } = this.#host;
    const { lua } = vm;
    const count = lua.lua_gettop(state);
    if (count === 0) {
      pushError(vm, state, 'ERR Please specify at least one argument for this redis lib call', false);
      return undefined;
    }
    const argv: string[] = [];
    for (let at = 1; at <= count; at++) {
      if (lua.lua_type(state, at) === LuaType.number) {
        argv.push(numberWord(lua.lua_tonumber(state, at)));
        continue;
      }
      const text = vm.text(state, at);
      if (text === undefined) break;
      argv.push(text);
    }
    lua.lua_settop(state, 0);
    if (argv.length === count) return argv;
    pushError(vm, state, 'ERR Lua redis lib command arguments must be strings or integers', false);
    return undefined;
  }

  #mayCall(state: number): number {
    const { vm } = this.#host;
    if (!this.#script.running) {
      this.#fail(state, 'redis.acl_check_cmd can only be called inside a script invocation');
    }
    const argv = this.#arguments(state);
    if (argv === undefined) return vm.lua.lua_error(state);
    const may = this.#script.mayCall(argv);
    if (may === undefined) this.#fail(state, 'Invalid command passed to redis.acl_check_cmd()');
    return this.#boolean(state, may);
  }

  #log(state: number): number {
    const { vm } = this.#host;
    const count = vm.lua.lua_gettop(state);
    if (count < 2) this.#fail(state, 'redis.log() requires two arguments or more.');
    if (vm.lua.lua_isnumber(state, 1) === 0) this.#fail(state, 'First argument must be a number (log level).');
    const level = Math.trunc(vm.lua.lua_tonumber(state, 1));
    if (!(level >= 0 && level <= 3)) this.#fail(state, 'Invalid debug level.');
    const words: string[] = [];
    for (let at = 2; at <= count; at++) {
      const text = vm.text(state, at);
      if (text !== undefined) words.push(text);
    }
    this.#script.log(level, words.join(' '));
    return 0;
  }

  #sha1hex(state: number): number {
    const { vm } = this.#host;
    if (vm.lua.lua_gettop(state) !== 1) this.#fail(state, 'wrong number of arguments');
    vm.pushText(state, sha1(vm.text(state, 1) ?? ''));
    return 1;
  }

  #errorReply(state: number): number {
    const { vm } = this.#host;
    const text = this.#onlyText(state);
    // One dash is the protocol's, and may be there or not.
    if (text !== undefined) pushError(vm, state, untilZero(text).replace(/^-/, ''), false);
    return 1;
  }

  #statusReply(state: number): number {
    const { vm } = this.#host;
    const text = this.#onlyText(state);
    if (text === undefined) return 1;
    vm.lua.lua_createtable(state, 0, 1);
    vm.setText(state, 'ok', text);
    return 1;
  }

  /** The one argument, a string; else undefined, with the error for it pushed. */
  #onlyText(state: number): string | undefined {
    const { vm } = this.#host;
    if (vm.lua.lua_gettop(state) === 1 && vm.lua.lua_type(state, 1) === LuaType.string) return vm.text(state, 1);
    pushError(vm, state, 'ERR wrong number or type of arguments', false);
    return undefined;
  }

  #setProtocol(state: number): number {
    const { lua } = this.#host.vm;
    if (!this.#script.running) this.#fail(state, 'redis.setresp can only be called inside a script invocation');
    if (lua.lua_gettop(state) !== 1) this.#fail(state, 'redis.setresp() requires one argument.');
    const protocol = Math.trunc(lua.lua_tonumber(state, 1));
    if (protocol !== 2 && protocol !== 3) this.#fail(state, 'RESP version must be 2 or 3.');
    this.#script.setProtocol(protocol);
    return 0;
  }

  #setTargets(state: number): number {
    const { lua } = this.#host.vm;
    if (!this.#script.running) this.#fail(state, 'redis.set_repl can only be called inside a script invocation');
    if (lua.lua_gettop(state) !== 1) this.#fail(state, 'redis.set_repl() requires two arguments.');
    const given = lua.lua_tonumber(state, 1);
    // What no `int` can hold has all flags.
    const flags = isShort(given) ? Math.trunc(given) : -1;
    if ((flags & ~3) !== 0) {
      this.#fail(state, 'Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.');
    }
    this.#script.setTargets(flags);
    return 0;
  }

  #randomNumber(state: number): number {
    const { vm } = this.#host;
    const { lua } = vm;
    if (!this.#script.running) vm.raise(state, 'math.random can only be called inside a script invocation');
    const random = (this.#random.next() % maxRandom) / maxRandom;
    const count = lua.lua_gettop(state);
    if (count > 2) vm.raise(state, 'wrong number of arguments');
    if (count === 0) {
      lua.lua_pushnumber(state, random);
      return 1;
    }
    const low = count === 1 ? 1 : toInt(lua.luaL_checknumber(state, 1));
    const high = toInt(lua.luaL_checknumber(state, count));
    if (low > high) vm.badArgument(state, count, 'interval is empty');
    lua.lua_pushnumber(state, Math.floor(random * ((high - low + 1) | 0)) + low);
    return 1;
  }

  #seed(state: number): number {
    const { vm } = this.#host;
    if (!this.#script.running) vm.raise(state, 'math.randomseed can only be called inside a script invocation');
    this.#random.seed(toInt(vm.lua.luaL_checknumber(state, 1)));
    return 0;
  }

  #boolean(state: number, value: boolean): number {
    this.#host.vm.lua.lua_pushboolean(state, value ? 1 : 0);
    return 1;
  }

  /** Raises an error of the kind that redis.call raises: a table. */
  #fail(state: number, text: string): never {
    pushError(this.#host.vm, state, `ERR ${text}`, false);
    this.#host.vm.lua.lua_error(state);
    throw new Error('unreachable');
  }
}

/** A number as a command's word: with 17 digits, where Lua's own conversion has 14. */
function numberWord(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return Object.is(value, -0) ? '-0' : String(value);
  // 0/0 has a sign on x86-64.
  return Number.isNaN(value) ? '-nan' : formatDouble(value);
}

export function sha1(text: string): string {
  return createHash('sha1').update(text, 'latin1').digest('hex');
}

function untilZero(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
