// Builds Calls out of method arguments: names become facts of the command table, arguments become argv with the key
// prefix, and the slot of the first key is found. Knows no socket and no client.

import { argvOf } from '../../command/argv.ts';
import { isInGroup, mayTakeLong } from '../../command/groups.ts';
import { firstKeyIndex } from '../../command/keys.ts';
import type { LoadedScripts } from '../../command/loaded-scripts.ts';
import { prefixKeys } from '../../command/prefix.ts';
import { resp3ShapeOf, shapeOf } from '../../command/reply-shape.ts';
import type { Script } from '../../command/script.ts';
import { type CommandRow, commandOf, Flag } from '../../command/table.ts';
import {
  type ReplyContext,
  type ReplyTransformer,
  replyTransformerOf,
  transformArguments,
} from '../../command/transformers.ts';
import { Call, CallFlag, type CallSink, type ReplyShape } from '../../connection/call.ts';
import { EvalRemedy } from '../../connection/remedy.ts';
import type { CommonRedisOptions } from '../../options/options.ts';
import type { Encoding } from '../../wire/decoder.ts';
import type { Argument } from '../../wire/encoder.ts';
import { slotOf } from '../../wire/slot.ts';

/** What is known of a command once its name is: looked up once per name, kept by the method. */
export interface CommandSpec {
  readonly name: string;
  /** Undefined for an unknown command (a module's). */
  readonly row: CommandRow | undefined;
  readonly flags: number;
  readonly shape: ReplyShape | undefined;
}

const specs = new Map<string, CommandSpec>();
/** Names come from users (call()): a program that makes them up must not fill memory. */
const maxSpecs = 4096;

export function specOf(name: string): CommandSpec {
  const known = specs.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  const row = commandOf(lower);
  let flags = 0;
  if (row !== undefined && (row.flags & Flag.readonly) !== 0) flags |= CallFlag.readOnly;
  if (row !== undefined && (row.flags & Flag.blocking) !== 0) flags |= CallFlag.blocking;
  if (lower === 'wait' || lower === 'waitaof') flags |= CallFlag.blocking | CallFlag.inOrder;
  if (isInGroup('ENTER_SUBSCRIBER_MODE', lower) || isInGroup('EXIT_SUBSCRIBER_MODE', lower))
    flags |= CallFlag.subscribing;
  // A module's commands may do whatever they like, also those whose keys are known.
  if (row === undefined || mayTakeLong(lower) || lower.includes('.')) flags |= CallFlag.slow;
  const spec: CommandSpec = { name, row, flags, shape: shapeOf(name) };
  if (specs.size < maxSpecs) specs.set(name, spec);
  return spec;
}

/** Read at each call, as ioredis does: an option may be assigned while the client lives. */
interface MakerOptions {
  readonly keyPrefix?: string | Buffer | null | undefined;
}

export class CommandBuilder {
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

  /** `given`: the name and the arguments as given, in an array that becomes the call's. */
  make(spec: CommandSpec, given: unknown[], encoding: Encoding): Call {
    const { keyPrefix } = this.#options;
    let argv = argvOf(transformArguments(spec.name, given));
    if (keyPrefix?.length) argv = prefixKeys(argv, keyPrefix);
    return this.makeAsIs(spec, argv, encoding);
  }

  /** From an argv that is complete: no transformer, no prefix. */
  makeAsIs(spec: CommandSpec, argv: Argument[], encoding: Encoding): Call {
    const call = this.#place(argv, spec.row, flagsOf(spec, argv), encoding, this.#shapeOf(spec));
    if ((spec.flags & CallFlag.subscribing) !== 0) call.pushes = Math.max(1, argv.length - 1);
    if (spec.row !== undefined && (spec.row === evalsha || spec.row === evalshaReadOnly)) {
      const evalArgv = this.#scripts?.evalOf(argv);
      if (evalArgv !== undefined) call.remedy = new EvalRemedy(evalArgv);
    }
    return call;
  }

  /** The same call with another shape for its reply. */
  reshape(call: Call, shape: ReplyShape): Call {
    const reshaped = new Call(call.argv, call.slot, call.flags, call.encoding, shape, this.#sink);
    reshaped.pushes = call.pushes;
    reshaped.remedy = call.remedy;
    return reshaped;
  }

  #shapeOf(spec: CommandSpec): ReplyShape | undefined {
    const transform = replyTransformerOf(spec.name);
    // The closure is made elsewhere: V8 takes memory for what it captures when a function is entered, not when it is made.
    if (transform !== undefined) return transformed(transform, { commandName: spec.name, ...this.replyContext });
    return this.replyContext.replyMapping === 'legacy' ? spec.shape : resp3ShapeOf(spec.name);
  }

  /** EVALSHA, with EVAL kept at hand for a server that does not know the script yet. */
  makeScript(script: Script, args: readonly unknown[], encoding: Encoding): Call {
    const count = script.numberOfKeys === undefined ? [] : [script.numberOfKeys];
    let argv = argvOf(['evalsha', script.sha, ...count, ...args]);
    const { keyPrefix } = this.#options;
    if (keyPrefix?.length) argv = prefixKeys(argv, keyPrefix);
    const flags = CallFlag.slow | (script.readOnly ? CallFlag.readOnly : 0);
    const call = this.#place(argv, evalsha, flags, encoding, undefined);
    call.remedy = new EvalRemedy(['eval', script.lua, ...argv.slice(2)]);
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

// XREAD and XREADGROUP block only with BLOCK.
function flagsOf({ name, flags }: CommandSpec, argv: readonly Argument[]): number {
  if ((flags & CallFlag.blocking) === 0 || !/^xread/i.test(name)) return flags;
  const blocks = argv.some((argument) => typeof argument === 'string' && argument.toLowerCase() === 'block');
  return blocks ? flags : flags & ~CallFlag.blocking;
}

const evalsha = commandOf('evalsha');
const evalshaReadOnly = commandOf('evalsha_ro');
