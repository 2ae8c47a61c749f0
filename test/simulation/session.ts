// One client's connection at a simulated node: commands in, replies out, by the rules of a cluster's node.
// Sources: cluster specification (redirection and resharding), MULTI, CLIENT LIST, CLIENT KILL, HELLO.

import { Decoder, pending } from '../../lib/wire/decoder.ts';
import { slotOf } from '../../lib/wire/slot.ts';
import type { Peer, SimulatedWorld, Wire } from './network.ts';

type Data = Map<string, string | string[]>;

interface ServingShard {
  readonly data: Data;
  readonly master: Address;
}

interface Address {
  readonly host: string;
  readonly port: number;
  readonly address: string;
  readonly id: string;
}

/** The node that a connection leads to, and what it knows of its cluster. */
export interface ServingNode extends Address {
  readonly cluster: {
    readonly world: SimulatedWorld;
    readonly executions: { readonly id: string; readonly wire: Wire }[];
    readonly refused: Set<string>;
    readonly moves: ReadonlyMap<number, { readonly from: ServingShard; readonly to: ServingShard }>;
    readonly log: ((what: string) => void) | undefined;
    /** Gives a message to every subscriber of every node. */
    broadcast(channel: string, message: string): void;
  };
  readonly shard: ServingShard;
  readonly sessions: Set<Session>;
  readonly isMaster: boolean;
  readonly stillFrozen: number;
  readonly loadedAt: number;
  readonly downUntil: number;
  owns(slot: number): boolean;
  ownerOf(slot: number): Address;
  ranges(): readonly { readonly start: number; readonly end: number; readonly nodes: readonly Address[] }[];
  lines(): string;
}

type Value = string | number | null | readonly Value[] | Fault | Status | Frames;

class Fault {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

class Status {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Pushes, or with RESP2 arrays: one a channel. */
class Frames {
  readonly frames: readonly (readonly (string | number | null)[])[];
  constructor(frames: readonly (readonly (string | number | null)[])[]) {
    this.frames = frames;
  }
}

const ok = new Status('OK');
const reads: ReadonlySet<string> = new Set(['get', 'lrange', 'mget']);
const keyless: ReadonlySet<string> = new Set([
  'hello',
  'client',
  'cluster',
  'info',
  'ping',
  'asking',
  'readonly',
  'readwrite',
  'multi',
  'exec',
  'quit',
  'subscribe',
  'unsubscribe',
  'publish',
]);

export class Session implements Peer {
  readonly wire: Wire;
  readonly number: number;
  readonly #node: ServingNode;
  readonly #decoder = new Decoder();
  readonly #openedAt: number;
  #heardAt: number;
  #protocol: 2 | 3 = 2;
  #asking = false;
  #readOnly = false;
  readonly #channels = new Set<string>();
  #queued: string[][] | undefined;
  #refused = false;
  #waiting: Buffer[] = [];

  constructor(node: ServingNode, wire: Wire, number: number) {
    this.#node = node;
    this.wire = wire;
    this.number = number;
    this.#openedAt = node.cluster.world.now();
    this.#heardAt = this.#openedAt;
  }

  receive(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#work();
  }

  gone(): void {
    this.#node.sessions.delete(this);
    this.#waiting = [];
  }

  #work(): void {
    const frozen = this.#node.stillFrozen;
    if (frozen > 0) {
      this.#node.cluster.world.after(frozen, () => this.#work());
      return;
    }
    if (!this.#node.sessions.has(this) || this.#waiting.length === 0) return;
    this.#decoder.feed(Buffer.concat(this.#waiting.splice(0)) as never);
    const replies: string[] = [];
    for (let argv = this.#decoder.read('latin1'); argv !== pending; argv = this.#decoder.read('latin1')) {
      this.#heardAt = this.#node.cluster.world.now();
      const value = this.#answer(argv as string[]);
      this.#log(argv as string[], value);
      replies.push(this.#print(value));
    }
    if (replies.length > 0) this.wire.fromServer(Buffer.from(replies.join(''), 'latin1'));
  }

  #log(argv: readonly string[], value: Value): void {
    const { log } = this.#node.cluster;
    if (log === undefined || argv[0]!.toLowerCase() === 'cluster') return;
    const text = value instanceof Fault || value instanceof Status ? value.text : (JSON.stringify(value) ?? '');
    log(`${this.#node.address} client ${this.number}: ${argv.join(' ')} -> ${text.slice(0, 60)}`);
  }

