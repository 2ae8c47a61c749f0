// The calls of one address that wait: for a connection, in order, or in the memory of a socket that is behind.
// Owns: the queue, and its share of the client's backlog.
// Invariant: what is counted is what waits; calls that the client itself has to make are let in whatever waits already.

import { Backlog } from '../base/backlog.ts';
import { RedisError } from '../base/errors.ts';
import { Fifo } from '../base/fifo.ts';
import { type Call, CallFlag, directSink } from './call.ts';
import type { Connection } from './connection.ts';

export interface WaitLimits {
  /** Most calls that wait for a connection or a slow socket; default no limit. */
  readonly maxQueueLength?: number | undefined;
  /** Most bytes that wait for a connection or a slow socket; default no limit. */
  readonly maxQueueBytes?: number | undefined;
  /** The client's, where what waits here counts as well. */
  readonly backlog?: Backlog | undefined;
}

/** The attempt that has made a connection. */
export interface FinishedAttempt {
  /** World time. */
  readonly begunAt: number;
  /** Which of the calls that wait need not be sent any more. */
  answered(protocol: 2 | 3, waiting: readonly Call[]): ReadonlySet<Call>;
}

/** Most calls that leave with a handshake: what it is refused for is asked again. */
const mostEarly = 100;
/** Milliseconds after which an ASK is not followed any more: its slot may have been moved to and fro meanwhile. */
const askLasts = 500;

/** A user's, which changes nothing and depends on nothing but its server's data. */
function isPlainRead(call: Call): boolean {
  const { flags, sink, asking, group, remedy } = call;
  return flags === CallFlag.readOnly && sink !== directSink && !asking && group === null && remedy === undefined;
}

export class WaitingCalls {
  readonly backlog: Backlog;
  readonly #queue = new Fifo<Call>();
  readonly #queued: Backlog;
  readonly #behind: Backlog;
  readonly #connection: () => Connection | undefined;

  /** `connection`: the one of now, whose socket may be behind. */
  constructor(limits: WaitLimits, connection: () => Connection | undefined) {
    this.#connection = connection;
    this.backlog = new Backlog(limits, limits.backlog);
    this.#queued = new Backlog({}, this.backlog);
    this.#behind = new Backlog({}, this.backlog, () => this.noteBehind());
  }

  /** Calls in the queue. */
  get size(): number {
    return this.#queue.size;
  }

  forEach(visit: (call: Call) => void): void {
    this.#queue.forEach(visit);
  }

  push(call: Call, asking: boolean): void {
    call.asking = asking;
    this.#queue.push(call);
    if (call.sink !== directSink) this.#queued.add(1, call.bytes);
  }

  /**
   * Those that may leave with a handshake; they stay. Questions of the client's own, and with `reads` the reads that
   * nothing stands before: what a call behind a write is answered depends on it.
   */
  early(reads: boolean): Call[] {
    const early: Call[] = [];
    let mayRead = reads;
    this.#queue.forEach((call) => {
      if (call.settled) return;
      if ((call.flags & CallFlag.early) !== 0) early.push(call);
      else if (mayRead && early.length < mostEarly && isPlainRead(call)) early.push(call);
      else mayRead = false;
    });
    return early;
  }

  /** The whole queue, which is empty then. */
  take(): Call[] {
    this.#queued.clear();
    return this.#queue.drain();
  }

  /** The whole queue leaves by a connection that `attempt` has made, but for what was asked with its handshake. */
  leaveBy(connection: Connection, attempt: FinishedAttempt, now: number): void {
    const waiting = this.take();
    const answered = attempt.answered(connection.protocol, waiting);
    const waited = waiting.filter((call) => !call.settled && !answered.has(call));
    // All of them, or none: a transaction's ASK is about its first call, and what is behind one keeps its place.
    const late = now - attempt.begunAt > askLasts && waited.some((call) => call.asking);
    for (const call of waited) {
      if (late && call.sink !== directSink) call.sink.onLost(call, lateAsk(connection.address));
      else if (call.asking) connection.writeAsking(call);
      else connection.write(call);
    }
  }

  /** Whether so much waits already that these may not: then all of them have failed. */
  refuses(calls: readonly Call[], address: string): boolean {
    this.noteBehind();
    if (calls[0]!.sink === directSink) return false;
    let bytes = 0;
    for (const call of calls) bytes += call.bytes;
    const full = this.backlog.refusal(calls.length, bytes, address);
    if (full !== undefined) for (const call of calls) call.fail(full);
    return full !== undefined;
  }

  /** Counts what the socket has not taken yet; nothing while it takes what it is given. */
  noteBehind(): void {
    const connection = this.#connection();
    if (connection === undefined || connection.writable) this.#behind.clear();
    else this.#behind.set(connection.pendingCalls, connection.pendingBytes);
  }

  /** The connection is gone, and what was in its memory with it. */
  forgetBehind(): void {
    this.#behind.clear();
  }
}

function lateAsk(node: string): Error {
  const text = `The ASK is older than ${askLasts}ms: connecting took that long.`;
  return new RedisError(text, { code: 'ERR_LATE_ASK', node });
}
