// A command made by hand, as ioredis has it: `client.sendCommand(new Command('get', ['k'], { replyEncoding: 'utf8' }))`.

import { type Callback, nodeify } from '../../batch/pipeline.ts';
import { argvOf, toArgv } from '../../command/argv.ts';
import { type CommandGroup, commandGroups, isInGroup } from '../../command/groups.ts';
import { keyIndexesOf } from '../../command/keys.ts';
import { prefixKeys } from '../../command/prefix.ts';
import { shapeOf } from '../../command/reply-shape.ts';
import { commandOfArgv } from '../../command/table.ts';
import {
  type ArgumentTransformer,
  type ReplyContext,
  type ReplyTransformer,
  replyTransformerOf,
  setArgumentTransformer,
  setReplyTransformer,
  transformArguments,
} from '../../command/transformers.ts';
import { type Call, CallFlag } from '../../connection/call.ts';
import { type Argument, Encoder } from '../../wire/encoder.ts';
import { slotOf } from '../../wire/slot.ts';
import { type CommandBuilder, type CommandSpec, specOf } from '../commands/command-builder.ts';
import { promiseOf } from '../commands/promise.ts';
import { type TransformerTables, transformerTables } from './transformer-tables.ts';

export interface CommandOptions {
  /** `'utf8'` (or another encoding) for text; null or absent for Buffers, as ioredis. */
  replyEncoding?: BufferEncoding | null | undefined;
  /** May be asked of a replica although the command's table row does not say so. */
  readOnly?: boolean | undefined;
  /** Goes before every key. A client's own prefix does not apply to commands made by hand. */
  keyPrefix?: string | Buffer | null | undefined;
  /** Made where the command was: rejections show its stack instead of the client's. */
  errorStack?: Error | undefined;
}

/**
 * A command made by hand, for `sendCommand()`: `new Command('set', ['k', 1], { replyEncoding: 'utf8' })`. Its `promise`
 * settles with the reply.
 */
export class Command {
  /** Command names by what sets them apart; ioredis's groups. */
  static readonly FLAGS: Readonly<Record<CommandGroup, readonly string[]>> = commandGroups;

  /** ioredis's tables, which others read and fill; setArgumentTransformer() and setReplyTransformer() do the same. */
  static readonly _transformer: TransformerTables = transformerTables;

  readonly name: string;
  /** As they will be sent: text and bytes, keys with their prefix. May be changed until the command is sent. */
  args: Argument[];
  /** Settles once the command was given to `sendCommand` and answered. */
  readonly promise: Promise<unknown>;
  /** May be asked of a replica. */
  readonly isReadOnly: boolean;
  /** Its promise has been resolved. */
  isResolved = false;
  /** Its promise has been resolved or rejected. */
  isSettled = false;
  readonly #options: CommandOptions;
  #resolve!: (value: unknown) => void;
  #reject!: (error: Error) => void;
  #context: Omit<ReplyContext, 'commandName'> = { protocol: 2, replyMapping: 'legacy' };

  constructor(
    name: string,
    args?: readonly unknown[] | null,
    options: CommandOptions = {},
    callback?: Callback<unknown>,
  ) {
    this.name = name;
    const argv = argvOf(transformArguments(name, [name, ...(args ?? [])]));
    this.args = (options.keyPrefix ? prefixKeys(argv, options.keyPrefix) : argv).slice(1);
    this.isReadOnly = options.readOnly ?? false;
    this.#options = options;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (callback !== undefined) nodeify(this.promise, callback);
  }

  /** Whether a command belongs to one of FLAGS. */
  static checkFlag(flag: CommandGroup, name: string): boolean {
    return isInGroup(flag, name);
  }

  /** Process-wide: what becomes of the arguments (spread one level) of a command before it is sent; undefined ends it. */
  static setArgumentTransformer(name: string, transform: ArgumentTransformer | undefined): void {
    setArgumentTransformer(name, transform);
  }

  /** Process-wide: what becomes of a command's reply; undefined ends it. */
  static setReplyTransformer(name: string, transform: ReplyTransformer | undefined): void {
    setReplyTransformer(name, transform);
  }

