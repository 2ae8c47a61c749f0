// A command made by hand, as ioredis has it: `client.sendCommand(new Command('get', ['k'], { replyEncoding: 'utf8' }))`.

import { type Callback, nodeify } from '../batch/pipeline.ts';
import { toArgv } from '../command/argv.ts';
import { prefixKeys } from '../command/prefix.ts';
import {
  type ArgumentTransformer,
  type ReplyTransformer,
  setArgumentTransformer,
  setReplyTransformer,
  transformArguments,
} from '../command/transformers.ts';
import { type Call, CallFlag } from '../connection/call.ts';
import type { Argument } from '../wire/encoder.ts';
import { type CallMaker, promiseOf, wordOf } from './commander.ts';

export interface CommandOptions {
  /** `'utf8'` for text; null or absent for Buffers, as ioredis. */
  replyEncoding?: BufferEncoding | null | undefined;
  /** May be asked of a replica although the command's table row does not say so. */
  readOnly?: boolean | undefined;
  /** Goes before every key. A client's own prefix does not apply to commands made by hand. */
  keyPrefix?: string | Buffer | null | undefined;
}

const subscribing = ['subscribe', 'psubscribe', 'ssubscribe'];
const unsubscribing = ['unsubscribe', 'punsubscribe', 'sunsubscribe'];
const timeoutLast = ['blpop', 'brpop', 'brpoplpush', 'blmove', 'bzpopmin', 'bzpopmax'];
const timeoutFirst = ['bzmpop', 'blmpop'];
const blockOption = ['xread', 'xreadgroup'];

export class Command {
  /** Command names by what sets them apart; ioredis's groups. */
  static readonly FLAGS: Readonly<Record<string, readonly string[]>> = {
    VALID_IN_SUBSCRIBER_MODE: [...subscribing, ...unsubscribing, 'ping', 'quit'],
    VALID_IN_MONITOR_MODE: ['monitor', 'auth'],
    ENTER_SUBSCRIBER_MODE: subscribing,
    EXIT_SUBSCRIBER_MODE: unsubscribing,
    WILL_DISCONNECT: ['quit'],
    HANDSHAKE_COMMANDS: ['auth', 'hello', 'select', 'client', 'readonly', 'info'],
    IGNORE_RECONNECT_ON_ERROR: ['client'],
    BLOCKING_COMMANDS: [...timeoutLast, ...timeoutFirst, ...blockOption],
    LAST_ARG_TIMEOUT_COMMANDS: timeoutLast,
    FIRST_ARG_TIMEOUT_COMMANDS: timeoutFirst,
    BLOCK_OPTION_COMMANDS: blockOption,
  };

  readonly name: string;
  /** As they will be sent: text and bytes, keys with their prefix. */
  readonly args: Argument[];
  /** Settles once the command was given to `sendCommand` and answered. */
  readonly promise: Promise<unknown>;
  resolve!: (value: unknown) => void;
  reject!: (error: Error) => void;
  readonly #options: CommandOptions;

  constructor(name: string, args: readonly unknown[] = [], options: CommandOptions = {}, callback?: Callback<unknown>) {
    this.name = name;
    const argv = toArgv(name, transformArguments(name, args));
    this.args = (options.keyPrefix ? prefixKeys(argv, options.keyPrefix) : argv).slice(1);
    this.#options = options;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    if (callback !== undefined) nodeify(this.promise, callback);
  }

  /** Whether a command belongs to one of FLAGS. */
  static checkFlag(flag: string, name: string): boolean {
    return Command.FLAGS[flag]?.includes(name.toLowerCase()) ?? false;
  }

  /** Process-wide: what becomes of the arguments (spread one level) of a command before it is sent; undefined ends it. */
  static setArgumentTransformer(name: string, transform: ArgumentTransformer | undefined): void {
    setArgumentTransformer(name, transform);
  }

  /** Process-wide: what becomes of a command's reply; undefined ends it. */
  static setReplyTransformer(name: string, transform: ReplyTransformer | undefined): void {
    setReplyTransformer(name, transform);
  }

  /** The call it becomes on a client; its promise follows the call's. */
  toCall(maker: CallMaker): Call {
    const word = wordOf(this.name);
    const readOnly = this.#options.readOnly === true ? { ...word, flags: word.flags | CallFlag.readOnly } : word;
    const argv = [this.name, ...this.args];
    const call = maker.makeAsIs(readOnly, argv, this.#options.replyEncoding ? 'utf8' : 'buffer');
    promiseOf(call, false).then(this.resolve, this.reject);
    return call;
  }
}
