// One open socket: calls in, replies out, in order. The calls of one tick leave together: the first schedules a flush,
// and only what fills a chunk goes ahead of it.
// Owns: the encoder, the decoder, the reply FIFO and the socket; they live and die together.
// Does not know: slots, who dials, what a refusal means.
// Invariant: a reply never reaches a call of another socket, and every call that was taken is answered or lost, once.

import { AbortError, BrokenStreamError, RedisError } from '../base/errors.ts';
import { Fifo } from '../base/fifo.ts';
import { nextTick } from '../base/turns.ts';
import type { World } from '../base/world.ts';
import { Decoder, type DecoderOptions, ProtocolError, pending } from '../wire/decoder.ts';
import { Encoder } from '../wire/encoder.ts';
import { Push, ReplyError } from '../wire/reply.ts';
import { Activity } from './activity.ts';
import { Call, CallFlag, directSink } from './call.ts';
import { Confirmations, expectConfirmations, pushIn, textOf } from './confirmations.ts';
import type { Socket } from './dial.ts';
import { takeReads } from './give-up-reads.ts';
import { listen } from './reading.ts';
import { reconnectWish } from './reconnect-on-error.ts';
import { SentScripts } from './sent-scripts.ts';

export interface ConnectionEvents {
  /** Once; the unanswered calls go back to their sinks right after. */
  onClose(reason: Error): void;
  /** A push frame, or a RESP2 pub/sub message in its place. */
  onPush(push: Push): void;
  /** The socket takes no more for now. */
  onBehind?(): void;
  /** The socket takes writes again after backpressure. */
  onDrain(): void;
  /** Bytes came after whoever watches had set `watched`. */
  onHeard(): void;
  /** The user's reconnectOnError asks for another connection; this one goes on until `end()`. */
  onRenew?(reason: Error): void;
  /** A reply that no call asked for; false (or no such function) makes it a protocol error. MONITOR needs it. */
  onStray?(reply: Buffer): boolean;
}

export interface ConnectionOptions extends DecoderOptions {
  /**
   * Asked for every error a user's call is answered with: true or 1 replaces the connection once all that is on it has
   * been answered, 2 does so as well and sends this one call again on the next one.
   */
  readonly reconnectOnError?: ((error: Error) => unknown) | null | undefined;
}

/**
 * Bytes that are written without waiting for the end of the tick: the server starts on the first of a large batch while
 * the rest is being encoded (1,000 GETs over three nodes: 1.53 ms instead of 1.71, in bursts 1.44 instead of 1.82;
 * with 2 KiB no better, with 8 KiB half of that is lost).
 */
const chunkSize = 4096;

export class Connection {
  /** `host:port` as the pool knows it. */
  readonly address: string;
  /** Set by the handshake. */
  protocol: 2 | 3 = 3;
  readonly activity: Activity;
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #encoder = new Encoder();
  readonly #decoder: Decoder;
  readonly #fifo = new Fifo<Call>(256);
  readonly #flush: () => void;
  #flushScheduled = false;
  /** Calls at the tail of the FIFO whose bytes have not been given to the socket. */
  #unflushed = 0;
  #blocked = false;
  #closed: Error | undefined;
  #ending = false;
  #endReason: Error | undefined;
  /** Half-closed for this reason: nothing is written any more, and what comes is read until the peer closes. */
  #halfClosed: Error | undefined;
  #subscriber = false;
  readonly #confirmations = new Confirmations();
  readonly #scripts = new SentScripts();
  /** What the socket hands over is only lent. */
  readonly #borrows: boolean;
  readonly #reconnectOnError: ((error: Error) => unknown) | undefined;
  /** Set by whoever watches: the next byte that comes is announced, once. */
  watched = false;
  /** The server's number for this connection; undefined where it would not say. */
  clientId: number | undefined;
  /** World time at which the socket was opened. */
  readonly openedAt: number;

