// A command made by hand, as ioredis has it: `client.sendCommand(new Command('get', ['k'], { replyEncoding: 'utf8' }))`.

import { type Callback, nodeify } from '../batch/pipeline.ts';
import { type Call, CallFlag } from '../connection/call.ts';
import { type CallMaker, promiseOf, wordOf } from './commander.ts';

export interface CommandOptions {
  /** `'utf8'` for text; null or absent for Buffers, as ioredis. */
  replyEncoding?: BufferEncoding | null | undefined;
  /** May be asked of a replica although the command's table row does not say so. */
  readOnly?: boolean | undefined;
}

export class Command {
  readonly name: string;
  readonly args: unknown[];
  /** Settles once the command was given to `sendCommand` and answered. */
  readonly promise: Promise<unknown>;
  resolve!: (value: unknown) => void;
  reject!: (error: Error) => void;
  readonly #options: CommandOptions;

  constructor(name: string, args: readonly unknown[] = [], options: CommandOptions = {}, callback?: Callback<unknown>) {
    this.name = name;
    this.args = [...args];
    this.#options = options;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    if (callback !== undefined) nodeify(this.promise, callback);
  }

  /** The call it becomes on a client; its promise follows the call's. */
  toCall(maker: CallMaker): Call {
    const word = wordOf(this.name);
    const readOnly = this.#options.readOnly === true ? { ...word, flags: word.flags | CallFlag.readOnly } : word;
    const call = maker.make(readOnly, this.args, this.#options.replyEncoding ? 'utf8' : 'buffer');
    promiseOf(call, false).then(this.resolve, this.reject);
    return call;
  }
}