  #answer(argv: string[]): Value {
    const name = argv[0]!.toLowerCase();
    const asking = this.#asking;
    this.#asking = false;
    if (this.#queued !== undefined && name !== 'exec') {
      const fault = this.#gate(name, argv, asking);
      if (fault !== undefined) {
        this.#refused = true;
        return fault;
      }
      this.#queued.push(argv);
      return new Status('QUEUED');
    }
    if (keyless.has(name)) return this.#ownWord(name, argv, asking);
    const fault = this.#gate(name, argv, asking);
    return fault ?? this.#execute(name, argv);
  }

  #ownWord(name: string, argv: readonly string[], asking: boolean): Value {
    const sub = argv[1]?.toLowerCase();
    switch (name) {
      case 'hello':
        this.#protocol = sub === '3' ? 3 : 2;
        return ['server', 'redis', 'proto', this.#protocol, 'id', this.number];
      case 'client':
        return this.#clientWord(sub!, argv);
      case 'cluster':
        if (sub === 'slots') return this.#slots();
        if (sub === 'nodes') return this.#node.lines();
        if (sub === 'info') return `cluster_state:${this.#isDown ? 'fail' : 'ok'}\r\n`;
        return new Fault('ERR unknown subcommand');
      case 'info':
        return `loading:${this.#isLoading ? 1 : 0}\r\nrole:${this.#node.isMaster ? 'master' : 'slave'}\r\nmaster_link_status:up\r\n`;
      case 'ping':
        return this.#protocol === 2 && this.#channels.size > 0 ? ['pong', ''] : new Status('PONG');
      case 'subscribe':
      case 'unsubscribe':
        return this.#subscribe(name, argv.slice(1));
      case 'publish':
        this.#note(argv[2]!);
        this.#node.cluster.broadcast(argv[1]!, argv[2]!);
        return 1;
      case 'asking':
        this.#asking = true;
        return ok;
      case 'readonly':
      case 'readwrite':
        this.#readOnly = name === 'readonly';
        return ok;
      case 'multi':
        this.#queued = [];
        this.#refused = false;
        // ASKING holds for the next command, and in a MULTI that imports each needs it: real servers keep it so.
        this.#asking = false;
        this.#askedMulti = asking;
        return ok;
      case 'exec':
        return this.#exec();
      default:
        return ok;
    }
  }

  /** MULTI came behind ASKING: a server takes that for the whole of it. */
  #askedMulti = false;

  #subscribe(name: string, channels: readonly string[]): Frames {
    const frames = channels.map((channel) => {
      if (name === 'subscribe') this.#channels.add(channel);
      else this.#channels.delete(channel);
      return [name, channel, this.#channels.size];
    });
    return new Frames(frames);
  }

