// One open socket: calls in, replies out, in order. Owns the encoder, the decoder, the reply FIFO and the socket;
// they live and die together, so a reply can never reach a call of another socket. Knows nothing of slots.
// The calls of one tick leave together: the first schedules a flush, and only what fills a chunk goes ahead of it.

import { AbortError, RedisError } from '../base/errors.ts';
import { Fifo } from '../base/fifo.ts';
import type { World } from '../base/world.ts';
import { Decoder, type DecoderOptions, ProtocolError, pending } from '../wire/decoder.ts';
import { type Argument, Encoder } from '../wire/encoder.ts';
import { Push, ReplyError } from '../wire/reply.ts';
import { Call, CallFlag, directSink } from './call.ts';
import type { Socket } from './dial.ts';
import { listen } from './reading.ts';

export interface ConnectionEvents {
  /** Once; the unanswered calls go back to their sinks right after. */
  onClose(reason: Error): void;
  /** A push frame, or a RESP2 pub/sub message in its place. */
  onPush(push: Push): void;
  /** The socket takes writes again after backpressure. */
  onDrain(): void;
  /** Bytes came after the connection had been called silent. */
  onHeard(): void;
  /** A reply that no call asked for; false (or no such function) makes it a protocol error. MONITOR needs it. */
  onStray?(reply: Buffer): boolean;
}

export interface ConnectionOptions extends DecoderOptions {
  /**
   * Asked for every error a user's call is answered with: true or 1 closes the connection once the call has its
   * error, 2 closes it and sends the call again on the next one.
   */
  readonly reconnectOnError?: ((error: Error) => unknown) | null | undefined;
}

/**
 * Bytes that are written without waiting for the end of the tick: the server starts on the first of a large batch while
 * the rest is being encoded (1,000 GETs over three nodes: 1.53 ms instead of 1.71, in bursts 1.44 instead of 1.82;
 * with 2 KiB no better, with 8 KiB half of that is lost).
 */
const chunkSize = 4096;
const maxScripts = 10_000;
const confirmations = new Set(['subscribe', 'unsubscribe', 'psubscribe', 'punsubscribe', 'ssubscribe', 'sunsubscribe']);
const messages = new Set(['message', 'pmessage', 'smessage']);

export class Connection {
  /** `host:port` as the pool knows it. */
  readonly address: string;
  /** Set by the handshake. */
  protocol: 2 | 3 = 3;
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
  /** Half-closed for this reason: nothing is written any more, and what comes is read until the peer closes. */
  #halfClosed: Error | undefined;
  #subscriber = false;
  /** Digests of scripts that have been sent in full here. */
  readonly #scripts = new Set<string>();
  /** What the socket hands over is only lent. */
  readonly #borrows: boolean;
  readonly #world: World;
  readonly #reconnectOnError: ((error: Error) => unknown) | undefined;
  /** When bytes last came, or when the first of the unanswered calls was written if that is later. */
  #heardAt: number;
  /** Set by whoever watches: calls wait here and no bytes come. Cleared by the next byte. */
  silent = false;

