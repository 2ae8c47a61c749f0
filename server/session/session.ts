// One client connection: bytes to requests, requests to the engine, replies to bytes.
// Owns: the socket, the buffers of both directions and the client's state in the engine.
// Does not know: any command, nor the cluster.
// Invariants: requests run in the order they came and replies leave in that order; the replies of one tick leave in
// one write; while the client is blocked, or does not read its replies, its requests wait.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { queueMicrotask } from '../../lib/base/turns.ts';
import type { Timer } from '../../lib/base/world.ts';
import { Push, type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { ReplyWriter } from '../../lib/wire/reply-writer.ts';
import { RequestDecoder, RequestError } from '../../lib/wire/request-decoder.ts';
import type { OutputLimit } from '../config/config.ts';
import type { Client, ReplySink } from '../engine/client.ts';
import { describeClient } from '../engine/client-info.ts';
import { fixedOutputBytes, outputOf } from '../engine/client-memory.ts';
import type { Execute } from '../engine/dispatch.ts';
import type { Engine } from '../engine/engine.ts';
import { formatDouble } from '../engine/replies.ts';
import { isTooLong } from '../engine/too-long.ts';

/** Requests stop being run while this many bytes of replies wait to leave, as long as the client does not read. */
const outputHighWater = 16 * 1024 * 1024;
/** Bytes of replies that may wait for a client which has yet to authenticate, as redis-server has it. */
const unauthenticatedHighWater = 16 * 1024;
const noBytes = Buffer.alloc(0);

export class Session implements ReplySink {
  readonly client: Client;
  readonly address: string;
  readonly localAddress: string;
  readonly fd: number;
  readonly local: boolean;
  readonly secure: boolean;
  readonly unix: boolean;
  readonly #engine: Engine;
  readonly #execute: Execute;
  readonly #socket: Socket;
  readonly #decoder: RequestDecoder;
  readonly #writer = new ReplyWriter(formatDouble);
  #running = false;
  #flushing = false;
  #closing = false;
  /** Its requests wait until it has read, or it is about to be closed. */
  #stalled = false;
  #halfClosed = false;
  #softSince: number | undefined;
  #softTimer: Timer | undefined;
  readonly #flushHeld = (): void => this.#flush();
  #takeover: ((bytes: Buffer) => void) | undefined;

  constructor(engine: Engine, execute: Execute, socket: Socket, path: string | undefined, fd: number) {
    this.#engine = engine;
    this.#execute = execute;
    this.#socket = socket;
    this.fd = fd;
    this.local = path !== undefined || isLoopback(socket.remoteAddress);
    this.secure = socket instanceof TLSSocket;
    this.unix = path !== undefined;
    this.address = path === undefined ? join(socket.remoteAddress, socket.remotePort) : `${path}:0`;
    this.localAddress = path === undefined ? join(socket.localAddress, socket.localPort) : `${path}:0`;
    this.#decoder = new RequestDecoder({
      maxBulkLength: engine.config.number('proto-max-bulk-len'),
      maxRequestBytes: engine.config.number('client-query-buffer-limit'),
    });
    this.client = engine.connect(this);
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    socket.on('drain', () => this.#onDrain());
    socket.on('end', () => this.#onEnd());
    // What went wrong is of no use to a server: the close that follows says all.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#onClose());
  }

  send(reply: Reply): void {
    if (this.#closing) return;
    if (this.client.replies !== 'on' && !(reply instanceof Push)) return;
    this.#writer.write(reply);
    if (this.#running) return;
    this.#scheduleFlush();
    if (this.#writer.size > fixedOutputBytes) this.#checkLimits();
    this.#noteMemory();
  }

  settle(reply: Reply | undefined): void {
    if (reply !== undefined) this.send(reply);
    if (this.client.tracking !== undefined) this.#engine.tracking.sendDeferred(this.client);
    if (this.client.replies === 'skip') this.client.replies = 'on';
    if (!this.#running) this.#run();
  }

  close(graceful: boolean): void {
    if (!graceful) {
      this.#leave();
      this.#socket.destroy();
      return;
    }
    // The reply to the command that asked for it is still to be written.
    queueMicrotask(() => this.#end());
    this.#stalled = true;
  }

  useProtocol(protocol: 2 | 3): void {
    this.#writer.protocol = protocol;
  }

  restrict(restricted: boolean): void {
    this.#decoder.restricted = restricted;
  }

  outputBytes(): number {
    return this.#socket.writableLength + this.#writer.size;
  }

  inputBytes(): number {
    return this.#decoder.buffered;
  }

  awaitedBytes(): number {
    return this.#decoder.awaited;
  }

  parsedBytes(): number {
    return this.#decoder.parsed;
  }

  /**
   * Gives the socket to someone else (a replica's stream): from now on bytes that arrive go to `onBytes`, those already
   * here first, and no request is run. Call it from inside a command or while the client is blocked.
   */
  takeOver(onBytes: (bytes: Buffer) => void): Socket {
    this.#takeover = onBytes;
    this.#flush();
    const rest = this.#decoder.take();
    if (rest.length > 0) queueMicrotask(() => onBytes(rest));
    return this.#socket;
  }

  #onData(bytes: Buffer): void {
    this.#engine.stats.input += bytes.length;
    this.#engine.stats.reads++;
    if (this.#takeover !== undefined) {
      this.#takeover(bytes);
      return;
    }
    this.#decoder.feed(bytes);
    if (this.#engine.clientMemory.limit > 0 && !this.#engine.clientMemory.admit(this.client)) return;
    if (this.client.blocked !== undefined || this.#stalled) this.#checkQuery();
    else this.#run();
  }

  /** Who does not read, or waits, may not send without end either. */
  #checkQuery(): void {
    if (this.#decoder.buffered <= this.#engine.config.number('client-query-buffer-limit')) return;
    this.#engine.stats.queryLimitClosings++;
    this.close(false);
  }

  #run(): void {
    const client = this.client;
    this.#running = true;
    client.lastActive = this.#engine.world.now();
    try {
      const execute = this.#execute;
      for (;;) {
        if (client.blocked !== undefined || this.#stalled || this.#closing || this.#takeover !== undefined) break;
        const argv = this.#decoder.read();
        if (argv === undefined) break;
        const reply = execute(this.#engine, client, argv);
        if (reply !== undefined && client.replies === 'on') this.#writer.write(reply);
        if (client.tracking !== undefined) this.#engine.tracking.sendDeferred(client);
        if (client.replies !== 'on') this.#advanceSkip();
        if (this.#writer.size > fixedOutputBytes) this.#onMuchOutput();
      }
    } catch (error) {
      this.#writer.write(new ReplyError(`ERR ${this.#explain(error)}`));
      this.#end();
    } finally {
      this.#running = false;
    }
    if (this.#engine.persistence?.canFlushReplies(this.#flushHeld) !== false) this.#flush();
    this.#noteMemory();
  }

  #onMuchOutput(): void {
    this.#checkLimits();
    if (this.#writer.size > outputHighWater) this.#flush();
  }

  #noteMemory(): void {
    if (this.#engine.clientMemory.limit > 0) this.#engine.clientMemory.note(this.client);
  }

  #explain(error: unknown): string {
    if (error instanceof RequestError) return error.message;
    if (isTooLong(error)) return 'the reply is longer than this server can hold';
    // A bug of ours ends this connection, not the server.
    this.#engine.world.log(`internal error: ${error instanceof Error ? error.stack : String(error)}`);
    return 'internal error';
  }

  /** CLIENT REPLY SKIP silences its own answer and the one after it. */
  #advanceSkip(): void {
    if (this.client.replies === 'skip-next') this.client.replies = 'skip';
    else if (this.client.replies === 'skip' && this.client.blocked === undefined) this.client.replies = 'on';
  }

  #scheduleFlush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#writer.size === 0) return;
    this.#engine.persistence?.flush();
    if (this.#closing) return;
    const pieces = this.#writer.take();
    const socket = this.#socket;
    if (!socket.writable) return;
    if (pieces.length > 1) socket.cork();
    for (const piece of pieces) {
      this.#engine.stats.output += piece.length;
      socket.write(piece, 'latin1');
    }
    this.#engine.stats.writes++;
    if (pieces.length > 1) socket.uncork();
    const waiting = socket.writableLength;
    // What it goes on to send is still taken in, to the limit of its query buffer: many read only once they have sent all.
    if (waiting > outputHighWater) this.#stalled = true;
    if (waiting > fixedOutputBytes) this.#checkLimits();
  }

  #onDrain(): void {
    this.#forgetSoftLimit();
    if (!this.#closing) this.#noteMemory();
    if (!this.#stalled || this.#closing) return;
    this.#stalled = false;
    if (this.client.blocked === undefined) this.#run();
    if (this.#halfClosed && !this.#stalled) this.#onEnd();
  }

  /** Closes a client that lets its output pile up to the limits of its class; nothing more of it is sent then. */
  #checkLimits(): void {
    if (this.#closing) return;
    const waiting = outputOf(this.client);
    const limit = this.#limit;
    if (this.#decoder.restricted && waiting > unauthenticatedHighWater) {
      this.#closeForOutput();
      return;
    }
    if (limit.hard > 0 && waiting >= limit.hard) {
      this.#closeForOutput();
      return;
    }
    if (limit.soft === 0 || waiting < limit.soft) {
      this.#forgetSoftLimit();
      return;
    }
    const now = this.#engine.world.now();
    this.#softSince ??= now;
    const left = this.#softSince + limit.softSeconds * 1000 - now;
    if (left <= 0) this.#closeForOutput();
    else this.#softTimer ??= this.#engine.world.after(left, () => this.#softLimitReached());
  }

  refuseOutput(bytes: number): void {
    const { hard } = this.#limit;
    if (hard > 0 && bytes >= hard) this.#closeForOutput();
  }

  get #limit(): OutputLimit {
    return this.#engine.config.outputLimit(this.client.inPubSub ? 'pubsub' : 'normal');
  }

  #forgetSoftLimit(): void {
    this.#softSince = undefined;
    this.#softTimer?.cancel();
    this.#softTimer = undefined;
  }

  #closeForOutput(): void {
    this.#engine.stats.outputLimitClosings++;
    const who = describeClient(this.client);
    this.#engine.world.log(`Client ${who} scheduled to be closed ASAP for overcoming of output buffer limits.`);
    this.close(false);
  }

  #softLimitReached(): void {
    this.#softTimer = undefined;
    this.#checkLimits();
  }

  #onEnd(): void {
    // Whoever stops sending gets the answers to what it sent, unless it waits for one that may never come.
    this.#halfClosed = true;
    if (this.#stalled && !this.#closing) return;
    if (this.client.blocked !== undefined) this.#socket.destroy();
    else this.#end();
  }

  #end(): void {
    if (this.#closing) return;
    this.#flush();
    this.#leave();
    this.#decoder.feed(noBytes);
    this.#socket.end();
    // A peer that never closes its side must not hold the socket.
    this.#engine.world.after(1000, () => this.#socket.destroy());
  }

  #onClose(): void {
    this.#leave();
  }

  /** The client is gone for everyone from here on, however long its socket takes to close. */
  #leave(): void {
    this.#closing = true;
    this.#softTimer?.cancel();
    this.#engine.disconnect(this.client);
  }
}

/** An address of this machine alone, as redis-server has it. */
export function isLoopback(host: string | undefined): boolean {
  return host === '127.0.0.1' || host === '::1' || host === '::ffff:127.0.0.1';
}

function join(host: string | undefined, port: number | undefined): string {
  const text = (host ?? '?').replace(/^::ffff:/, '');
  return text.includes(':') ? `[${text}]:${port ?? 0}` : `${text}:${port ?? 0}`;
}
