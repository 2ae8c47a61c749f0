// Connections to the nodes of one cluster, bundled or real: for the mover, the monitor and the balancer.
// Owns: the sockets, and the addresses where nodes were found.
// Does not know: what is asked and why; decides nothing.
// Invariant: at most one connection a node and lane, and changes of ownership that go through alone() never overlap.

import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { World } from '../../../lib/base/world.ts';
import { type Argv, PeerLink } from '../../../lib/connection/exchange.ts';
import { type NodeLine, parseNodes } from '../../../lib/wire/cluster-nodes.ts';
import { Encoder } from '../../../lib/wire/encoder.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

export interface MovingNode extends NodeAddress {
  readonly id: string;
}

export interface ClusterLinkOptions {
  /** Nodes to ask first; the others are learned from them. */
  readonly seeds: readonly NodeAddress[];
  readonly world: World;
  /** User for AUTH. Default: the default user. */
  readonly username?: string | undefined;
  /** Password for AUTH on every node, and for MIGRATE between them. */
  readonly password?: string | undefined;
  /** Milliseconds that one exchange may take. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** Connect with TLS, as `node:tls` takes it (`ca`, `cert`, `key`, `rejectUnauthorized`). Default: without. */
  readonly tls?: ConnectionOptions | undefined;
  /** Where nodes are reached that call themselves otherwise: `{ '10.0.0.1:6379': { host, port } }`. */
  readonly natMap?: Readonly<Record<string, NodeAddress>> | undefined;
}

/** A node answered with an error; the message is `address: command: its text`. */
export class RefusedError extends Error {
  readonly refusal: string;

  constructor(node: NodeAddress, argv: Argv, refusal: string) {
    super(`${node.host}:${node.port}: ${argv.slice(0, 3).join(' ')}: ${refusal}`);
    this.refusal = refusal;
  }

  override get name(): string {
    return 'RefusedError';
  }
}

/** No node of the cluster can be asked; the message has the reason of each. */
export class UnreachableError extends Error {
  override get name(): string {
    return 'UnreachableError';
  }
}

const maxKnown = 2000;
const maxDatabases = 1 << 20;