  /** The keys among the arguments, prefix included. */
  getKeys(): Argument[] {
    const argv = [this.name, ...this.args];
    const row = commandOfArgv(argv);
    return row === undefined ? [] : keyIndexesOf(row, argv).map((at) => argv[at]!);
  }

  /** The slot of the first key, 0-16383; null without keys. */
  getSlot(): number | null {
    const [key] = this.getKeys();
    return key === undefined ? null : slotOf(key);
  }

  /** Arguments put into `args` afterwards become text or bytes, as they do when the command is sent. */
  stringifyArguments(): void {
    this.args = toArgv('', this.args).slice(1);
  }

  /** The command as RESP: text, or bytes when an argument is. */
  toWritable(_socket?: object): string | Buffer {
    this.stringifyArguments();
    const encoder = new Encoder();
    encoder.encode([this.name, ...this.args]);
    const bytes = Buffer.concat(encoder.take());
    return this.args.some((argument) => typeof argument !== 'string') ? bytes : bytes.toString();
  }

  /** What protocol the reply comes by; given by the client that sends the command. */
  setReplyContext(context: Partial<Omit<ReplyContext, 'commandName'>> | null | undefined): void {
    this.#context = { protocol: context?.protocol ?? 2, replyMapping: context?.replyMapping ?? 'legacy' };
  }

  /** Bytes as the server sent them in the command's encoding and shape. */
  transformReply(reply: unknown): unknown {
    const { replyEncoding } = this.#options;
    return this.#shape(replyEncoding ? textOf(reply, replyEncoding) : reply);
  }

  /** Answers the command by hand, with a reply as a server would send it. */
  readonly resolve = (reply: unknown): void => {
    try {
      this.#settle(this.transformReply(reply));
    } catch (error) {
      this.reject(error as Error);
    }
  };

  readonly reject = (error: Error): void => {
    const made = this.#options.errorStack?.stack;
    if (made !== undefined && !this.isSettled) {
      error.stack = `${error.name}: ${error.message}\n${made.split('\n').slice(1).join('\n')}`;
    }
    this.isSettled = true;
    this.#reject(error);
  };

  /** The call it becomes on a client; `settled` follows it. Throws nothing. */
  toCall(builder: CommandBuilder): Call {
    const call = this.toGroupCall(builder);
    promiseOf(call, false).then((value) => this.#settle(value), this.reject);
    return call;
  }

  /** As toCall, for a batch, which reports the outcome through `settled`. */
  toGroupCall(builder: CommandBuilder): Call {
    const spec = this.#spec();
    this.setReplyContext(builder.replyContext);
    const encoding = this.#options.replyEncoding;
    const text = encoding === 'utf8' || encoding === 'utf-8';
    const call = builder.makeAsIs(spec, toArgv(this.name, this.args), text ? 'utf8' : 'buffer');
    if (text || !encoding) return call;
    return builder.reshape(call, (reply) => this.transformReply(reply));
  }

  /** How a batch reports the outcome. */
  readonly settled: Callback<unknown> = (error, value) => {
    if (error) this.reject(error);
    else this.#settle(value);
  };

  #settle(value: unknown): void {
    this.isResolved = true;
    this.isSettled = true;
    this.#resolve(value);
  }

  #spec(): CommandSpec {
    const spec = specOf(this.name);
    return this.isReadOnly ? { ...spec, flags: spec.flags | CallFlag.readOnly } : spec;
  }

  #shape(reply: unknown): unknown {
    const transform = replyTransformerOf(this.name);
    if (transform !== undefined) return transform(reply, { commandName: this.name, ...this.#context });
    const shape = this.#context.replyMapping === 'resp3' ? undefined : shapeOf(this.name);
    return shape === undefined ? reply : shape(reply, [this.name, ...this.args], !this.#options.replyEncoding);
  }
}

/** Bytes at any depth as text; a reply's arrays and plain objects stay what they are. */
function textOf(value: unknown, encoding: BufferEncoding): unknown {
  if (Buffer.isBuffer(value)) return value.toString(encoding);
  if (Array.isArray(value)) return value.map((item) => textOf(item, encoding));
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, textOf(item, encoding)]));
}
