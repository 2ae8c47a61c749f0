// A method's call as the Command that a replaced `sendCommand` is given: tracers and tests wrap that method, since every
// command of ioredis passes through it.

import { type Call, CallFlag } from '../../connection/call.ts';
import type { Argument } from '../../wire/encoder.ts';
import type { CommandBuilder } from '../commands/command-builder.ts';
import { promiseOf } from '../commands/promise.ts';
import { Command } from './command.ts';

export class CallCommand extends Command {
  override readonly name: string;
  readonly #call: Call;
  readonly #friendly: boolean;
  readonly #given: readonly Argument[];

  constructor(name: string, call: Call, friendly: boolean) {
    // Without its name: the call's arguments were transformed and have their prefix.
    super('', undefined, {
      replyEncoding: call.encoding === 'utf8' ? 'utf8' : null,
      readOnly: (call.flags & CallFlag.readOnly) !== 0,
    });
    this.name = name;
    this.#call = call;
    this.#friendly = friendly;
    this.#given = call.argv.slice(1);
    this.args = [...this.#given];
  }

  override toCall(builder: CommandBuilder): Call {
    const call = this.toGroupCall(builder);
    promiseOf(call, this.#friendly).then((value) => this.settled(null, value), this.reject);
    return call;
  }

  /** The method's own call; a new one when the arguments were changed on the way. */
  override toGroupCall(builder: CommandBuilder): Call {
    return this.#isUnchanged() ? this.#call : super.toGroupCall(builder);
  }

  #isUnchanged(): boolean {
    return this.args.length === this.#given.length && this.args.every((argument, at) => argument === this.#given[at]);
  }
}
