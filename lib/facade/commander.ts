// The command surface: turns method calls into Calls. One table of names makes the methods of Cluster, Redis and
// Pipeline alike; what differs is only what each does with a finished call.

import { EventEmitter } from 'node:events';
import { RedisError } from '../base/errors.ts';
import { hintOf } from '../base/hint.ts';
import { type Callback, nodeify } from '../batch/pipeline.ts';
import { argvOf } from '../command/argv.ts';
import { firstKeyIndex } from '../command/keys.ts';
import type { LoadedScripts } from '../command/loaded-scripts.ts';
import { prefixKeys } from '../command/prefix.ts';
import { comfortOf, shapeOf } from '../command/reply-shape.ts';
import { Script } from '../command/script.ts';
import { builtinCommandNames, type CommandRow, commandOf, Flag } from '../command/table.ts';
import {
  type ReplyContext,
  type ReplyTransformer,
  replyTransformerOf,
  transformWords,
} from '../command/transformers.ts';
import { Call, CallFlag, type CallSink, type ReplyShape } from '../connection/call.ts';
import type { Encoding } from '../wire/decoder.ts';
import type { Argument } from '../wire/encoder.ts';
import { slotOf } from '../wire/slot.ts';
import type { CommonRedisOptions, ScriptDefinition } from './options.ts';

const confirmations = new Set(['subscribe', 'unsubscribe', 'psubscribe', 'punsubscribe', 'ssubscribe', 'sunsubscribe']);

/** Commands that may hold their connection for as long as it takes; besides these, all that nobody has told us about. */
const slowCommands = new Set(
  `eval evalsha eval_ro evalsha_ro fcall fcall_ro script function wait waitaof debug sort sort_ro keys flushall flushdb
  save migrate restore`.split(/\s+/),
);

/** What is known of a command once its name is: looked up once per name, kept by the method. */
export interface Word {
  readonly name: string;
  /** Undefined for a command nobody has told us about (a module's). */
  readonly row: CommandRow | undefined;
  readonly flags: number;
  readonly shape: ReplyShape | undefined;
}

const words = new Map<string, Word>();
/** Names come from users (call()): a program that makes them up must not fill memory. */
const maxWords = 4096;

export function wordOf(name: string): Word {
  const known = words.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  const row = commandOf(lower);
  let flags = 0;
  if (row !== undefined && (row.flags & Flag.readonly) !== 0) flags |= CallFlag.readOnly;
  if (row !== undefined && (row.flags & Flag.blocking) !== 0) flags |= CallFlag.blocking;
  if (lower === 'wait' || lower === 'waitaof') flags |= CallFlag.blocking | CallFlag.inOrder;
  if (confirmations.has(lower)) flags |= CallFlag.subscribing;
  // A module's commands may do whatever they like, also those whose keys are known.
  if (row === undefined || slowCommands.has(lower) || lower.includes('.')) flags |= CallFlag.slow;
  const word: Word = { name, row, flags, shape: shapeOf(name) };
  if (words.size < maxWords) words.set(name, word);
  return word;
}

/** Read at each call, as ioredis does: an option may be assigned while the client lives. */
interface MakerOptions {
  readonly keyPrefix?: string | Buffer | null | undefined;
}

export class CallMaker {
  readonly #options: MakerOptions;
  readonly #sink: CallSink;
  readonly #scripts: LoadedScripts | undefined;
  /** What replies come by: for transformers, and to leave RESP3's own shapes alone where they are asked for. */
  readonly replyContext: Omit<ReplyContext, 'commandName'>;

  constructor(
    options: MakerOptions,
    sink: CallSink,
    { protocol = 3, replyMapping = 'legacy' }: Pick<CommonRedisOptions, 'protocol' | 'replyMapping'> = {},
    scripts?: LoadedScripts,
  ) {
    this.#options = options;
    this.#sink = sink;
    this.#scripts = scripts;
    this.replyContext = { protocol, replyMapping };
  }

  /** `words`: the name and the arguments as given, in an array that becomes the call's. */
  make(word: Word, words: unknown[], encoding: Encoding): Call {
    const { keyPrefix } = this.#options;
    let argv = argvOf(transformWords(word.name, words));
    if (keyPrefix?.length) argv = prefixKeys(argv, keyPrefix);
    return this.makeAsIs(word, argv, encoding);
  }

  /** From an argv that is complete: no transformer, no prefix. */
  makeAsIs(word: Word, argv: Argument[], encoding: Encoding): Call {
    const call = this.#place(argv, word.row, flagsOf(word, argv), encoding, this.#shapeOf(word));
    if ((word.flags & CallFlag.subscribing) !== 0) call.pushes = Math.max(1, argv.length - 1);
    if (word.row !== undefined && (word.row === evalsha || word.row === evalshaReadOnly)) {
      call.fallback = this.#scripts?.evalOf(argv);
    }
    return call;
  }

