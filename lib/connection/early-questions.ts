// Questions that leave with a handshake instead of behind it: the first map of a cluster, and the first reads, are there
// a round trip sooner. Owns: what has been asked so, and the answers until the handshake is through.
// Does not know: which calls may leave so (waiting-calls.ts), nor when a handshake is through.
// Invariants: nobody gets an answer of a connection whose handshake fails: the calls still wait where they waited
// before, or have gone elsewhere meanwhile. Once it is through, a call stands in the connection's queue itself, where all
// that looks for calls finds it. What a handshake of two exchanges makes doubtful is no answer: a refusal (the
// credentials left in the second), and whatever a read was answered (so did SELECT and READONLY).

import { Call, CallFlag, type CallSink } from './call.ts';
import type { Connection } from './connection.ts';

export class EarlyQuestions implements CallSink {
  readonly #connection: Connection;
  /** What was written -> whose answer it brings. Empty once the handshake is through. */
  readonly #asked = new Map<Call, Call>();
  /** By what was written. */
  readonly #answers = new Map<Call, unknown>();

  /** Writes `calls` behind the handshake that has just been written; they themselves go on waiting. */
  constructor(connection: Connection, calls: readonly Call[]) {
    this.#connection = connection;
    for (const call of calls) {
      const sent = new Call(call.argv, -1, CallFlag.readOnly | CallFlag.early, call.encoding, undefined, this);
      if (connection.write(sent)) this.#asked.set(sent, call);
    }
  }

  /**
   * The handshake is through: which of those that still wait need not be sent any more. They have been answered, or stand
   * in the connection's queue. `inOne`: it took one exchange.
   */
  through(inOne: boolean, waiting: readonly Call[]): ReadonlySet<Call> {
    const still = new Set(waiting);
    const covered = new Map<Call, Call>();
    for (const [sent, call] of this.#asked) {
      if (still.has(call) && !call.settled && (inOne || this.#standsInTwo(sent, call))) covered.set(sent, call);
    }
    // What else is answered from now on is nobody's answer.
    this.#asked.clear();
    for (const call of covered.values()) call.put();
    this.#connection.replaceCalls((sent) => covered.get(sent) ?? sent);
    for (const [sent, answer] of this.#answers) {
      const call = covered.get(sent);
      call?.sink.onReply(call, answer, this.#connection);
    }
    return new Set(covered.values());
  }

  /** Whether a call has been answered for good although the handshake took a second exchange. */
  #standsInTwo(sent: Call, { flags }: Call): boolean {
    return (flags & CallFlag.early) !== 0 && this.#answers.has(sent) && !(this.#answers.get(sent) instanceof Error);
  }

  onReply(sent: Call, reply: unknown): void {
    if (this.#asked.has(sent)) this.#answers.set(sent, reply);
  }

  // Its answer could not be read, or the connection is gone: the call still waits where it waited, and goes the usual way.
  onLost(sent: Call): void {
    this.#asked.delete(sent);
  }
}
