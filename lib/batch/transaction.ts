// MULTI .. EXEC as one unit on one slot: its commands leave next to each other in one write, and a redirect moves
// the whole unit. Nothing of it has run while a command was refused (EXECABORT), so sending it again is safe.
// Sources: MULTI, EXEC; cluster specification on redirections inside transactions.

import { abortedByClose, RedisError } from '../base/errors.ts';
import { hideSecrets, nameCommand } from '../base/secrets.ts';
import { type CachedTime, longAgo } from '../base/ticker.ts';
import {
  argvLength,
  Call,
  type CallGroup,
  type CallSink,
  type CommandSender,
  type Dispatcher,
  type ReplySource,
  type RoutableRequest,
} from '../connection/call.ts';
import type { Encoding } from '../wire/decoder.ts';
import { ProtocolError } from '../wire/decoder.ts';
import type { Argument } from '../wire/encoder.ts';
import { ReplyError } from '../wire/reply.ts';

const multiArgv = ['multi'];
const execArgv = ['exec'];

/** Marks the error of a transaction that was refused before any of it was sent. */
const neverSent: unique symbol = Symbol('refused before anything was sent');

/** Why a transaction with keys of several slots is not sent. The text is ioredis's; core/hints adds the keys and their slots. */
export function crossSlotRefusal(): RedisError {
  const text = 'All keys in the pipeline should belong to the same slots allocation group';
  // Not enumerable: users log and compare errors.
  return Object.defineProperty(new RedisError(text, { code: 'CROSSSLOT' }), neverSent, { value: true });
}

export function wasNeverSent(error: Error): boolean {
  return neverSent in error;
}

export interface TransactionOutcome {
  /** Answer to MULTI. */
  readonly begun: Error | 'OK';
  /** Answers to the queued commands: QUEUED or a refusal. */
  readonly queued: readonly (Error | string)[];
  /** EXEC's answer: results in order, null when a watched key changed, or the error that discarded it all. */
  readonly result: readonly unknown[] | null | Error;
}

export class Transaction implements RoutableRequest, CallSink {
  readonly slot: number;
  readonly flags = 0;
  moment: CachedTime = longAgo;
  settled = false;
  attempts = 0;
  redirects = 0;
  writes = 0;
  losses = 0;
  lastError: Error | undefined;
  /** The batch it is a part of. */
  whole: CallGroup | undefined;
  readonly #commands: readonly (readonly Argument[])[];
  readonly #encoding: Encoding;
  readonly #dispatcher: Dispatcher;
  readonly #done: (outcome: TransactionOutcome) => void;
  /** The try under way; answers to an earlier one no longer count. */
  #generation = 0;
  #calls: readonly Call[] = [];
  readonly #giveUp = (error: Error): void => this.fail(error);
  #answers: unknown[] = [];

  constructor(
    commands: readonly (readonly Argument[])[],
    slot: number,
    encoding: Encoding,
    dispatcher: Dispatcher,
    done: (outcome: TransactionOutcome) => void,
  ) {
    this.#commands = commands;
    this.slot = slot;
    this.#encoding = encoding;
    this.#dispatcher = dispatcher;
    this.#done = done;
  }

  get bytes(): number {
    return this.#commands.reduce((sum, argv) => sum + argvLength(argv), 0);
  }

  sendOn(sender: CommandSender, asking: boolean): boolean {
    this.#generation++;
    const calls = [this.#inner(multiArgv, 'utf8')];
    for (const argv of this.#commands) calls.push(this.#inner(argv, 'utf8'));
    calls.push(this.#inner(execArgv, this.#encoding));
    this.#calls = calls;
    this.#answers = [];
    if (!sender.sendAll(calls, asking)) return false;
    this.attempts++;
    this.writes++;
    return true;
  }

  fail(error: Error): void {
    this.#finish({ begun: error, queued: this.#commands.map(() => error), result: error });
  }

  onReply(call: Call, reply: unknown, from: ReplySource): void {
    if (this.settled || call.index !== this.#generation) return;
    this.#answers.push(reply);
    if (this.#answers.length === this.#calls.length) this.#judge(from);
  }

  onLost(call: Call, reason: Error): void {
    if (this.settled || call.index !== this.#generation) return;
    const begun = this.#answers.length > 0 || this.whole?.begun === true;
    if (begun && this.#dispatcher.keepsBatchesWhole && !(reason instanceof ProtocolError)) {
      this.#breakOff(reason);
      return;
    }
    // The last command decides: without EXEC on the wire nothing can have run.
    const { written } = this.#calls.at(-1)!;
    if (!written) this.writes--;
    this.#generation++;
    this.#dispatcher.lost(this, written, reason);
  }

  // Each part has an error of its own: errors name their command.
  #breakOff(reason: Error): void {
    this.#generation++;
    const { slot, attempts, writes } = this;
    const detail = { slot, attempts, writes, cause: reason, node: (reason as { node?: string }).node };
    const aborted = (): Error => abortedByClose(detail);
    const answers = this.#calls.map((_, at) => (at < this.#answers.length ? this.#answers[at] : aborted()));
    const [begun, ...queued] = answers;
    queued.pop();
    this.#finish({
      begun: begun instanceof Error ? begun : 'OK',
      queued: queued.map((answer) => (answer instanceof Error ? answer : String(answer))),
      result: aborted(),
    });
  }

  #inner(argv: readonly Argument[], encoding: Encoding): Call {
    const call = new Call(argv, this.slot, 0, encoding, undefined, this);
    call.moment = this.moment;
    call.index = this.#generation;
    // Given up on its own (commandTimeout, a full queue): there is no transaction without it.
    call.reject = this.#giveUp;
    return call;
  }

  #judge(from: ReplySource): void {
    const [begun, ...rest] = this.#answers;
    const result = rest.pop();
    rest.forEach((answer, index) => {
      if (answer instanceof ReplyError) nameCommand(answer, this.#commands[index]!);
    });
    if (Array.isArray(result)) {
      result.forEach((answer, index) => {
        const argv = this.#commands[index];
        if (answer instanceof ReplyError && argv !== undefined) hideSecrets(answer, argv);
      });
    }
    const refusals = [begun, ...rest].filter((answer) => answer instanceof ReplyError);
    if (result instanceof ReplyError) {
      for (const refusal of [...refusals, result]) {
        if (this.#dispatcher.refused(this, refusal, from)) return;
      }
      result.previousErrors = refusals;
    }
    this.#finish({
      begun: begun instanceof Error ? begun : 'OK',
      queued: rest.map((answer) => (answer instanceof Error ? answer : String(answer))),
      result: resultOf(result),
    });
  }

  #finish(outcome: TransactionOutcome): void {
    if (this.settled) return;
    this.settled = true;
    this.#done(outcome);
  }
}

function resultOf(reply: unknown): readonly unknown[] | null | Error {
  if (reply === null || Array.isArray(reply) || reply instanceof Error)
    return reply as readonly unknown[] | null | Error;
  return new RedisError(`Unexpected reply to EXEC: ${String(reply)}`, { code: 'ERR_PROTOCOL' });
}
