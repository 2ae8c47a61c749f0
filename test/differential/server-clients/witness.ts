// What one server says of a command to everyone but the client that sent it: keyspace events, the words for replicas,
// the count of changes, the keys that caching clients are to forget.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { RequestDecoder } from '../../../lib/wire/request-decoder.ts';
import { encode, RespClient } from '../../kit/resp-client.ts';
import { until } from '../../kit/until.ts';

export interface Testimony {
  readonly reply: string;
  readonly events: readonly string[];
  readonly stream: readonly string[];
  readonly dirty: number;
  readonly forgotten: readonly string[];
}

/** Everything a primary sends a replica after its copy, as words. */
class Replica {
  readonly words: string[] = [];
  readonly socket: Socket;
  readonly #decoder = new RequestDecoder();
  #head: Buffer | undefined = Buffer.alloc(0);
  #closed = false;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    this.socket.on('error', () => undefined);
    this.socket.write(encode(['PSYNC', '?', '-1']));
    // A replica that acknowledges nothing for repl-timeout (60 s) is dropped. The offset does not matter here.
    const acknowledging = setInterval(() => {
      if (this.online) this.socket.write(encode(['REPLCONF', 'ACK', '0']));
    }, 1000);
    this.socket.on('close', () => {
      clearInterval(acknowledging);
      this.#closed = true;
    });
  }

  /** The server has hung up, or close() was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The copy is here: what comes from now on is the stream. */
  get online(): boolean {
    return this.#head === undefined;
  }

  #onData(chunk: Buffer): void {
    if (this.#head === undefined) {
      this.#read(chunk);
      return;
    }
    this.#head = Buffer.concat([this.#head, chunk]);
    const copy = /^\+FULLRESYNC \S+ \d+\r\n\n*\$(\d+)\r\n/.exec(this.#head.toString('latin1', 0, 200));
    if (copy === null || this.#head.length < copy[0].length + Number(copy[1])) return;
    const rest = this.#head.subarray(copy[0].length + Number(copy[1]));
    this.#head = undefined;
    this.#read(rest);
  }

  #read(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#decoder.feed(chunk);
    for (let argv = this.#decoder.read(); argv !== undefined; argv = this.#decoder.read()) {
      const [name = '', ...rest] = argv;
      if (!/^(select|ping|replconf)$/i.test(name)) this.words.push([name.toLowerCase(), ...rest].join(' '));
    }
  }
}

/** As until(), without a pause between two looks: thousands of cases wait for their marks. */
async function soon(what: string, holds: () => boolean): Promise<void> {
  for (const start = performance.now(); !holds(); await new Promise((resolve) => setImmediate(resolve))) {
    if (performance.now() - start > 20_000) throw new Error(`not seen: ${what}`);
  }
}

/** Times of this day, in ms, differ between any two servers. */
function plain(text: string): string {
  return text.replace(/\b1[6-9]\d{11}\b/g, '<ms>');
}

function textOf(reply: unknown): string {
  if (reply instanceof ReplyError) return `-${reply.message}`;
  return JSON.stringify(reply, (_key, value: unknown) => {
    if (value instanceof Map) return [...value];
    return typeof value === 'bigint' ? String(value) : value;
  });
}

export class Witness {
  readonly #client: RespClient;
  readonly #listener: RespClient;
  readonly #cache: RespClient;
  readonly #replica: Replica;
  #marks = 0;

  private constructor(clients: readonly [RespClient, RespClient, RespClient], replica: Replica) {
    [this.#client, this.#listener, this.#cache] = clients;
    this.#replica = replica;
  }

  static async open(port: number): Promise<Witness> {
    const join = (): Promise<RespClient> => RespClient.connect(port);
    const clients = [await join(), await join(), await join()] as const;
    const [client, listener, cache] = clients;
    await client.call('CONFIG', 'SET', 'notify-keyspace-events', 'KEAmn');
    await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0');
    const replica = new Replica(port);
    await once(replica.socket, 'connect');
    await until('the copy is there', () => replica.online);
    for (const each of [listener, cache]) await each.call('HELLO', '3');
    listener.raw(encode(['PSUBSCRIBE', '__key*__:*', 'mark']));
    await cache.call('CLIENT', 'TRACKING', 'ON', 'BCAST');
    return new Witness(clients, replica);
  }

  /** Empties the server, runs `before`, then testifies to what `argv` does. */
  async testify(before: readonly (readonly string[])[], argv: readonly string[]): Promise<Testimony> {
    const client = this.#client;
    await Promise.all([['FLUSHALL'], ...before].map((words) => client.call(...words)));
    await this.#settle();
    const [dirty, reply, after] = await Promise.all([this.#dirty(), client.call(...argv).then(textOf), this.#dirty()]);
    const { events, stream, forgotten } = await this.#settle();
    return { reply: plain(reply), events, stream, dirty: after - dirty, forgotten };
  }

  /** Replies to these are not looked at. */
  async run(...argv: readonly string[]): Promise<void> {
    await this.#client.call(...argv);
  }

  async #dirty(): Promise<number> {
    const info = String(await this.#client.call('INFO', 'persistence'));
    return Number(/rdb_changes_since_last_save:(\d+)/.exec(info)![1]);
  }

  /** What was said since the last call. A message that everyone receives ends it. */
  async #settle(): Promise<{ events: string[]; stream: string[]; forgotten: string[] }> {
    const mark = `mark-${++this.#marks}`;
    await this.#client.call('PUBLISH', 'mark', mark);
    const heard = this.#listener.pushes;
    await soon('the mark is heard', () => heard.some((push) => push[3] === mark));
    await soon('the mark is replicated', () => {
      if (this.#replica.closed) throw new Error('the server has closed the connection of its replica');
      return this.#replica.words.includes(`publish mark ${mark}`);
    });
    await this.#cache.call('PING');
    const messages = heard.splice(0).filter((push) => push[0] === 'pmessage' && push[2] !== 'mark');
    const events = messages
      .filter((push) => String(push[2]).startsWith('__keyevent'))
      .map((push) => `${String(push[2]).replace(/^__keyevent@(\d+)__:/, '$1 ')} ${String(push[3])}`);
    const stream = this.#replica.words.splice(0).filter((words) => !words.startsWith('publish mark '));
    const pushes = this.#cache.pushes.splice(0).filter((push) => push[0] === 'invalidate');
    const forgotten = pushes.flatMap((push) => (push[1] === null ? ['*'] : (push[1] as unknown[]).map(String)));
    return { events, stream: stream.map(plain), forgotten: forgotten.sort() };
  }

  close(): void {
    for (const client of [this.#client, this.#listener, this.#cache]) client.close();
    this.#replica.socket.destroy();
  }
}
