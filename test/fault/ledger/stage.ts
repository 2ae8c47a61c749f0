// Where the ledger proof plays: a real cluster or a single redis-server, a line before every node, and what is needed
// to read the ledgers afterwards.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, Redis, slotOf } from '../../../lib/index.ts';
import { type Harm, harms, Line, natMapOf } from '../../kit/line.ts';
import { type NodeProcess, startNodeProcess } from '../../kit/node-process.ts';
import { freePort } from '../../kit/ports.ts';
import { closeOpenSlots, moveSlotBetween, type RealCluster, startRealCluster } from '../../kit/real-cluster.ts';
import { until } from '../../kit/until.ts';
import { agreement } from '../agreement.ts';
import { type Held, type LedgerName, ledgers } from './book.ts';
import type { Client } from './writers.ts';

export interface Shape {
  readonly name: string;
  readonly kind: 'cluster' | 'redis';
  readonly protocol: 2 | 3;
  readonly resend: 'all' | 'readonly';
}

export const shapes: readonly Shape[] = (['cluster', 'redis'] as const).flatMap((kind) =>
  ([3, 2] as const).flatMap((protocol) =>
    (['all', 'readonly'] as const).map((resend) => ({ name: `${kind}-${protocol}-${resend}`, kind, protocol, resend })),
  ),
);

/** Slots of the tags lie all over the table. */
const tags: readonly string[] = Array.from({ length: 24 }, (_, at) => `t${at}`);
/** Longer than any pause: nobody is deposed for it. */
const calm = '30000';
/** Milliseconds between two moves of a slot. */
const rest = 6000;
/** A dead master is replaced after about this time. */
const quick = '1000';

export interface StageNode {
  readonly address: string;
  readonly pid: number;
  /** Arguments as text; directly, past the line. Rejects with error replies. */
  ask(...argv: string[]): Promise<unknown>;
  kill(): Promise<void>;
  restart(): Promise<void>;
}

export abstract class Stage {
  abstract readonly kind: 'cluster' | 'redis';
  abstract readonly nodes: readonly StageNode[];
  readonly tags: readonly string[] = tags;
  readonly lines: Map<string, Line> = new Map();
  readonly random: () => number;
  /** Harms that the lines do just now, and how often, ms. */
  harms: readonly Harm[] = [];
  harmEvery = 0;
  #nextHarm = 0;
  #harm: Harm | undefined;
  /** Which nodes served each tag since the phase began. */
  readonly #servers = new Map<string, Set<string>>();
  /** Losses that no line sees: a node that is frozen until another takes over. */
  readonly #spans: { address: string; from: number; to: number }[] = [];

  constructor(random: () => number) {
    this.random = random;
  }

  abstract makeClient(shape: Shape, options: object): Client;
  /** The address of the node that serves a slot. */
  abstract owners(): Promise<(slot: number) => StageNode>;
  abstract masters(): Promise<StageNode[]>;
  /** All is as it was at the start: everybody up and of one mind. */
  abstract heal(): Promise<void>;
  abstract flush(): Promise<void>;
  abstract stop(): Promise<void>;

  /** Forgets earlier owners and losses. */
  async begin(): Promise<void> {
    this.#harm = undefined;
    this.#servers.clear();
    this.#spans.length = 0;
    for (const line of this.lines.values()) line.losses.length = 0;
    await this.noteOwners();
  }

  async noteOwners(): Promise<void> {
    const owner = await this.owners();
    for (const tag of tags) this.noteOwner(tag, owner(slotOf(tag)));
  }

  noteOwner(tag: string, node: StageNode): void {
    const known = this.#servers.get(tag);
    if (known === undefined) this.#servers.set(tag, new Set([node.address]));
    else known.add(node.address);
  }

  noteLoss(address: string, from: number, to: number): void {
    this.#spans.push({ address, from, to });
  }

  /** Whether a socket of a node that served `tag` was lost by others in a call's life, or just before. */
  readonly lostByOthers = (tag: string, from: number, to: number): boolean => {
    const early = from - 200;
    const servers = this.#servers.get(tag)!;
    for (const address of servers) {
      for (const at of this.lines.get(address)!.losses) if (at >= early && at <= to) return true;
    }
    return this.#spans.some((span) => servers.has(span.address) && span.from <= to && span.to >= early);
  };

