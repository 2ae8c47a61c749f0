// A scripted Redis node for client tests: answers what the test says, byte for byte, and remembers what it was asked.

import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Decoder, pending } from '../../lib/wire/decoder.ts';

export interface Seen {
  readonly argv: readonly string[];
  readonly connection: number;
  /** Which chunk of its connection it came in; equal numbers left the client in one write (or very close). */
  readonly chunk: number;
}

/** Raw RESP to answer with; undefined leaves the command unanswered. */
export type Answer = string | Buffer | undefined;

export class FakeNode {
  readonly seen: Seen[] = [];
  connections = 0;
  /** Connections made from now on get no answer at all, not even to a handshake. */
  shy = false;
  /** Milliseconds that connections made from now on wait for their first answer. */
  delay = 0;
  port = 0;
  /** Closes a connection behind the answer to QUIT, as servers do. */
  closesOnQuit = false;
  /** Answers handshakes and CLIENT commands in its own way; undefined leaves them to the usual answers. */
  handshake: (argv: readonly string[]) => Answer = () => undefined;
  /** What the test's node says to a command (lower-case name, arguments as sent). */
  answer: (argv: readonly string[], socket: Socket) => Answer;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(answer: (argv: readonly string[], socket: Socket) => Answer) {
    this.answer = answer;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(answer: (argv: readonly string[], socket: Socket) => Answer, port = 0): Promise<FakeNode> {
    const node = new FakeNode(answer);
    await node.listen(port);
    return node;
  }

  async listen(port = this.port, host = '127.0.0.1'): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    this.port = (this.#server.address() as { port: number }).port;
  }

  /** Connections open now. */
  get open(): number {
    return this.#sockets.size;
  }

  get key(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** How often `name` was asked (`cluster slots` counts the subcommand too). */
  count(...words: string[]): number {
    return this.seen.filter(({ argv }) => words.every((word, at) => argv[at]?.toLowerCase() === word)).length;
  }

  /** Commands seen, handshake and topology words left out. */
  get commands(): string[] {
    return this.seen
      .map(({ argv }) => argv.join(' '))
      .filter((text) => !/^(hello|client|cluster|readonly|auth|select|quit)\b/i.test(text));
  }

  /** Stops reading from every connection, until resume(). */
  pause(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  resume(): void {
    for (const socket of this.#sockets) socket.resume();
  }

  /** Cuts every open connection; the node goes on listening. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Writes bytes nobody asked for on every connection. */
  say(bytes: string | Buffer): void {
    for (const socket of this.#sockets) socket.write(bytes);
  }

  /** Refuses new connections; those that are open stay. */
  stopListening(): void {
    this.#server.close();
  }

  async close(): Promise<void> {
    this.cut();
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    const connection = ++this.connections;
    const silent = this.shy;
    const gate = this.delay > 0 ? sleep(this.delay) : undefined;
    let chunk = 0;
    socket.setNoDelay(true);
    const decoder = new Decoder();
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      chunk++;
      decoder.feed(bytes);
      for (let argv = decoder.read('latin1'); argv !== pending; argv = decoder.read('latin1')) {
        const words = argv as string[];
        this.seen.push({ argv: words, connection, chunk });
        if (silent) continue;
        const lower = [words[0]!.toLowerCase(), ...words.slice(1)];
        const reply = this.handshake(lower) ?? handshakeAnswer(words) ?? this.answer(lower, socket);
        if (reply === undefined) continue;
        const last = this.closesOnQuit && lower[0] === 'quit';
        const write = (): unknown => !socket.destroyed && (last ? socket.end(reply) : socket.write(reply));
        if (gate === undefined) write();
        else void gate.then(write);
      }
    });
  }
}

function handshakeAnswer(argv: readonly string[]): string | undefined {
  switch (argv[0]!.toLowerCase()) {
    case 'hello':
      return '%1\r\n+proto\r\n:3\r\n';
    case 'client':
    case 'readonly':
    case 'quit':
      return '+OK\r\n';
    default:
      return undefined;
  }
}

export function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

export interface FakeRange {
  readonly start: number;
  readonly end: number;
  /** Master first. A node, or host (null for the RESP null) and port. */
  readonly nodes: readonly (FakeNode | { readonly host: string | null; readonly port: number })[];
}

/** A CLUSTER SLOTS reply. */
export function slotsReply(ranges: readonly FakeRange[]): string {
  const entries = ranges.map(({ start, end, nodes }) => {
    const printed = nodes.map((node) => {
      const host = node instanceof FakeNode ? '127.0.0.1' : node.host;
      const id = String(node.port).padStart(40, '0');
      return `*3\r\n${host === null ? '$-1\r\n' : bulk(host)}:${node.port}\r\n${bulk(id)}`;
    });
    return `*${2 + nodes.length}\r\n:${start}\r\n:${end}\r\n${printed.join('')}`;
  });
  return `*${entries.length}\r\n${entries.join('')}`;
}

export const clusterOk: string = bulk('cluster_state:ok\r\n');