  /** The same call with another shape for its reply. */
  reshape(call: Call, shape: ReplyShape): Call {
    const reshaped = new Call(call.argv, call.slot, call.flags, call.encoding, shape, this.#sink);
    reshaped.pushes = call.pushes;
    reshaped.fallback = call.fallback;
    return reshaped;
  }

  #shapeOf(word: Word): ReplyShape | undefined {
    const transform = replyTransformerOf(word.name);
    // The closure is made elsewhere: V8 takes memory for what it captures when a function is entered, not when it is made.
    if (transform !== undefined) return transformed(transform, { commandName: word.name, ...this.replyContext });
    return this.replyContext.replyMapping === 'legacy' ? word.shape : comfortOf(word.name);
  }

  /** EVALSHA, with EVAL kept at hand for a server that does not know the script yet. */
  makeScript(script: Script, args: readonly unknown[], encoding: Encoding): Call {
    const count = script.numberOfKeys === undefined ? [] : [script.numberOfKeys];
    let argv = argvOf(['evalsha', script.sha, ...count, ...args]);
    const { keyPrefix } = this.#options;
    if (keyPrefix?.length) argv = prefixKeys(argv, keyPrefix);
    const flags = CallFlag.slow | (script.readOnly ? CallFlag.readOnly : 0);
    const call = this.#place(argv, evalsha, flags, encoding, undefined);
    call.fallback = ['eval', script.lua, ...argv.slice(2)];
    return call;
  }

  #place(
    argv: Argument[],
    row: CommandRow | undefined,
    flags: number,
    encoding: Encoding,
    shape: ReplyShape | undefined,
  ): Call {
    const at = firstKeyIndex(row, argv);
    return new Call(argv, at === 0 ? -1 : slotOf(argv[at]!), flags, encoding, shape, this.#sink);
  }
}

function transformed(transform: ReplyTransformer, context: ReplyContext): ReplyShape {
  return (reply) => transform(reply, { ...context });
}

// XREAD and XREADGROUP block only when told to.
function flagsOf({ name, flags }: Word, argv: readonly Argument[]): number {
  if ((flags & CallFlag.blocking) === 0 || !/^xread/i.test(name)) return flags;
  const blocks = argv.some((argument) => typeof argument === 'string' && argument.toLowerCase() === 'block');
  return blocks ? flags : flags & ~CallFlag.blocking;
}

const evalsha = commandOf('evalsha');
const evalshaReadOnly = commandOf('evalsha_ro');

/** What the methods of a class do with a command. */
interface CommandTarget {
  /** `words`: the command's name and its arguments, a callback among them; the array is the callee's. */
  execute(word: Word, words: unknown[], encoding: Encoding): unknown;
  executeScript(script: Script, args: unknown[], encoding: Encoding): unknown;
}

/**
 * Gives a class every command and its Buffer form: one object with all methods is put beneath the class, above what
 * it extends, so methods of its own stay and the 700 methods are made once for all classes.
 */
export function installCommands(prototype: object): void {
  let lowest = prototype;
  let base = Object.getPrototypeOf(lowest) as object;
  while (base !== Object.prototype && base !== EventEmitter.prototype) {
    lowest = base;
    base = Object.getPrototypeOf(lowest) as object;
    if (surfaces.has(lowest)) return;
  }
  Object.setPrototypeOf(lowest, surfaceOver(base));
}

/** Surfaces made so far. */
const surfaces = new WeakSet<object>();
const surfaceOf = new Map<object, object>();
let commandMethods: Record<string, unknown> | undefined;

function surfaceOver(base: object): object {
  let surface = surfaceOf.get(base);
  if (surface === undefined) {
    commandMethods ??= makeCommandMethods();
    surface = Object.assign(Object.create(base) as object, commandMethods);
    surfaceOf.set(base, surface);
    surfaces.add(surface);
  }
  return surface;
}

function makeCommandMethods(): Record<string, unknown> {
  const methods: Record<string, unknown> = {};
  for (const name of builtinCommandNames) {
    methods[name] = commandMethod(name, 'utf8');
    methods[`${name}Buffer`] = commandMethod(name, 'buffer');
  }
  methods['call'] = genericMethod('utf8');
  methods['callBuffer'] = genericMethod('buffer');
  methods['send_command'] = methods['call'];
  methods['getBuiltinCommands'] = () => [...builtinCommandNames];
  methods['createBuiltinCommand'] = (name: string) => ({
    string: commandMethod(name, 'utf8'),
    buffer: commandMethod(name, 'buffer'),
  });
  methods['addBuiltinCommand'] = function addBuiltinCommand(this: CommandAdder, name: string): void {
    // Its own, and not that of the class, whose instances may have none.
    if (!Object.hasOwn(this, 'addedBuiltinSet')) {
      Object.defineProperty(this, 'addedBuiltinSet', { value: new Set(this.addedBuiltinSet) });
    }
    this.addedBuiltinSet!.add(name);
    addCommand(this, name);
  };
  return methods;
}