  /** A message for those who have subscribed. */
  deliver(channel: string, message: string): void {
    if (!this.#channels.has(channel) || this.#node.stillFrozen > 0) return;
    this.wire.fromServer(Buffer.from(this.#print(new Frames([['message', channel, message]])), 'latin1'));
  }

  #exec(): Value {
    const queued = this.#queued;
    this.#queued = undefined;
    if (queued === undefined) return new Fault('ERR EXEC without MULTI');
    if (this.#refused) return new Fault('EXECABORT Transaction discarded because of previous errors.');
    const fault = queued.map((argv) => this.#gate(argv[0]!.toLowerCase(), argv, this.#askedMulti)).find((one) => one);
    if (fault !== undefined) return fault;
    return queued.map((argv) => this.#execute(argv[0]!.toLowerCase(), argv));
  }

  #clientWord(sub: string, argv: readonly string[]): Value {
    const { sessions } = this.#node;
    const wanted = [...sessions].filter(({ number }) => String(number) === argv[3]);
    if (sub === 'id') return this.number;
    if (sub === 'list') return wanted.map((session) => `${session.#line()}\n`).join('');
    if (sub === 'kill') {
      for (const session of wanted) session.wire.closedByServer();
      return wanted.length;
    }
    return ok;
  }

  #line(): string {
    const now = this.#node.cluster.world.now();
    const seconds = (since: number): number => Math.floor((now - since) / 1000);
    return `id=${this.number} age=${seconds(this.#openedAt)} idle=${seconds(this.#heardAt)} flags=N qbuf=0 argv-mem=0 obl=0 oll=0 omem=0`;
  }

  get #isLoading(): boolean {
    return this.#node.loadedAt > this.#node.cluster.world.now();
  }

  get #isDown(): boolean {
    return this.#node.downUntil > this.#node.cluster.world.now();
  }

  /** Why a command with keys is not served here; undefined: it is. */
  #gate(name: string, argv: readonly string[], asking: boolean): Fault | undefined {
    const node = this.#node;
    const { cluster } = node;
    if (this.#isLoading || this.#isDown) {
      if (argv[2] !== undefined) cluster.refused.add(argv[2]);
      return new Fault(
        this.#isLoading ? 'LOADING Redis is loading the dataset in memory' : 'CLUSTERDOWN The cluster is down',
      );
    }
    const keys = keysOf(name, argv);
    const slot = slotOf(keys[0]!);
    if (keys.some((key) => slotOf(key) !== slot))
      return new Fault("CROSSSLOT Keys in request don't hash to the same slot");
    const moved = (to: Address): Fault => new Fault(`MOVED ${slot} ${to.address}`);
    const move = cluster.moves.get(slot);
    if (!node.isMaster) {
      const mayRead = this.#readOnly && reads.has(name) && node.owns(slot) && move === undefined;
      return mayRead ? undefined : moved(node.ownerOf(slot));
    }
    const here = keys.filter((key) => node.shard.data.has(key)).length;
    if (node.owns(slot)) {
      if (move === undefined || move.from !== node.shard || here === keys.length) return undefined;
      return here === 0
        ? new Fault(`ASK ${slot} ${move.to.master.address}`)
        : new Fault('TRYAGAIN Multiple keys request during rehashing of slot');
    }
    if (move?.to === node.shard && (asking || this.#askedInMulti)) {
      return keys.length > 1 && here < keys.length
        ? new Fault('TRYAGAIN Multiple keys request during rehashing of slot')
        : undefined;
    }
    return moved(node.ownerOf(slot));
  }

  get #askedInMulti(): boolean {
    return this.#queued !== undefined && this.#askedMulti;
  }

  #execute(name: string, argv: readonly string[]): Value {
    const { data } = this.#node.shard;
    const key = argv[1]!;
    switch (name) {
      case 'get':
        return (data.get(key) as string | undefined) ?? null;
      case 'mget':
        return argv.slice(1).map((each) => (data.get(each) as string | undefined) ?? null);
      case 'set':
        this.#note(argv[2]!);
        data.set(key, argv[2]!);
        return ok;
      case 'mset':
        for (let at = 1; at < argv.length; at += 2) data.set(argv[at]!, argv[at + 1]!);
        this.#note(argv[2]!);
        return ok;
      case 'rpush': {
        this.#note(argv[2]!);
        const list = (data.get(key) as string[] | undefined) ?? [];
        data.set(key, [...list, argv[2]!]);
        return list.length + 1;
      }
      case 'lrange':
        return (data.get(key) as string[] | undefined) ?? [];
      default:
        return new Fault(`ERR unknown command '${name}'`);
    }
  }

  #note(id: string): void {
    this.#node.cluster.executions.push({ id, wire: this.wire });
  }

  #slots(): Value {
    return this.#node
      .ranges()
      .map(({ start, end, nodes }) => [start, end, ...nodes.map(({ host, port, id }) => [host, port, id])]);
  }

  #print(value: Value): string {
    if (value instanceof Fault) return `-${value.text}\r\n`;
    if (value instanceof Status) return `+${value.text}\r\n`;
    if (value instanceof Frames) {
      const mark = this.#protocol === 3 ? '>' : '*';
      return value.frames.map((frame) => `${mark}${this.#print(frame).slice(1)}`).join('');
    }
    if (value === null) return this.#protocol === 3 ? '_\r\n' : '$-1\r\n';
    if (typeof value === 'number') return `:${value}\r\n`;
    if (typeof value === 'string') return `$${value.length}\r\n${value}\r\n`;
    return `*${value.length}\r\n${value.map((item) => this.#print(item)).join('')}`;
  }
}

function keysOf(name: string, argv: readonly string[]): readonly string[] {
  if (name === 'mget') return argv.slice(1);
  if (name === 'mset') return argv.slice(1).filter((_, at) => at % 2 === 0);
  return [argv[1]!];
}
