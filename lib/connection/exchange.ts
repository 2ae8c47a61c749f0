// A RESP client of another node, as small as MIGRATE and the slot mover need: one socket, commands in order,
// one deadline for each exchange. Text is binary strings both ways. An error reply is a value, a lost socket throws.

import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { nextTick } from '../base/turns.ts';
import type { Timer, World } from '../base/world.ts';
import { Decoder, pending } from '../wire/decoder.ts';

export type Argv = readonly string[];

/** What can go wrong with the socket, as MIGRATE distinguishes it; a refused connection shows when it is written to. */
export class PeerLinkError extends Error {
  readonly phase: 'connecting' | 'writing' | 'reading';
  readonly timedOut: boolean;

  constructor(phase: PeerLinkError['phase'], timedOut: boolean, message: string) {
    super(message);
    this.phase = phase;
    this.timedOut = timedOut;
  }

  override get name(): string {
    return 'PeerLinkError';
  }
}

interface Exchange {
  readonly replies: unknown[];
  readonly count: number;
  readonly onReply: ((reply: unknown, index: number) => void) | undefined;
  readonly resolve: (replies: unknown[]) => void;
  readonly reject: (error: Error) => void;
  timer: Timer | undefined;
}

export class PeerLink {
  readonly address: string;
  readonly #world: World;
  readonly #socket: Socket;
  readonly #decoder = new Decoder({ maxBulkLength: 512 * 1024 * 1024 });
  readonly #queue: Exchange[] = [];
  #connected = false;
  #unknownHost = false;
  #closed = false;

  /** `tls`: what node:tls needs; undefined: without TLS. */
  constructor(host: string, port: number, world: World, tls?: ConnectionOptions) {
    this.address = `${host}:${port}`;
    this.#world = world;
    const target = { host, port, noDelay: true };
    this.#socket = tls === undefined ? connect(target) : connectTls({ ...target, ...tls });
    world.onSocket?.(this.#socket);
    this.#socket.on(tls === undefined ? 'connect' : 'secureConnect', () => {
      this.#connected = true;
    });
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#unknownHost = error.syscall === 'getaddrinfo';
      this.#fail(error.message, false);
    });
    this.#socket.on('close', () => this.#fail('the peer closed the connection', false));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Sends `commands` in one write; resolves to their replies in order (errors as ReplyError values).
   * Rejects with a PeerLinkError when the socket is lost or `ms` pass; the link is closed then.
   */
  exchange(commands: readonly Argv[], ms: number, onReply?: Exchange['onReply']): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new PeerLinkError('connecting', false, 'the connection is closed'));
      const entry: Exchange = { replies: [], count: commands.length, onReply, resolve, reject, timer: undefined };
      entry.timer = this.#world.after(ms, () => this.#fail(`no answer within ${ms} ms`, true));
      this.#queue.push(entry);
      this.#holdBack();
      this.#socket.write(commands.map(encodeArgv).join(''), 'latin1');
    });
  }

  close(): void {
    this.#fail('the connection was closed', false);
  }

  /** What is sent in one turn leaves in one write: the node can do it in one turn of its own, and saves its state once. */
  #holdBack(): void {
    if (this.#socket.writableCorked > 0) return;
    this.#socket.cork();
    nextTick(() => this.#socket.uncork());
  }

  #read(chunk: Buffer): void {
    this.#decoder.feed(chunk);
    try {
      for (;;) {
        const reply = this.#decoder.read('latin1');
        if (reply === pending) return;
        this.#take(reply);
      }
    } catch (error) {
      this.#fail((error as Error).message, false);
    }
  }

  #take(reply: unknown): void {
    const entry = this.#queue[0];
    if (entry === undefined) {
      this.#fail('an answer that nobody asked for', false);
      return;
    }
    entry.onReply?.(reply, entry.replies.length);
    entry.replies.push(reply);
    if (entry.replies.length < entry.count) return;
    this.#queue.shift();
    entry.timer?.cancel();
    entry.resolve(entry.replies);
  }

  #fail(reason: string, timedOut: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    const phase = this.#connected ? 'reading' : timedOut || this.#unknownHost ? 'connecting' : 'writing';
    for (const entry of this.#queue.splice(0)) {
      entry.timer?.cancel();
      entry.reject(new PeerLinkError(phase, timedOut, `${this.address}: ${reason}`));
    }
  }
}

function encodeArgv(argv: Argv): string {
  let text = `*${argv.length}\r\n`;
  for (const argument of argv) text += `$${argument.length}\r\n${argument}\r\n`;
  return text;
}