  constructor(socket: Socket, address: string, options: ConnectionOptions, world: World, events: ConnectionEvents) {
    this.#reconnectOnError = options.reconnectOnError ?? undefined;
    this.activity = new Activity(world);
    this.openedAt = world.now();
    this.#socket = socket;
    this.address = address;
    this.#events = events;
    this.#decoder = new Decoder(options);
    this.#flush = () => {
      this.#flushScheduled = false;
      this.#flushNow();
    };
    socket.on('drain', () => this.#onDrain());
    socket.on('error', (error) => this.destroy(error));
    socket.on('end', () => this.destroy(this.#halfClosed ?? this.#connectionClosed()));
    socket.on('close', () => this.destroy(this.#halfClosed ?? this.#connectionClosed()));
    this.#borrows = listen(socket, (bytes, start, end) => this.#onData(bytes, start, end));
  }

  /** For its owner's users; nobody else may write to it. */
  get socket(): Socket {
    return this.#socket;
  }

  /** Calls sent and not yet answered. */
  get inFlight(): number {
    return this.#fifo.size;
  }

  /** Bytes waiting for the socket, here and in its own buffer. */
  get pendingBytes(): number {
    return this.#encoder.size + this.#socket.writableLength;
  }

  /** Calls whose bytes the socket has not been given. */
  get pendingCalls(): number {
    return this.#unflushed;
  }

  /**
   * Milliseconds that calls have waited while no byte came from the peer, and none that had to wait left for it; 0 when
   * nothing is in flight.
   */
  get silence(): number {
    return this.#fifo.size === 0 ? 0 : this.activity.look(this.#socket);
  }

  /** The call that is to be answered next. */
  get head(): Call | undefined {
    return this.#fifo.peek();
  }

  /** Takes no more calls, and closes when it has been answered all it was asked. */
  get ending(): boolean {
    return this.#ending;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** False when the socket is behind: hold further calls until `onDrain`. */
  get writable(): boolean {
    return !this.#blocked && this.#closed === undefined;
  }

  /**
   * Takes a call; false when the connection is closed or closing (the call is untouched then). `leave`: false when the
   * next call is to leave in the same write.
   */
  write(call: Call, leave = true): boolean {
    if (this.#closed !== undefined || this.#ending) return false;
    if (this.#fifo.size === 0) this.activity.begin();
    const full = call.remedy?.argv;
    this.#encoder.encode(full === undefined ? call.argv : this.#scripts.argvOf(call.argv, full));
    this.#fifo.push(call);
    this.#unflushed++;
    call.put();
    if ((call.flags & CallFlag.subscribing) !== 0) {
      this.#subscriber = true;
      expectConfirmations(call);
    }
    if (leave) this.#schedule();
    return true;
  }

  /** ASKING and the call, next to each other in one write (ASK redirects). */
  writeAsking(call: Call): boolean {
    const asking = new Call(askingArgv, -1, 0, 'utf8', undefined, directSink);
    return this.write(asking, false) && this.write(call);
  }

  #schedule(): void {
    if (this.#encoder.size >= chunkSize) this.#flushNow();
    else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      nextTick(this.#flush);
    }
  }

  forEachCall(visit: (call: Call) => void): void {
    this.#fifo.forEach(visit);
  }

  /** Puts what `other` gives in the place of each call in flight: the same question, whose answer is another's. */
  replaceCalls(other: (call: Call) => Call): void {
    this.#fifo.replaceEach(other);
  }

  /** Takes no more calls; closes once everything in flight is answered, for `reason`. */
  end(reason: Error = new AbortError('Connection is closed.', { node: this.address })): void {
    if (this.#closed !== undefined || this.#ending) return;
    this.#ending = true;
    this.#endReason = reason;
    if (this.#fifo.size === 0) this.destroy(reason);
  }

  /** Hands back the reads that wait for an answer, so that they can be sent elsewhere; their answers are let go. */
  giveUpReads(reason: Error): void {
    for (const read of takeReads(this.#fifo)) read.sink.onLost(read, reason);
  }

  /** Nothing on it changes anything. */
  get readsOnly(): boolean {
    let only = true;
    this.#fifo.forEach((call) => {
      only &&= (call.flags & CallFlag.readOnly) !== 0;
    });
    return only;
  }

  /** The server has not got what waits here and never will: it may all be sent again. */
  takeBackAll(): void {
    this.#fifo.forEach((call) => {
      call.takeBack();
    });
  }

  /**
   * Takes no more calls; what it has taken leaves, and then the writing side of the socket ends. Replies are read
   * until the peer closes, which is when the connection does, with `reason`. A peer that never does is its owner's
   * business.
   */
  halfClose(reason: Error): void {
    if (this.#closed !== undefined || this.#halfClosed !== undefined) return;
    this.#ending = true;
    this.#halfClosed = reason;
    // The socket keeps what the kernel does not take yet: it is written before the end.
    this.#blocked = false;
    this.#flushNow();
    this.#socket.end();
  }

  /** Closes now. `onClose` runs, then unanswered calls go back to their sinks, both before this returns. */
  destroy(reason: Error): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    this.#socket.destroy();
    const lost = this.#fifo.drain();
    const flushed = lost.length - this.#unflushed;
    // All of them first: what becomes of a transaction depends on its last command.
    for (let at = flushed; at < lost.length; at++) lost[at]!.takeBack();
    // The owner is notified first: a sink that sends a lost call again must find the address down, not this connection.
    this.#events.onClose(reason);
    for (const call of lost) call.sink.onLost(call, reason);
  }

  #flushNow(): void {
    if (this.#closed !== undefined || this.#blocked || this.#encoder.size === 0) return;
    const segments = this.#encoder.take();
    this.#unflushed = 0;
    const socket = this.#socket;
    let room = true;
    if (segments.length === 1) room = socket.write(segments[0]!);
    else {
      socket.cork();
      for (const segment of segments) room = socket.write(segment);
      socket.uncork();
    }
    if (!room && socket.writableNeedDrain) {
      this.#blocked = true;
      this.#events.onBehind?.();
    }
    // The kernel has it all, as it nearly always does at once.
    if (socket.writableLength === 0) this.#encoder.rewind();
  }

  #onDrain(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    if (this.#encoder.size > 0) this.#flushNow();
    if (!this.#blocked) this.#events.onDrain();
  }

  #onData(bytes: Buffer, start: number, end: number): void {
    if (this.#closed !== undefined) return;
    this.activity.heard();
    if (this.watched) {
      this.watched = false;
      this.#events.onHeard();
    }
    const decoder = this.#decoder;
    const fifo = this.#fifo;
    try {
      decoder.feed(bytes, start, end);
      for (;;) {
        const head = fifo.peek();
        const plain = head === undefined || (this.#subscriber && this.protocol === 2);
        const reply = decoder.read(plain ? 'buffer' : head.encoding);
        if (reply === pending) break;
        if (reply instanceof Push) this.#onPush(reply);
        else if (this.#subscriber && this.protocol === 2) this.#onSubscriberReply(reply);
        else this.#onReply(reply);
        if (this.#closed !== undefined) return;
      }
      if (this.#borrows) decoder.keep();
    } catch (error) {
      this.#onBroken(error as Error);
      return;
    }
    if (this.#ending && fifo.size === 0 && this.#halfClosed === undefined) this.destroy(this.#endReason!);
  }

  // A decoder that lost its place can never be trusted again: the socket goes with it. The call that was being answered
  // fails for it; what is behind that call was answered too, perhaps, and in words that nobody can read any more.
  #onBroken(error: Error): void {
    const culprit = this.#fifo.shift();
    // It left, whatever is behind it: its answer had begun.
    if (culprit !== undefined && this.#unflushed > this.#fifo.size) this.#unflushed = this.#fifo.size;
    this.destroy(new BrokenStreamError(this.address, error));
    culprit?.sink.onLost(culprit, this.#withNode(error));
  }

  #withNode(error: Error): Error {
    if (error instanceof ProtocolError) error.node ??= this.address;
    return error;
  }

  #onReply(reply: unknown): void {
    const call = this.#fifo.shift();
    if (reply instanceof ProtocolError) {
      // Beyond a limit, and passed over: nobody else is concerned.
      call?.sink.onLost(call, this.#withNode(reply));
      return;
    }
    if (call === undefined) {
      if (Buffer.isBuffer(reply) && this.#events.onStray?.(reply)) return;
      throw new ProtocolError('Protocol error: a reply that no command asked for');
    }
    if (this.#reconnectOnError !== undefined && reply instanceof ReplyError && !isOwn(call)) {
      this.#judge(call, reply, this.#reconnectOnError);
    } else call.sink.onReply(call, reply, this);
  }

  #judge(call: Call, error: ReplyError, reconnectOnError: (error: Error) => unknown): void {
    const wish = reconnectWish(call, error, reconnectOnError);
    // The others on this connection are answered first: they are not to be sent twice for somebody else's error.
    if (wish !== undefined) this.#events.onRenew?.(error);
    if (wish !== 'resend') call.sink.onReply(call, error, this);
    else {
      // Refused: it was not executed, whatever becomes of this connection.
      call.written = false;
      call.sink.onLost(call, error);
    }
  }

  #onPush(push: Push): void {
    if (this.#confirmations.completes(push, this.#fifo.peek())) this.#onReply(push.items[2] ?? 0);
    this.#events.onPush(push);
  }

  #onSubscriberReply(reply: unknown): void {
    const push = pushIn(reply);
    if (push !== undefined) {
      this.#onPush(push);
      return;
    }
    const head = this.#fifo.peek();
    this.#onReply(head?.encoding === 'buffer' ? reply : textOf(reply));
  }

  #connectionClosed(): Error {
    return new RedisError('Connection is closed.', { code: 'ECONNRESET', node: this.address });
  }
}

const askingArgv = ['asking'];

/** A question of the client's own. */
function isOwn({ sink, flags }: Call): boolean {
  return sink === directSink || (flags & CallFlag.early) !== 0;
}
