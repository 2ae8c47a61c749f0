// Questions of the client's own that leave with a handshake instead of behind it: the first map of a cluster is there a
// round trip sooner. Owns: what has been asked so, and the answers until the handshake is through.
// Does not know: what is asked, nor when a handshake is through.
// Invariants: nobody gets an answer of a connection whose handshake fails: the questions still wait where they waited
// before. A refusal that may be due to the handshake (credentials that left in a second exchange) is no answer.

import { Call, CallFlag, type CallSink, type ReplySource } from './call.ts';
import type { Connection } from './connection.ts';

export class EarlyQuestions implements CallSink {
  readonly #connection: Connection;
  /** What was written, and whose answer it brings. */
  readonly #asked = new Map<Call, Call>();
  readonly #answers = new Map<Call, unknown>();
  #isThrough = false;

  /** Writes questions behind the handshake that has just been written; `calls` themselves go on waiting. */
  constructor(connection: Connection, calls: readonly Call[]) {
    this.#connection = connection;
    for (const call of calls) {
      const sent = new Call(call.argv, -1, CallFlag.readOnly, call.encoding, undefined, this);
      if (connection.write(sent)) this.#asked.set(sent, call);
    }
  }

  /**
   * The handshake is through: which of the calls need not be sent any more. They have been answered, or will be.
   * `inOne`: it took one exchange, so that a refusal is one for good.
   */
  through(inOne: boolean): ReadonlySet<Call> {
    this.#isThrough = true;
    const covered = new Set(this.#asked.values());
    for (const [call, reply] of this.#answers) {
      if (inOne || !(reply instanceof Error)) call.sink.onReply(call, reply, this.#connection);
      else covered.delete(call);
    }
    this.#answers.clear();
    return covered;
  }

  onReply(sent: Call, reply: unknown, from: ReplySource): void {
    const call = this.#asked.get(sent)!;
    if (this.#isThrough) call.sink.onReply(call, reply, from);
    else this.#answers.set(call, reply);
  }

  onLost(sent: Call, reason: Error): void {
    const call = this.#asked.get(sent)!;
    if (this.#isThrough) call.sink.onLost(call, reason);
  }
}
