// The smallest client that can say anything: raw bytes out, decoded replies in. Built on lib/wire only, so that a test
// of the server does not lean on the client under test.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Decoder, pending } from '../../lib/wire/decoder.ts';
import { Push } from '../../lib/wire/reply.ts';

export class RespClient {
  readonly socket: Socket;
  /** Push frames of RESP3, in order of arrival. */
  readonly pushes: unknown[][] = [];
  /** Set when the peer closed the connection. */
  closed = false;
  readonly #decoder = new Decoder({ mapping: 'resp3' });
  readonly #replies: unknown[] = [];
  readonly #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];
  readonly #pushWaiting: ((push: unknown[]) => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('connection closed'));
    });
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<RespClient> {
    const socket = connect(port, host);
    await once(socket, 'connect');
    return new RespClient(socket);
  }

  /** Sends one command and gives its reply; an error reply is a value (ReplyError), not a rejection. */
  call(...argv: readonly (string | number | Buffer)[]): Promise<unknown> {
    this.socket.write(encode(argv));
    return this.read();
  }

  /** Sends bytes as they are. */
  raw(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** The next reply. Rejects when the connection closes first. */
  read(): Promise<unknown> {
    const ready = this.#replies.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.closed) return Promise.reject(new Error('connection closed'));
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** The next push frame of RESP3. */
  readPush(): Promise<unknown[]> {
    const ready = this.pushes.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    return new Promise((resolve) => this.#pushWaiting.push(resolve));
  }

  /** Resolves when the peer has closed the connection. */
  async untilClosed(): Promise<void> {
    if (!this.closed) await once(this.socket, 'close');
  }

  close(): void {
    this.socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#decoder.feed(chunk);
    for (;;) {
      const reply = this.#decoder.read('latin1');
      if (reply === pending) return;
      if (reply instanceof Push) this.#onPush(reply.items.map(asText));
      else this.#onReply(reply);
    }
  }

  #onPush(items: unknown[]): void {
    const waiting = this.#pushWaiting.shift();
    if (waiting !== undefined) waiting(items);
    else this.pushes.push(items);
  }

  #onReply(reply: unknown): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) waiting.resolve(reply);
    else this.#replies.push(reply);
  }
}

function asText(item: unknown): unknown {
  return Buffer.isBuffer(item) ? item.toString('latin1') : item;
}

/** A command as an array of bulk strings; texts are latin1, one char per byte. */
export function encode(argv: readonly (string | number | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${argv.length}\r\n`)];
  for (const word of argv) {
    const bytes = Buffer.isBuffer(word) ? word : Buffer.from(String(word), 'latin1');
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}
