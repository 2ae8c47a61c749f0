// Questions that leave with a handshake instead of behind it: the first map of a cluster, and the first reads, are there
// a round trip sooner. Owns: what has been asked so, and the answers until the handshake is through.
// Does not know: which calls may leave so (waiting-calls.ts), nor when a handshake is through.
// Invariants: nobody gets an answer of a connection whose handshake fails: the calls still wait where they waited
// before, or have gone elsewhere meanwhile. What a handshake of two exchanges makes doubtful is no answer either: a
// refusal (the credentials left in the second), and whatever a read was answered (so did SELECT and READONLY).

import { Call, CallFlag, type CallSink, type ReplySource } from './call.ts';
import type { Connection } from './connection.ts';

export class EarlyQuestions implements CallSink {
  readonly #connection: Connection;
  /** What was written, and whose answer it brings. */
  readonly #asked = new Map<Call, Call>();
  readonly #answers = new Map<Call, unknown>();
  #isThrough = false;

  /** Writes `calls` behind the handshake that has just been written; they themselves go on waiting. */
  constructor(connection: Connection, calls: readonly Call[]) {
    this.#connection = connection;
    for (const call of calls) {
      const sent = new Call(call.argv, -1, CallFlag.readOnly, call.encoding, undefined, this);
      if (connection.write(sent)) this.#asked.set(sent, call);
    }
  }

  /**
   * The handshake is through: which of those that still wait need not be sent any more. They have been answered, or will
   * be. `inOne`: it took one exchange.
   */
  through(inOne: boolean, waiting: readonly Call[]): ReadonlySet<Call> {
    this.#isThrough = true;
    const still = new Set(waiting);
    const covered = new Set<Call>();
    for (const [sent, call] of this.#asked) {
      if (still.has(call) && !call.settled && (inOne || this.#standsInTwo(call))) covered.add(call);
      else this.#asked.delete(sent);
    }
    for (const call of covered) {
      call.put();
      if (this.#answers.has(call)) call.sink.onReply(call, this.#answers.get(call), this.#connection);
    }
    this.#answers.clear();
    return covered;
  }

  /** Whether what a call was answered, or will be, is an answer although the handshake took a second exchange. */
  #standsInTwo(call: Call): boolean {
    return (
      (call.flags & CallFlag.early) !== 0 && this.#answers.has(call) && !(this.#answers.get(call) instanceof Error)
    );
  }

  onReply(sent: Call, reply: unknown, from: ReplySource): void {
    const call = this.#asked.get(sent);
    if (call === undefined) return;
    if (this.#isThrough) call.sink.onReply(call, reply, from);
    else this.#answers.set(call, reply);
  }

  onLost(sent: Call, reason: Error): void {
    const call = this.#asked.get(sent);
    if (this.#isThrough && call !== undefined) call.sink.onLost(call, reason);
  }
}
