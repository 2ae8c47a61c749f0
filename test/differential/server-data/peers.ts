// Two ways to run one command: over a socket (redis-server, or our server whole), and on our handlers in this process.
// Both answer the same tagged values, so type (bulk, status, map, set, double, ...) and text are compared alike.
import { connect, type Socket } from 'node:net';
import { ManualWorld } from '../../../lib/base/world.ts';
import { Double, NullArray, Push, type Reply, ReplyError, Status, Verbatim } from '../../../lib/wire/reply.ts';
import {
  AsyncReply,
  arityRefusal,
  Blocked,
  type CommandGroup,
  type Context,
  type Outcome,
  Registry,
} from '../../../server/engine/registry.ts';
import { AccessClock } from '../../../server/keyspace/access-clock.ts';
import { defaultLimits } from '../../../server/keyspace/encoding.ts';
import { formatDouble } from '../../../server/keyspace/number.ts';
import { Store, typeOf } from '../../../server/keyspace/store.ts';
import type { StoreHost } from '../../../server/keyspace/store-host.ts';

/** bulk: string; integer: bigint; null: null; anything else is tagged. */
export type Tagged = string | bigint | null | { readonly tag: string; readonly of: string | readonly Tagged[] };

interface Peer {
  run(argv: readonly string[]): Promise<Tagged>;
}

/** One connection to a server on a loopback port. */
export class WirePeer implements Peer {
  readonly #socket: Socket;
  readonly #waiting: ((reply: Tagged) => void)[] = [];
  #text = '';

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#feed(chunk));
  }

  static open(port: number): Promise<WirePeer> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new WirePeer(socket)));
      socket.on('error', reject);
    });
  }

  run(argv: readonly string[]): Promise<Tagged> {
    const words = argv.map((word) => `$${word.length}\r\n${word}\r\n`).join('');
    this.#socket.write(`*${argv.length}\r\n${words}`, 'latin1');
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }

  #feed(chunk: string): void {
    this.#text += chunk;
    for (;;) {
      const parsed = parse(this.#text, 0);
      if (parsed === undefined) return;
      this.#text = this.#text.slice(parsed.end);
      this.#waiting.shift()?.(parsed.value);
    }
  }
}

interface Parsed {
  readonly value: Tagged;
  readonly end: number;
}

const aggregates: Record<string, [tag: string, factor: number]> = {
  '*': ['array', 1],
  '%': ['map', 2],
  '~': ['set', 1],
  '>': ['push', 1],
};

function parse(text: string, at: number): Parsed | undefined {
  const lineEnd = text.indexOf('\r\n', at);
  if (lineEnd < 0) return undefined;
  const kind = text[at]!;
  const line = text.slice(at + 1, lineEnd);
  const end = lineEnd + 2;
  const many = aggregates[kind];
  if (many !== undefined) {
    if (line === '-1') return { value: { tag: 'null array', of: '' }, end };
    return parseMany(text, end, many[0], Number(line) * many[1]);
  }
  if (kind === '$' || kind === '=') {
    if (line === '-1') return { value: null, end };
    const stop = end + Number(line);
    if (text.length < stop + 2) return undefined;
    const body = text.slice(end, stop);
    return { value: kind === '$' ? body : { tag: 'verbatim', of: body }, end: stop + 2 };
  }
  if (kind === ':') return { value: BigInt(line), end };
  if (kind === '_') return { value: { tag: 'null', of: '' }, end };
  const tags: Record<string, string> = { '+': 'status', '-': 'error', ',': 'double', '#': 'boolean', '(': 'big' };
  return { value: { tag: tags[kind] ?? kind, of: line }, end };
}

function parseMany(text: string, at: number, tag: string, count: number): Parsed | undefined {
  const items: Tagged[] = [];
  for (let left = count; left > 0; left -= 1) {
    const item = parse(text, at);
    if (item === undefined) return undefined;
    items.push(item.value);
    at = item.end;
  }
  return { value: { tag, of: items }, end: at };
}