export class ClusterLink {
  readonly world: World;
  readonly timeoutMs: number;
  /** As they were given. */
  readonly seeds: readonly NodeAddress[];
  readonly #auth: Argv | undefined;
  readonly #tls: ConnectionOptions | undefined;
  readonly #natMap: Readonly<Record<string, NodeAddress>>;
  readonly #links = new Map<string, PeerLink>();
  /** Connections of which the database is being chosen: nothing may be sent before that is known to be done. */
  readonly #choosing = new Map<string, Promise<void>>();
  readonly #databases = new Map<string, Promise<number>>();
  readonly #redis = new Map<string, Promise<boolean>>();
  #known: readonly NodeAddress[];
  #changes: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: ClusterLinkOptions) {
    if (options.seeds.length === 0) throw new RangeError('seeds: at least one node is needed');
    this.world = options.world;
    this.timeoutMs = options.timeoutMs ?? 5000;
    const { username = '', password = '' } = options;
    this.#auth = password === '' ? undefined : username === '' ? ['AUTH', password] : ['AUTH', username, password];
    this.#tls = options.tls;
    this.#natMap = options.natMap ?? {};
    this.seeds = options.seeds;
    this.#known = options.seeds;
  }

  /** The arguments by which MIGRATE logs in at the other end. */
  get migrateAuth(): Argv {
    if (this.#auth === undefined) return [];
    return [this.#auth.length === 3 ? 'AUTH2' : 'AUTH', ...this.#auth.slice(1)];
  }

  /**
   * Sends commands in one write. Resolves to all replies, errors as values; rejects when the node cannot be asked.
   * Commands of different lanes do not wait for each other; each database has connections of its own.
   */
  async exchange(
    node: NodeAddress,
    commands: readonly Argv[],
    timeoutMs: number = this.timeoutMs,
    lane: number = 0,
    database: number = 0,
  ): Promise<unknown[]> {
    if (this.#closed) throw new Error('this link to the cluster was closed');
    const address = `${node.host}:${node.port}`;
    const name = `${address} ${lane}/${database}`;
    let link = this.#links.get(name);
    const fresh = link === undefined || link.closed;
    if (link === undefined || link.closed) {
      const { host, port } = this.#natMap[address] ?? node;
      link = new PeerLink(host, port, this.world, this.#tls);
      this.#links.set(name, link);
      // A node that was started again may have other databases.
      this.#databases.delete(address);
      this.#redis.delete(address);
    }
    if (database > 0) return this.#inDatabase(name, link, fresh, node, commands, timeoutMs, database);
    if (!fresh || this.#auth === undefined) return link.exchange(commands, timeoutMs);
    const [welcome, ...replies] = await link.exchange([this.#auth, ...commands], timeoutMs);
    if (welcome instanceof ReplyError) {
      link.close();
      throw new RefusedError(node, ['AUTH'], welcome.message);
    }
    return replies;
  }

  /** A command that reached the wrong database would touch keys that only share a name. */
  async #inDatabase(
    name: string,
    link: PeerLink,
    fresh: boolean,
    node: NodeAddress,
    commands: readonly Argv[],
    timeoutMs: number,
    database: number,
  ): Promise<unknown[]> {
    const select: Argv = ['SELECT', String(database)];
    if (fresh) {
      const first = this.#auth === undefined ? [select] : [this.#auth, select];
      const choose = async (): Promise<void> => {
        const chosen = (await link.exchange(first, timeoutMs)).at(-1);
        if (!(chosen instanceof ReplyError)) return;
        link.close();
        throw new RefusedError(node, select, chosen.message);
      };
      this.#choosing.set(name, choose());
    }
    await this.#choosing.get(name);
    return link.exchange(commands, timeoutMs);
  }

  /**
   * How many numbered databases the node has: 1, and more in a cluster of Valkey 9 with `cluster-databases`. Rejects
   * when the user may not SELECT: then it cannot be known.
   */
  databasesOf(node: NodeAddress): Promise<number> {
    return remembered(this.#databases, node, () => this.#countDatabases(node));
  }

  async #countDatabases(node: NodeAddress): Promise<number> {
    // On the connection that goes on in database 0: whatever the answers are, it ends there.
    const has = async (database: number): Promise<boolean> => {
      const [chosen] = await this.exchange(node, [
        ['SELECT', String(database)],
        ['SELECT', '0'],
      ]);
      if (chosen instanceof ReplyError && chosen.message.startsWith('NOPERM')) {
        throw new RefusedError(node, ['SELECT', String(database)], chosen.message);
      }
      return !(chosen instanceof ReplyError);
    };
    let [low, high] = [0, 1];
    while (high < maxDatabases && (await has(high))) [low, high] = [high, high * 2];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (await has(middle)) low = middle;
      else high = middle;
    }
    return low + 1;
  }

  /** Whether the node is Redis, or a bundled one; Valkey does some things of a cluster otherwise. False where INFO is refused. */
  isRedis(node: NodeAddress): Promise<boolean> {
    return remembered(this.#redis, node, () => this.#looksLikeRedis(node));
  }

  async #looksLikeRedis(node: NodeAddress): Promise<boolean> {
    const [text] = await this.exchange(node, [['INFO', 'server']]);
    return /^redis_version:/m.test(String(text)) && !/^valkey_version:/m.test(String(text));
  }

  /** One command; an error reply is thrown as a RefusedError. */
  async ask(node: NodeAddress, argv: Argv, timeoutMs?: number): Promise<unknown> {
    const [reply] = await this.exchange(node, [argv], timeoutMs);
    if (reply instanceof ReplyError) throw new RefusedError(node, argv, reply.message);
    return reply;
  }

  /** The same of the first node that can be asked. Rejects with an UnreachableError when there is none. */
  async askAny(argv: Argv, timeoutMs?: number): Promise<unknown> {
    return this.#first((node) => this.ask(node, argv, timeoutMs));
  }

  /** What this very node thinks of the cluster. */
  async viewOf(node: NodeAddress): Promise<NodeLine[]> {
    const lines = parseNodes(await this.ask(node, ['CLUSTER', 'NODES']));
    // A node that nobody has met yet does not know its own address.
    return lines.map((line) =>
      line.host === '' && line.flags.includes('myself') ? { ...line, host: node.host } : line,
    );
  }

  /** What the first node that can be asked thinks of the cluster. Rejects with an UnreachableError when there is none. */
  async view(): Promise<NodeLine[]> {
    return this.#first(async (node) => {
      const lines = await this.viewOf(node);
      this.#learn(node, lines);
      return lines;
    });
  }

  async #first<T>(ask: (node: NodeAddress) => Promise<T>): Promise<T> {
    const reasons: string[] = [];
    for (const node of this.#known) {
      try {
        return await ask(node);
      } catch (error) {
        reasons.push((error as Error).message);
      }
    }
    throw new UnreachableError(`no node of the cluster can be asked: ${reasons.join('; ')}`);
  }

  /**
   * A connection to a node that is the caller's own, for what is no command and reply: MONITOR, a copy of all data.
   * AUTH was sent when there are `logins`: that many replies come unasked.
   */
  dial(node: NodeAddress): { readonly socket: Socket; readonly logins: number; send(argv: Argv): void } {
    const { host, port } = this.#natMap[`${node.host}:${node.port}`] ?? node;
    const target = { host, port, noDelay: true };
    const socket = this.#tls === undefined ? connect(target) : connectTls({ ...target, ...this.#tls });
    const encoder = new Encoder();
    const send = (argv: Argv): void => {
      encoder.encode(argv.map((argument) => Buffer.from(argument, 'latin1')));
      for (const bytes of encoder.take()) socket.write(bytes);
    };
    if (this.#auth !== undefined) send(this.#auth);
    return { socket, send, logins: this.#auth === undefined ? 0 : 1 };
  }

  /** Runs changes of ownership one after the other, whoever asks for them. */
  alone<T>(change: () => Promise<T>): Promise<T> {
    const mine = this.#changes.then(change);
    this.#changes = mine.then(
      () => undefined,
      () => undefined,
    );
    return mine;
  }

  close(): void {
    this.#closed = true;
    this.#choosing.clear();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  /** Whoever answered is asked first the next time; nodes that left the cluster stay as a last resort. */
  #learn(answered: NodeAddress, lines: readonly NodeLine[]): void {
    const found = lines.filter(isReachable).map(({ host, port }) => ({ host, port }));
    const seen = new Map([answered, ...found, ...this.#known].map((node) => [`${node.host}:${node.port}`, node]));
    this.#known = [...seen.values()].slice(0, maxKnown);
    for (const [name, link] of this.#links) {
      if (!link.closed && seen.has(name.slice(0, name.lastIndexOf(' ')))) continue;
      link.close();
      this.#links.delete(name);
      this.#choosing.delete(name);
    }
  }
}

/** What is asked of a node once, and again where that failed. */
function remembered<T>(known: Map<string, Promise<T>>, node: NodeAddress, ask: () => Promise<T>): Promise<T> {
  const address = `${node.host}:${node.port}`;
  const found = known.get(address) ?? ask();
  if (!known.has(address)) {
    known.set(address, found);
    found.catch(() => known.delete(address));
  }
  return found;
}

/** Reads `host:port` and `[v6]:port`; undefined: it is neither. */
export function parseAddress(text: string): NodeAddress | undefined {
  const found = /^(?:\[([\da-f:.]+)\]|([^\s:[\]]+|[\da-f:]*::[\da-f:.]*)):(\d{1,5})$/i.exec(text);
  const port = Number(found?.[3] ?? 0);
  return found === null || port < 1 || port > 65_535 ? undefined : { host: (found[1] ?? found[2])!, port };
}

export function isReachable({ flags, host }: NodeLine): boolean {
  return host !== '' && !flags.some((flag) => flag === 'noaddr' || flag === 'fail' || flag === 'handshake');
}

export function isMaster({ flags }: NodeLine): boolean {
  return flags.includes('master');
}

/** Id of the node that owns `slot` in this view. */
export function ownerIn(view: readonly NodeLine[], slot: number): string | undefined {
  return view.find(({ ranges }) => ranges.some(([start, end]) => start <= slot && slot <= end))?.id;
}