  constructor(socket: Socket, address: string, options: ConnectionOptions, world: World, events: ConnectionEvents) {
    this.#reconnectOnError = options.reconnectOnError ?? undefined;
    this.#world = world;
    this.#heardAt = world.now();
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

  /** Calls sent and not yet answered. */
  get inFlight(): number {
    return this.#fifo.size;
  }

  /** Bytes waiting for the socket, here and in its own buffer. */
  get pendingBytes(): number {
    return this.#encoder.size + this.#socket.writableLength;
  }

  /** Milliseconds that calls have waited without a byte from the peer; 0 when nothing is in flight. */
  get silence(): number {
    return this.#fifo.size === 0 ? 0 : this.#world.now() - this.#heardAt;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** False when the socket is behind: hold further calls until `onDrain`. */
  get writable(): boolean {
    return !this.#blocked && this.#closed === undefined;
  }

  /** Takes a call; false when the connection is closed or closing (the call is untouched then). */
  write(call: Call): boolean {
    if (!this.#put(call)) return false;
    this.#schedule();
    return true;
  }

  /** ASKING and the call, next to each other in one write (ASK redirects). */
  writeAsking(call: Call): boolean {
    const asking = new Call(askingArgv, -1, 0, 'utf8', undefined, directSink);
    if (!this.#put(asking) || !this.#put(call)) return false;
    this.#schedule();
    return true;
  }

  #put(call: Call): boolean {
    if (this.#closed !== undefined || this.#ending) return false;
    if (this.#fifo.size === 0) this.#heardAt = this.#world.now();
    this.#encoder.encode(call.fallback === undefined ? call.argv : this.#scriptWords(call, call.fallback));
    this.#fifo.push(call);
    this.#unflushed++;
    call.attempts++;
    call.written = true;
    if ((call.flags & CallFlag.subscribing) !== 0) this.#subscriber = true;
    return true;
  }

  #schedule(): void {
    if (this.#encoder.size >= chunkSize) this.#flushNow();
    else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      process.nextTick(this.#flush);
    }
  }

  forEachCall(visit: (call: Call) => void): void {
    this.#fifo.forEach(visit);
  }

  /** Takes no more calls; closes once everything in flight is answered. */
  end(): void {
    if (this.#closed !== undefined || this.#ending) return;
    this.#ending = true;
    if (this.#fifo.size === 0) this.destroy(new AbortError('Connection is closed.', { node: this.address }));
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
    // The owner hears first: a sink that sends a lost call again must find the address down, not this connection.
    this.#events.onClose(reason);
    for (let at = 0; at < lost.length; at++) {
      const call = lost[at]!;
      if (at >= flushed) call.written = false;
      call.sink.onLost(call, reason);
    }
  }

  // The first use of a script on a connection is EVAL, so that calls behind it keep their place; EVALSHA from then on.
  #scriptWords(call: Call, evalWords: readonly Argument[]): readonly Argument[] {
    const sha = call.argv[1] as string;
    if (this.#scripts.has(sha)) return call.argv;
    if (this.#scripts.size < maxScripts) this.#scripts.add(sha);
    return evalWords;
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
    if (!room) this.#blocked = socket.writableNeedDrain;
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
    this.#heardAt = this.#world.now();
    if (this.silent) {
      this.silent = false;
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
      // A decoder that lost its place can never be trusted again: the socket goes with it.
      this.destroy(error as Error);
      return;
    }
    if (this.#ending && fifo.size === 0 && this.#halfClosed === undefined) {
      this.destroy(new AbortError('Connection is closed.', { node: this.address }));
    }
  }

  #onReply(reply: unknown): void {
    const call = this.#fifo.shift();
    if (call === undefined) {
      if (Buffer.isBuffer(reply) && this.#events.onStray?.(reply)) return;
      throw new ProtocolError('Protocol error: a reply that no command asked for');
    }
    if (this.#reconnectOnError !== undefined && reply instanceof ReplyError && call.sink !== directSink) {
      this.#judge(call, reply, this.#reconnectOnError);
    } else call.sink.onReply(call, reply, this);
  }

  // ioredis's reconnectOnError; CLIENT is exempt, as there.
  #judge(call: Call, error: ReplyError, reconnectOnError: (error: Error) => unknown): void {
    let wish = 0;
    try {
      if (call.name.toLowerCase() !== 'client') wish = Number(reconnectOnError(error));
    } catch (thrown) {
      // The user's mistake, and none of the connection's.
      process.nextTick(() => {
        throw thrown;
      });
    }
    if (wish !== 1 && wish !== 2) {
      call.sink.onReply(call, error, this);
      return;
    }
    // It was refused, so nothing was done: sending it again is safe.
    call.written = false;
    if (wish === 1) call.sink.onReply(call, error, this);
    this.destroy(error);
    if (wish === 2) call.sink.onLost(call, error);
  }

  #onPush(push: Push): void {
    const kind = String(push.items[0]);
    if (confirmations.has(kind)) {
      const head = this.#fifo.peek();
      // A server may also unsubscribe on its own (a shard channel whose slot left).
      if (head !== undefined && answers(push, kind, head) && --head.pushes <= 0) {
        this.#onReply(push.items[2] ?? 0);
      }
    }
    this.#events.onPush(push);
  }

  // RESP2 has no push type: in subscriber mode messages and confirmations are arrays among the replies.
  #onSubscriberReply(reply: unknown): void {
    if (Array.isArray(reply) && Buffer.isBuffer(reply[0])) {
      const kind = reply[0].toString('latin1');
      if (confirmations.has(kind) || messages.has(kind)) {
        this.#onPush(new Push(reply));
        return;
      }
    }
    const head = this.#fifo.peek();
    this.#onReply(head?.encoding === 'buffer' ? reply : textOf(reply));
  }

  #connectionClosed(): Error {
    return new RedisError('Connection is closed.', { code: 'ECONNRESET', node: this.address });
  }
}

const askingArgv = ['asking'];

/** Whether a confirmation is about what the call asked for. */
function answers(push: Push, kind: string, call: Call): boolean {
  if ((call.flags & CallFlag.subscribing) === 0 || call.name.toLowerCase() !== kind) return false;
  const name = push.items[1];
  if (call.argv.length === 1 || !Buffer.isBuffer(name)) return true;
  return call.argv.some((word, at) => at > 0 && name.equals(typeof word === 'string' ? Buffer.from(word) : word));
}

function textOf(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString();
  return Array.isArray(reply) ? reply.map(textOf) : reply;
}
