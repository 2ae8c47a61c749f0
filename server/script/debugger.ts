// A session of the script debugger (SCRIPT DEBUG SYNC): where the script stands, where it shall stop, and what the
// commands of the session print. Lines and words are those of redis-server's debugger.
// Owns: breakpoints, the lines that wait to be sent. Does not know: clients, nor how a script is left and taken up again.
// Invariant: what is printed of values is bounded in depth and in length.

import { Double, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import { quoteWord } from '../config/conf-text.ts';
import { debuggerHelp } from './debugger-help.ts';
import { isRefusedCall } from './run.ts';
import { LuaType, type LuaVm } from './vm.ts';

/** Where scripts of EVAL come from, in the words of Lua. */
export const scriptSource = '@user_script';

const mostBreakpoints = 64;
const leastLength = 60;
const usualLength = 256;
const deepest = 10;
/** Lines that wait to be sent: a script may print for ever. */
const mostLines = 10_000;
const shownWords = 10;
const badCommand = '<error> Unknown Redis Lua debugger command or wrong number of arguments.';

/** What a command of the session asks for beside lines: to go on, to end the script, or to run something first. */
export type DebugStep =
  | { readonly kind: 'stay' | 'go' | 'abort' }
  | { readonly kind: 'evaluate'; readonly code: string }
  | { readonly kind: 'call'; readonly argv: readonly string[] };

/** The script as it stands. */
export interface ScriptView {
  readonly vm: LuaVm;
  readonly state: number;
  /** Runs `use` with the value of a global on the top of the state. */
  withGlobal(name: string, use: () => void): void;
}

const stay: DebugStep = { kind: 'stay' };
const go: DebugStep = { kind: 'go' };

export class DebugSession {
  readonly #lines: readonly string[];
  readonly #breakpoints = new Set<number>();
  #log: string[] = [];
  #current = 0;
  #stepping = true;
  /** redis.breakpoint() was called. */
  #called = false;
  /** The line where it goes on: it is announced a second time then. */
  #resumedAt = 0;
  #maxLength = usualLength;
  #hinted = false;
  /** When it began or went on: milliseconds of the world. */
  since: number;

  constructor(text: string, now: number) {
    this.#lines = text.replace(/[\r\n]+$/, '').split('\n');
    this.since = now;
  }

  /** Before a line of the script runs: whether to stop. `limit` in ms: a script that runs longer is stopped. */
  arrive(line: number, now: number, limit: number): boolean {
    this.#current = line;
    const again = this.#resumedAt === line;
    this.#resumedAt = 0;
    if (again) return false;
    const pointed = this.#breakpoints.has(line) || this.#called;
    const late = !pointed && !this.#stepping && now - this.since >= limit;
    if (!pointed && !this.#stepping && !late) return false;
    const point = this.#called ? 'redis.breakpoint() called' : 'break point';
    const why = pointed ? point : late ? 'timeout reached, infinite loop?' : 'step over';
    this.#stepping = false;
    this.#called = false;
    this.print(`* Stopped at ${line}, stop reason = ${why}`);
    this.#printLine(line);
    return true;
  }

  /** The script goes on where it was left. */
  resume(now: number): void {
    this.since = now;
    this.#resumedAt = this.#current;
  }

  /** redis.breakpoint(). */
  breakSoon(): void {
    this.#called = true;
  }

  print(line: string): void {
    if (this.#log.length < mostLines) this.#log.push(line);
  }

  /** As print(), cut to what `maxlen` says. */
  printLong(line: string): void {
    const fits = this.#maxLength === 0 || line.length <= this.#maxLength;
    this.print(fits ? line : `${line.slice(0, this.#maxLength)} ...`);
    if (fits || this.#hinted) return;
    this.#hinted = true;
    this.print("<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.");
  }

  /** A command of the script and its reply, while it is stepped through. */
  noteCall(argv: readonly string[], reply: Reply, forced = false): void {
    if (!this.#stepping && !forced) return;
    const more = argv.length - shownWords;
    const shown = argv.slice(0, shownWords).map((word) => ` ${word}`);
    this.print(`<redis>${shown.join('')}${more > 0 ? ` ... (${more} more)` : ''}`);
    if (reply instanceof ReplyError) {
      const refused = isRefusedCall(reply);
      this.print(`<error> ${refused ? reply.message.replace(/^ERR /, '') : `-${reply.message}`}`);
      if (refused) return;
    }
    this.printLong(`<reply> ${humanReply(reply)}`);
  }

  /** The lines so far, as a reply. */
  take(): Reply {
    const lines = this.#log.map((line) => new Status(line.replace(/[\r\n]/g, ' ')));
    this.#log = [];
    return lines;
  }

  command(argv: readonly string[], view: ScriptView): DebugStep {
    const word = argv[0]!.toLowerCase();
    switch (word) {
      case 's':
      case 'step':
      case 'n':
      case 'next':
        this.#stepping = true;
        return go;
      case 'c':
      case 'continue':
        return go;
      case 'a':
      case 'abort':
        return { kind: 'abort' };
      case 'e':
      case 'eval':
        return { kind: 'evaluate', code: argv.slice(1).join(' ') };
      case 'r':
      case 'redis':
        if (argv.length > 1) return { kind: 'call', argv: argv.slice(1) };
        break;
      default:
        if (this.#show(word, argv, view)) return stay;
    }
    this.print(badCommand);
    return stay;
  }

  /** The commands that only look; false: it is none of them. */
  #show(word: string, argv: readonly string[], view: ScriptView): boolean {
    if (word === 'h' || word === 'help') for (const line of debuggerHelp) this.print(line);
    else if (word === 't' || word === 'trace') this.#trace(view);
    else if (word === 'm' || word === 'maxlen') this.#setLength(argv[1]);
    else if (word === 'b' || word === 'break') this.#break(argv.slice(1));
    else if (word === 'w' || word === 'whole') this.#list(1, this.#lines.length);
    else if (word === 'l' || word === 'list')
      this.#list(count(argv[1]) || this.#current, argv.length > 2 ? count(argv[2]) : 5);
    else if (word === 'p' || word === 'print') this.#printVariables(argv.length === 2 ? argv[1] : undefined, view);
    else return false;
    return true;
  }

  #printLine(line: number): void {
    const text = this.#lines[line - 1] ?? '<out of range source code line>';
    const [here, point] = [line === this.#current, this.#breakpoints.has(line)];
    const mark = here && point ? '->#' : here ? '-> ' : point ? '  #' : '   ';
    this.print(`${mark}${String(line).padEnd(3)} ${text}`);
  }

  #list(around: number, context: number): void {
    for (let line = 1; line <= this.#lines.length; line++) {
      if (Math.abs(around - line) <= context) this.#printLine(line);
    }
  }

  #setLength(text: string | undefined): void {
    if (text !== undefined) {
      const length = count(text);
      this.#maxLength = length === 0 ? 0 : Math.max(leastLength, length);
      this.#hinted = true;
    }
    if (this.#maxLength === 0) this.print('<value> replies are unlimited.');
    else this.print(`<value> replies are truncated at ${this.#maxLength} bytes.`);
  }

  #break(words: readonly string[]): void {
    if (words.length === 0) {
      if (this.#breakpoints.size === 0) this.print("No breakpoints set. Use 'b <line>' to add one.");
      else this.print(`${this.#breakpoints.size} breakpoints set:`);
      for (const line of this.#breakpoints) this.#printLine(line);
    }
    for (const word of words) this.#setBreakpoint(word);
  }

  #setBreakpoint(word: string): void {
    const line = /^-?\d{1,9}$/.test(word) ? Number(word) : undefined;
    if (line === undefined) this.print(`Invalid argument:'${word}'`);
    else if (line === 0) {
      this.#breakpoints.clear();
      this.print('All breakpoints removed.');
    } else if (line < 0) {
      const known = this.#breakpoints.delete(-line);
      this.print(known ? 'Breakpoint removed.' : 'No breakpoint in the specified line.');
    } else if (this.#breakpoints.size >= mostBreakpoints) this.print('Too many breakpoints already set.');
    else if (line > this.#lines.length) this.print('Wrong line number.');
    else {
      this.#breakpoints.add(line);
      this.#list(line, 1);
    }
  }

  #trace({ vm, state }: ScriptView): void {
    let level = 0;
    for (let at = vm.frame(state, level); at !== undefined; at = vm.frame(state, ++level)) {
      if (at.source !== scriptSource) continue;
      this.print(`${level === 0 ? 'In' : 'From'} ${at.name ?? 'top level'}:`);
      this.#printLine(at.line);
    }
  }

  #printVariables(name: string | undefined, { vm, state, withGlobal }: ScriptView): void {
    let found = 0;
    const show = (prefix: string): void => {
      found++;
      this.printLong(prefix + valueText(vm, state, 0));
    };
    const levels = name === undefined ? 1 : Number.POSITIVE_INFINITY;
    for (let level = 0; level < levels && found === 0; level++) {
      const visited = vm.eachLocal(state, level, (each) => {
        if (each.startsWith('(*')) return;
        if (name === undefined) show(`<value> ${each} = `);
        else if (each === name && found === 0) show('<value> ');
      });
      if (!visited) break;
    }
    if (found === 0 && (name === 'KEYS' || name === 'ARGV')) withGlobal(name, () => show('<value> '));
    if (found > 0) return;
    this.print(name === undefined ? 'No local variables in the current context.' : 'No such variable.');
  }
}

function count(text: string | undefined): number {
  return Math.max(0, Number.parseInt(text ?? '', 10) || 0);
}

/** The value on the top of a thread, in the notation of Lua. */
export function valueText(vm: LuaVm, state: number, level: number): string {
  if (level > deepest) return '<max recursion level reached! Nested table?>';
  const type = vm.lua.lua_type(state, -1);
  switch (type) {
    case LuaType.nil:
      return 'nil';
    case LuaType.boolean:
      return vm.lua.lua_toboolean(state, -1) !== 0 ? 'true' : 'false';
    case LuaType.number:
      return shortNumber(vm.lua.lua_tonumber(state, -1));
    case LuaType.string:
      return quoteWord(vm.text(state, -1) ?? '');
    case LuaType.table:
      return tableText(vm, state, level);
    default:
      return `${vm.typeName(type)}@0x${vm.lua.lua_topointer(state, -1).toString(16)}`;
  }
}

/** As C prints a double with %g. */
function shortNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  return String(Number(value.toPrecision(6)));
}

function tableText(vm: LuaVm, state: number, level: number): string {
  const parts: string[] = [];
  let list = true;
  const named: string[] = [];
  if (vm.lua.lua_checkstack(state, 4) === 0) return '{...}';
  vm.lua.lua_pushnil(state);
  while (parts.length < mostLines && vm.lua.lua_next(state, -2) !== 0) {
    const value = valueText(vm, state, level + 1);
    vm.lua.lua_pushvalue(state, -2);
    if (list && vm.lua.lua_type(state, -1) === LuaType.number)
      list = vm.lua.lua_tonumber(state, -1) === parts.length + 1;
    else list = false;
    const key = valueText(vm, state, level + 1);
    vm.pop(state, 2);
    parts.push(value);
    named.push(`[${key}]=${value}`);
  }
  if (parts.length >= mostLines) vm.pop(state, 1);
  return `{${(list ? parts : named).join('; ')}}`;
}

/** A reply as people read it. */
function humanReply(reply: Reply): string {
  if (reply === null || reply === undefined) return 'NULL';
  if (typeof reply === 'string') return quoteWord(reply);
  if (typeof reply === 'number' || typeof reply === 'bigint') return String(reply);
  if (typeof reply === 'boolean') return reply ? '#true' : '#false';
  if (reply instanceof ReplyError) return quoteWord(`-${reply.message}`);
  if (reply instanceof Status) return quoteWord(reply.text);
  if (Array.isArray(reply)) return `[${reply.map(humanReply).join(',')}]`;
  if (reply instanceof Set) return `~(${[...reply].map(humanReply).join(',')})`;
  if (reply instanceof Map) {
    return `{${[...reply].map(([key, value]) => `${humanReply(key)} => ${humanReply(value)}`).join(',')}}`;
  }
  return reply instanceof Double ? `(double) ${reply.value}` : 'NULL';
}