  /** What the servers hold; a slot that has just moved is asked for again. */
  held(): Promise<Map<string, Held>> {
    return until('the ledgers can be read', () => this.#heldNow());
  }

  async #heldNow(): Promise<Map<string, Held>> {
    const owner = await this.owners();
    const held = new Map<string, Held>();
    for (const tag of tags) held.set(tag, await this.#heldOf(tag, owner(slotOf(tag))));
    return held;
  }

  async #heldOf(tag: string, node: StageNode): Promise<Held> {
    const ids = {} as Record<LedgerName, string[]>;
    for (const ledger of ledgers) {
      if (ledger === 'stream') {
        const rows = (await node.ask('xrange', `{${tag}}:stream`, '-', '+')) as [unknown, unknown[]][];
        ids.stream = rows.map(([, fields]) => String(fields[1]));
      } else {
        const items = (await node.ask('lrange', `{${tag}}:${ledger}`, '0', '-1')) as unknown[];
        // What was moved says which of its stones it is.
        ids[ledger] = items.map((item) => String(item).replace(/#.*/, ''));
      }
    }
    const count = Number(String((await node.ask('get', `{${tag}}:count`)) ?? 0));
    const members = ((await node.ask('smembers', `{${tag}}:set`)) as unknown[]).map(String);
    return { ids, count, members };
  }

  protected async openLine(node: { host: string; port: number }): Promise<Line> {
    const line = await Line.open(node, { draw: (way) => this.#draw(way), pick: this.random });
    this.lines.set(`${node.host}:${node.port}`, line);
    return line;
  }

  #draw(way: 'up' | 'down'): Harm | undefined {
    if (this.harms.length === 0 || performance.now() < this.#nextHarm) return undefined;
    // Chosen before its direction comes: after a quiet time the first chunk is a request.
    this.#harm ??= this.#rarest();
    const harm = this.#harm;
    if ((harm === 'before' || harm === 'insideRequest') !== (way === 'up')) return undefined;
    this.#harm = undefined;
    this.#nextHarm = performance.now() + this.harmEvery * (0.5 + this.random());
    return harm;
  }

  // One of those done least, so that a phase with few chances does each.
  #rarest(): Harm {
    const done = this.harmsDone();
    const least = Math.min(...this.harms.map((harm) => done[harm]));
    const rare = this.harms.filter((harm) => done[harm] === least);
    return rare[Math.floor(this.random() * rare.length)]!;
  }

  /** What the lines have done so far. */
  harmsDone(): Record<Harm, number> {
    const sum = {} as Record<Harm, number>;
    for (const harm of harms) sum[harm] = [...this.lines.values()].reduce((all, { counts }) => all + counts[harm], 0);
    return sum;
  }

  /** Connections that the client ended. */
  get closedByClient(): number {
    return [...this.lines.values()].reduce((sum, line) => sum + line.closedByClient, 0);
  }

  protected async closeLines(): Promise<void> {
    await Promise.all([...this.lines.values()].map((line) => line.close()));
  }
}

export class ClusterStage extends Stage {
  readonly kind = 'cluster';
  readonly cluster: RealCluster;
  readonly nodes: RealCluster['nodes'];

  private constructor(cluster: RealCluster, random: () => number) {
    super(random);
    this.cluster = cluster;
    this.nodes = cluster.nodes;
  }

  static async start(random: () => number): Promise<ClusterStage> {
    const cluster = await startRealCluster({
      config: {
        'cluster-node-timeout': calm,
        'enable-debug-command': 'yes',
        'cluster-require-full-coverage': 'no',
        'repl-timeout': '60',
      },
    });
    const stage = new ClusterStage(cluster, random);
    for (const node of cluster.nodes) await stage.openLine(node);
    return stage;
  }

  makeClient({ protocol, resend }: Shape, options: object): Cluster {
    const seeds = [...this.lines.values()].map((line) => line.address);
    return new Cluster(seeds, {
      natMap: natMapOf(this.lines),
      retryDeadline: 60_000,
      resend,
      redisOptions: { protocol, ...options },
    });
  }

  async owners(): Promise<(slot: number) => StageNode> {
    const rows = await this.#slots();
    return (slot) => {
      const row = rows.find(([start, end]) => start <= slot && slot <= end);
      const node = this.nodes.find(({ port }) => port === row?.[2][1]);
      if (node === undefined) throw new Error(`nobody serves slot ${slot}`);
      return node;
    };
  }

  async masters(): Promise<StageNode[]> {
    const ports = new Set((await this.#slots()).map(([, , [, port]]) => port));
    return this.nodes.filter(({ port }) => ports.has(port));
  }

  async replicas(): Promise<StageNode[]> {
    const masters = await this.masters();
    return this.nodes.filter((node) => !masters.includes(node));
  }

  async #slots(): Promise<[number, number, [string, number]][]> {
    const up = this.nodes.find(({ pid }) => !this.silent.has(pid));
    return (await up!.ask('cluster', 'slots')) as [number, number, [string, number]][];
  }

  /** Processes that answer nothing just now. */
  readonly silent: Set<number> = new Set();

  /** How soon a silent master is replaced. */
  async nodeTimeout(when: 'calm' | 'quick'): Promise<void> {
    const ms = when === 'calm' ? calm : quick;
    await Promise.all(this.nodes.map((node) => node.ask('config', 'set', 'cluster-node-timeout', ms)));
  }

  readonly #movedAt = new Map<string, number>();

  /**
   * A tag whose slot has not been moved for longer than any fault holds up what is on its way; undefined when there is
   * none. A write with ASKING that arrives when its slot has gone and is being moved in again makes a second copy of its
   * key, whoever sends it.
   */
  restedTag(): string | undefined {
    const rested = this.tags.filter((tag) => performance.now() - (this.#movedAt.get(tag) ?? -rest) >= rest);
    return rested[Math.floor(this.random() * rested.length)];
  }

  /** Moves the slot of a tag to another master. One that a fault breaks off is ended by heal(). */
  async move(tag: string): Promise<void> {
    const slot = slotOf(tag);
    const from = (await this.owners())(slot);
    const masters = await this.masters();
    const others = this.nodes.filter((node) => masters.includes(node) && node !== from);
    const to = others[Math.floor(this.random() * others.length)]!;
    this.noteOwner(tag, to);
    this.#movedAt.set(tag, performance.now());
    await moveSlotBetween(slot, this.nodes.find((node) => node === from)!, to);
    await agreement(this.nodes);
  }

  async heal(): Promise<void> {
    await agreement(this.nodes);
    const closed = await until('no slot is open', async () => ({ slots: await closeOpenSlots(this.nodes) }));
    if (closed.slots > 0) await agreement(this.nodes);
    await until(
      'every replica is in step',
      async () => {
        const infos = await Promise.all(this.nodes.map(async (node) => String(await node.ask('info', 'replication'))));
        const copies = infos.filter((info) => /role:slave/.test(info));
        return copies.length === 3 && copies.every((info) => /master_link_status:up/.test(info));
      },
      60_000,
    );
  }

  flush(): Promise<void> {
    return this.masters()
      .then((masters) => Promise.all(masters.map((node) => node.ask('flushall'))))
      .then(() => undefined);
  }

  async stop(): Promise<void> {
    await this.closeLines();
    await this.cluster.stop();
  }
}

/** A server whose data outlives its own death. */
class LoneNode implements StageNode {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly #dir: string;
  #process: NodeProcess | undefined;

  constructor(port: number, dir: string) {
    this.port = port;
    this.#dir = dir;
  }

  get address(): string {
    return `${this.host}:${this.port}`;
  }

  get pid(): number {
    return this.#process!.child.pid!;
  }

  async restart(): Promise<void> {
    const args = ['--bind', this.host, '--dir', this.#dir, '--appendonly', 'yes', '--save', ''];
    this.#process = await startNodeProcess(this.port, {
      program: 'redis-server',
      dir: this.#dir,
      args: [...args, '--enable-debug-command', 'yes'],
    });
  }

  ask(...argv: string[]): Promise<unknown> {
    return this.#process!.ask(...argv);
  }

  async kill(): Promise<void> {
    await this.#process!.end('SIGKILL');
  }
}

export class LoneStage extends Stage {
  readonly kind = 'redis';
  readonly nodes: readonly LoneNode[];
  readonly #dir: string;

  private constructor(node: LoneNode, dir: string, random: () => number) {
    super(random);
    this.nodes = [node];
    this.#dir = dir;
  }

  static async start(random: () => number): Promise<LoneStage> {
    const dir = mkdtempSync(join(tmpdir(), 'lingcache-ledger-'));
    const node = new LoneNode(await freePort(), dir);
    await node.restart();
    const stage = new LoneStage(node, dir, random);
    await stage.openLine(node);
    return stage;
  }

  makeClient({ protocol, resend }: Shape, options: object): Redis {
    const [line] = this.lines.values();
    return new Redis({ ...line!.address, protocol, resend, ...options });
  }

  owners(): Promise<(slot: number) => StageNode> {
    return Promise.resolve(() => this.nodes[0]!);
  }

  masters(): Promise<StageNode[]> {
    return Promise.resolve([...this.nodes]);
  }

  async heal(): Promise<void> {
    await this.nodes[0]!.ask('ping');
  }

  async flush(): Promise<void> {
    await this.nodes[0]!.ask('flushall');
  }

  async stop(): Promise<void> {
    await this.closeLines();
    await this.nodes[0]!.kill();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