// The word is looked up at the first call, so that installing 700 methods costs an import next to nothing. With
// `arguments` the words are made at once, in an array of just their size: rest parameters would be one array more a call,
// and one that grows by push() takes room for 17.
function commandMethod(name: string, encoding: Encoding): unknown {
  let word: Word | undefined;
  return function command(this: CommandTarget): unknown {
    word ??= wordOf(name);
    // biome-ignore-start lint/complexity/noArguments: see above
    const count = arguments.length;
    let words: unknown[];
    if (count === 1) words = [name, arguments[0]];
    else if (count === 2) words = [name, arguments[0], arguments[1]];
    else {
      words = [name];
      for (let at = 0; at < count; at++) words.push(arguments[at]);
    }
    // biome-ignore-end lint/complexity/noArguments: see above
    return this.execute(word, words, encoding);
  };
}

function genericMethod(encoding: Encoding): unknown {
  return function call(this: CommandTarget, ...words: unknown[]): unknown {
    const [name] = words;
    if (typeof name !== 'string' || name === '') {
      throw new RedisError('The command name must be a non-empty string', { code: 'ERR_INVALID_ARG' });
    }
    return this.execute(wordOf(name), words, encoding);
  };
}

/** Something that addBuiltinCommand() is called on: a client, or a class's prototype. */
export interface CommandAdder {
  /** The names added; ioredis's own name for them. */
  addedBuiltinSet?: Set<string>;
}

/** Gives one client or chain the methods of a command. */
export function addCommand(target: object, name: string): void {
  const methods = target as Record<string, unknown>;
  methods[name] = commandMethod(name, 'utf8');
  methods[`${name}Buffer`] = commandMethod(name, 'buffer');
}

/** Adds `name` and `nameBuffer` to one client or chain. */
export function addScript(target: object, name: string, script: Script): void {
  const methods = target as Record<string, unknown>;
  methods[name] = scriptMethod(script, 'utf8');
  methods[`${name}Buffer`] = scriptMethod(script, 'buffer');
}

/** The method a Lua script becomes. */
function scriptMethod(script: Script, encoding: Encoding): unknown {
  return function scriptCommand(this: CommandTarget, ...args: unknown[]): unknown {
    return this.executeScript(script, args, encoding);
  };
}

export function scriptOf(definition: ScriptDefinition): Script {
  return new Script(definition.lua, definition.numberOfKeys, definition.readOnly ?? false);
}

/** Splits a trailing callback off. */
export function takeCallback(args: unknown[]): Callback<unknown> | undefined {
  return typeof args[args.length - 1] === 'function' ? (args.pop() as Callback<unknown>) : undefined;
}

let pendingCall: Call | undefined;
// One executor for all: no closure a call.
function adopt(resolve: (value: unknown) => void, reject: (error: Error) => void): void {
  pendingCall!.resolve = resolve;
  pendingCall!.reject = reject;
}

/** The promise of a call; with `friendly`, rejections carry the stack of the line that made it. */
export function promiseOf(call: Call, friendly: boolean): Promise<unknown> {
  pendingCall = call;
  const promise = new Promise(adopt);
  if (friendly) {
    const frames = framesOfCaller();
    const { reject } = call;
    call.reject = (error) => {
      const hint = hintOf(error);
      const hinted = hint === undefined ? '' : `\n    hint: ${hint}`;
      error.stack = `${error.name}: ${error.message}${hinted}\n${frames}`;
      reject(error);
    };
  }
  return promise;
}

/** Frames of this client and of a tracer that may stand between this file and its caller. */
const mostOwnFrames = 20;

/** The stack without its message and without the frames of this file's folder on top. */
function framesOfCaller(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = limit + mostOwnFrames;
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  Error.stackTraceLimit = limit;
  const ownFolder = /\(?([^()]*[\\/])[^\\/]*$/.exec(frames[0] ?? '')?.[1]?.replace(/^ *at (?:async )?/, '') ?? ' ';
  // With tracing on, frames of node:diagnostics_channel are among ours, and those of what keeps a tracer's context.
  const first = frames.findIndex((frame) => !frame.includes(ownFolder) && !/[ (]node:/.test(frame));
  const start = Math.max(first, 0);
  return frames.slice(start, start + limit).join('\n');
}

export function answer(
  call: Call,
  callback: Callback<unknown> | undefined,
  friendly: boolean,
  submit: (call: Call) => void,
): Promise<unknown> {
  const promise = promiseOf(call, friendly);
  submit(call);
  if (callback !== undefined) nodeify(promise, callback);
  return promise;
}