/** What a session would print for `reply`, as tagged values. */
function tagged(reply: Reply, protocol: 2 | 3): Tagged {
  const three = protocol === 3;
  const each = (items: Iterable<Reply>): Tagged[] => [...items].map((item) => tagged(item, protocol));
  if (typeof reply === 'string') return reply;
  if (typeof reply === 'number' || typeof reply === 'bigint') return BigInt(reply);
  if (typeof reply === 'boolean') return three ? { tag: 'boolean', of: reply ? 't' : 'f' } : reply ? 1n : 0n;
  if (reply === null) return three ? { tag: 'null', of: '' } : null;
  if (reply instanceof NullArray) return three ? { tag: 'null', of: '' } : { tag: 'null array', of: '' };
  if (reply instanceof ReplyError) return { tag: 'error', of: reply.message };
  if (reply instanceof Status) return { tag: 'status', of: reply.text };
  if (reply instanceof Double) {
    const text = formatDouble(reply.value);
    return three ? { tag: 'double', of: text } : text;
  }
  if (reply instanceof Verbatim) return three ? { tag: 'verbatim', of: `txt:${reply.text}` } : reply.text;
  if (reply instanceof Push) return { tag: 'push', of: each(reply.items as Reply[]) };
  if (reply instanceof Map) return { tag: three ? 'map' : 'array', of: each([...reply.entries()].flat()) };
  if (reply instanceof Set) return { tag: three ? 'set' : 'array', of: each(reply) };
  return { tag: 'array', of: each(reply as readonly Reply[]) };
}

/** Words that the core's own commands answer; here only as far as these tests need them. */
const coreCommands: CommandGroup = {
  del: (ctx, argv) => argv.slice(1).filter((key) => ctx.store.delete(key)).length,
  exists: (ctx, argv) => argv.slice(1).filter((key) => ctx.store.has(key)).length,
  set: (ctx, argv) => {
    ctx.store.replace(argv[1]!, argv[2]!);
    return new Status('OK');
  },
  get: (ctx, argv) => ctx.store.getString(argv[1]!) ?? null,
  type: (ctx, argv) => {
    const entry = ctx.store.peek(argv[1]!);
    return new Status(entry === undefined ? 'none' : typeOf(entry.value));
  },
  'object|encoding': (ctx, argv) => {
    const value = ctx.store.peek(argv[2]!)?.value;
    return typeof value === 'object' ? value.encoding : null;
  },
  flushall: (ctx) => {
    ctx.store.clear();
    return new Status('OK');
  },
};

/** Our handlers over one store, without a session: a Blocked answers the tag `blocked`. */
export class DirectPeer implements Peer {
  readonly world: ManualWorld;
  readonly store: Store;
  readonly #registry = new Registry<Context>();
  /** What the last command replicated instead of its own words. */
  effects: (readonly string[])[] = [];
  denyBlocking = false;
  readonly mayReadAnyKey = (): boolean => true;
  protocol: 2 | 3 = 2;

  constructor(groups: readonly CommandGroup[], seed = 1) {
    this.world = new ManualWorld({ seed, now: 1_700_000_000_000 });
    const host: StoreHost = {
      world: this.world,
      mode: 'primary',
      dirty: 0,
      access: new AccessClock(this.world),
      limits: defaultLimits,
      skipChecksums: false,
      hits: 0,
      misses: 0,
      expired: 0,
      lazyFreed: 0,
      onExpired: undefined,
      onEvent: undefined,
      onReady: undefined,
      activeExpiry: false,
      frozenAt: undefined,
    };
    this.store = new Store(0, host);
    for (const group of [coreCommands, ...groups]) this.#registry.add(group);
  }

  call(argv: readonly string[]): Outcome {
    this.effects = [];
    const command = this.#registry.find(argv);
    if (command instanceof ReplyError) return command;
    const { arity, name } = command.row;
    if (arity < 0 ? argv.length < -arity : argv.length !== arity) return arityRefusal(name);
    const context: Context = {
      store: this.store,
      world: this.world,
      protocol: this.protocol,
      denyBlocking: this.denyBlocking,
      mayReadAnyKey: this.mayReadAnyKey,
      propagate: (...effects) => {
        this.effects.push(...effects);
      },
    };
    try {
      return command.handler(context, argv);
    } catch (error) {
      if (error instanceof ReplyError) return error;
      throw error;
    }
  }

  async run(argv: readonly string[]): Promise<Tagged> {
    const reply = this.call(argv);
    if (reply === undefined || reply instanceof AsyncReply) return { tag: 'nothing', of: '' };
    if (reply instanceof Blocked) return { tag: 'blocked', of: reply.keys };
    return tagged(reply, this.protocol);
  }
}
