// A cluster whose nodes are processes of their own, begun with the configuration of a cluster that has met: each finds
// its nodes.conf in its folder. Owns the nodes and, when it made it, the folder they live in; what the nodes agree on is
// asked of them, never kept here.
// Invariant: no node outlives close(), nor the process that started it.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { RealWorld, type World } from '../../lib/base/world.ts';
import { type NodeLine, parseNodes } from '../../lib/wire/cluster-nodes.ts';
import { firstStates } from '../cluster/bootstrap.ts';
import { randomId } from '../cluster/ids.ts';
import { parseNodesFile, printNodesFile } from '../cluster/nodes-conf.ts';
import type { ClusterState } from '../cluster/state.ts';
import { busPortOffset } from '../node/listeners.ts';
import { ClusterLink, ownerIn } from '../operator/link/cluster-link.ts';
import { ClusterOperator, type OperatorOptions } from '../operator/operator.ts';
import { type MoveOptions, SlotMove } from '../operator/reshard/slot-move.ts';
import { writeWhole } from '../persistence/disk/atomic-file.ts';
import { embeddedDefaults } from './defaults.ts';
import { freePorts } from './free-ports.ts';
import type { NodePlace } from './inside.ts';
import { joinNode, leaveNode } from './joining.ts';
import { ProcessNode } from './process-node.ts';

export interface ProcessClusterOptions {
  readonly masters: number;
  /** Replicas of each master. */
  readonly replicas: number;
  readonly host: string;
  /** The first node's port, the others follow one by one; 0: any free ports. */
  readonly port: number;
  /** `''`: none. */
  readonly password: string;
  /** Where the nodes keep their data, one folder each. Default: a temporary folder that goes with the cluster. */
  readonly dir?: string;
  /** Parameters over those of a cluster for development. */
  readonly config?: Readonly<Record<string, string>>;
  /** Path of the program of the nodes, another server's. Default: the bundled one. */
  readonly program?: string;
  /** Where the others and clients are to find each node. Default: where it listens. */
  readonly announce?: (places: readonly NodePlace[]) => Promise<readonly NodePlace[]>;
  /** Called when a node ends that nobody stopped. */
  readonly onEnded?: (node: ProcessNode, how: string) => void;
}

const settledMs = 20_000;
const pollMs = 20;
/** Until a failover is asked for again: longer than a manual one waits by itself. */
const askAgainMs = 6000;
const failoverMs = 20_000;

/** What `startCluster({ processes: true })` gives: a cluster whose nodes are processes of their own, to be killed for real. */
export class ProcessCluster implements AsyncDisposable {
  readonly dir: string;
  /** Masters first, then replicas, as they were started; roles may change, places do not. */
  readonly nodes: ProcessNode[] = [];
  readonly #options: ProcessClusterOptions;
  #started: readonly ProcessNode[] = [];
  /** The view that each node began with; of nodes of before, none. */
  #first: readonly ClusterState[] = [];
  #announced: readonly NodePlace[] = [];
  readonly #temporary: boolean;
  readonly #password: string;
  readonly #world: World = new RealWorld();
  #link: ClusterLink | undefined;

  private constructor(options: ProcessClusterOptions) {
    const { dir, password } = options;
    this.#options = options;
    this.#temporary = dir === undefined;
    this.#password = password;
    this.dir = dir === undefined ? mkdtempSync(join(tmpdir(), 'lingcache-up-')) : resolve(dir);
    mkdirSync(this.dir, { recursive: true });
  }

  /** Resolves when every node listens. A folder with nodes of before goes on with them, at their ports. */
  static async start(options: ProcessClusterOptions): Promise<ProcessCluster> {
    const cluster = new ProcessCluster(options);
    try {
      const ports = portsOfBefore(cluster.dir) ?? (await cluster.#prepare());
      cluster.nodes.push(...ports.map((port, at) => cluster.#node(port, cluster.#announced[at])));
      cluster.#started = [...cluster.nodes];
      await Promise.all(cluster.nodes.map((node) => node.start()));
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  get ports(): number[] {
    return this.nodes.map((node) => node.port);
  }

  /** Addresses for a client's start-up nodes. */
  get seeds(): { readonly host: string; readonly port: number }[] {
    return this.nodes.map(({ host, port }) => ({ host, port }));
  }

  /** A node by its place, its id or its handle. Throws a RangeError for a reference to nobody. */
  node(reference: number | string | ProcessNode): ProcessNode {
    if (typeof reference === 'object') return reference;
    const found = typeof reference === 'number' ? this.nodes[reference] : this.nodes.find(({ id }) => id === reference);
    if (found === undefined) throw new RangeError(`no node ${reference} in this cluster`);
    return found;
  }

  /** The node that serves `slot`, in the view of one that runs. Rejects when nobody does. */
  async ownerOf(slot: number): Promise<ProcessNode> {
    const owner = ownerIn(await this.#view(), slot);
    if (owner === undefined) throw new Error(`no node serves slot ${slot}`);
    return this.node(owner);
  }

  /** Moves a slot with its keys to another master. Resolves to the number of keys moved; 0 when it is there already. */
  async moveSlot(slot: number, to: number | string | ProcessNode, options: MoveOptions = {}): Promise<number> {
    if ((await this.ownerOf(slot)) === this.node(to)) return 0;
    const move = await this.beginMove(slot, to, options);
    return move.commit();
  }

  /** Opens a slot for moving and leaves it half-moved, until `commit()` or `rollback()`; `moveKeys(n)` moves some. */
  async beginMove(slot: number, to: number | string | ProcessNode, options: MoveOptions = {}): Promise<SlotMove> {
    const [source, target] = [await this.ownerOf(slot), this.node(to)];
    if (source === target) throw new Error(`slot ${slot} is at ${target.host}:${target.port} already`);
    const move = new SlotMove({ slot, source, target }, this.#links(), options);
    await move.begin();
    return move;
  }

  /**
   * Makes a replica master of its shard: the node itself when it is one, else its first replica that runs. `mode` as in
   * CLUSTER FAILOVER; `agreed` loses no write. Voters refuse a second election within twice the node timeout, so it is
   * asked for again every 6 s. Resolves to the new master once every node that runs knows it; rejects after 20 s.
   */
  async failover(
    reference: number | string | ProcessNode,
    mode: 'agreed' | 'force' | 'takeover' = 'agreed',
  ): Promise<ProcessNode> {
    const named = this.node(reference);
    const lines = await this.#view();
    const line = lines.find(({ id }) => id === named.id);
    const replica = line?.flags.includes('slave')
      ? line
      : lines.find(({ id, master }) => master === named.id && this.#runs(id));
    if (replica === undefined) throw new Error(`${named.host}:${named.port} has no running replica`);
    const next = this.node(replica.id);
    const argv = ['CLUSTER', 'FAILOVER', ...(mode === 'agreed' ? [] : [mode.toUpperCase()])];
    const end = this.#world.now() + failoverMs;
    let askAt = 0;
    while (!(await this.#knownMaster(next.id).catch(() => false))) {
      const now = this.#world.now();
      if (now > end)
        throw new Error(`the failover to ${next.host}:${next.port} did not come about within ${failoverMs} ms`);
      if (now >= askAt) await this.#links().ask(next, argv);
      if (now >= askAt) askAt = now + askAgainMs;
      await this.#pause();
    }
    return next;
  }

  /** Starts another node and has it meet the others. Resolves when all know it and, as a replica, it has its copy. */
  async addNode({ replicaOf }: { readonly replicaOf?: number | string | ProcessNode } = {}): Promise<ProcessNode> {
    const master = replicaOf === undefined ? undefined : this.node(replicaOf);
    const [port] = await freePorts(1, this.#options.host);
    const place = { port: port!, cport: port! + busPortOffset };
    const [announced] = (await this.#options.announce?.([place])) ?? [place];
    mkdirSync(join(this.dir, String(port)));
    const node = this.#node(port!, announced, '');
    try {
      await node.start();
      node.learnId(String(await this.#links().ask(node, ['CLUSTER', 'MYID'])));
      const running = this.nodes.filter((other) => other.running);
      await joinNode(this.#links(), { running, node, cport: place.cport, master: master?.id });
      this.nodes.push(node);
      await this.settled();
    } catch (error) {
      await node.kill();
      const at = this.nodes.indexOf(node);
      if (at >= 0) this.nodes.splice(at, 1);
      throw error;
    }
    return node;
  }

  /** Takes a node out: its slots go to the other masters first, it is stopped and forgotten by all. */
  async removeNode(reference: number | string | ProcessNode): Promise<void> {
    const node = this.node(reference);
    const lines = await this.#view();
    if (lines.some(({ id, master }) => master === node.id && this.#runs(id))) {
      throw new Error(`${node.host}:${node.port} has replicas: remove them, or fail over, first`);
    }
    const running = this.nodes.filter((other) => other.running && other !== node);
    await leaveNode(this.#links(), { running, node, stop: () => node.kill() });
    this.nodes.splice(this.nodes.indexOf(node), 1);
    await this.settled();
  }

  /** Whether nodes, roles or slots are others than at the start, or a node does not run. */
  async reshaped(): Promise<boolean> {
    const first = this.#first[0];
    const same =
      this.nodes.length === this.#started.length && this.nodes.every((node, at) => node === this.#started[at]);
    if (!same || first === undefined || this.nodes.some((node) => !node.running)) return true;
    const lines = parseNodes(printNodesFile(first).replace(/^vars.*/m, ''));
    const views = await Promise.all(this.nodes.map((node) => this.#links().viewOf(node)));
    const shape = shapeOf(lines);
    return views.some((view) => shapeOf(view) !== shape);
  }

  /** Begins anew: the nodes of the start, at their addresses, with their ids, roles and slots, empty. */
  async rebuild(): Promise<void> {
    if (this.#first.length === 0) throw new Error('a cluster that goes on with what a folder holds has no start');
    await Promise.all(this.nodes.map((node) => node.kill()));
    for (const node of this.nodes) rmSync(node.folder, { recursive: true, force: true });
    this.nodes.splice(0, this.nodes.length, ...this.#started);
    this.#writeNodes(this.nodes.map(({ port }) => port));
    await Promise.all(this.nodes.map((node) => node.start()));
    await this.settled();
  }

  /** Sends commands to one node in one write: text is binary strings both ways, and errors are values. */
  exchange(node: ProcessNode, commands: readonly (readonly string[])[]): Promise<unknown[]> {
    // Nothing would be answered to nothing.
    if (commands.length === 0) return Promise.resolve([]);
    return this.#links().exchange(node, commands);
  }

  /** What a node that runs thinks of the cluster. */
  async #view(): Promise<NodeLine[]> {
    const reasons: string[] = [];
    for (const node of this.nodes) {
      if (!node.running || node.paused) continue;
      try {
        return await this.#links().viewOf(node);
      } catch (error) {
        reasons.push((error as Error).message);
      }
    }
    throw new Error(`no node of the cluster can be asked: ${reasons.join('; ')}`);
  }

  async #knownMaster(id: string): Promise<boolean> {
    const running = this.nodes.filter((node) => node.running && !node.paused);
    const views = await Promise.all(running.map((node) => this.#links().viewOf(node)));
    return views.every((lines) => {
      const line = lines.find((each) => each.id === id);
      return line?.flags.includes('master') === true && line.ranges.length > 0;
    });
  }

  #pause(): Promise<void> {
    return new Promise((done) => void this.#world.after(pollMs, done, true));
  }

  /** An operator of this cluster; close it before the cluster. */
  operator(options: Pick<OperatorOptions, 'journal' | 'moves'> = {}): ClusterOperator {
    return new ClusterOperator({ ...options, seeds: this.seeds, world: this.#world }, this.#links());
  }

  /**
   * Resolves once every node that runs says that the cluster is ok, all agree on slots and roles, and every replica that
   * runs is in step and known as such.
   */
  async settled(timeoutMs: number = settledMs): Promise<void> {
    const end = this.#world.now() + timeoutMs;
    while (!(await this.#agreed().catch(() => false))) {
      if (this.#world.now() > end) throw new Error(`the nodes were not of one mind within ${timeoutMs} ms`);
      await this.#pause();
    }
  }

  /** Stops every node in order, then by force; takes the folder away when it was a temporary one. */
  async close(): Promise<void> {
    this.#link?.close();
    await Promise.all(this.nodes.map((node) => node.stop()));
    if (this.#temporary) rmSync(this.dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #links(): ClusterLink {
    this.#link ??= new ClusterLink({ seeds: this.seeds, world: this.#world, password: this.#password });
    return this.#link;
  }

  async #agreed(): Promise<boolean> {
    const running = this.nodes.filter((node) => node.running && !node.paused);
    const views = await Promise.all(running.map((node) => this.#viewOf(node)));
    return views.every(({ ok, view }) => ok && view === views[0]!.view);
  }

  async #viewOf(node: ProcessNode): Promise<{ readonly ok: boolean; readonly view: string }> {
    const links = this.#links();
    const [state, replication, slots] = await Promise.all([
      links.ask(node, ['CLUSTER', 'INFO']),
      links.ask(node, ['INFO', 'replication']),
      links.ask(node, ['CLUSTER', 'SLOTS']),
    ]);
    const lines = await links.viewOf(node);
    const served = JSON.stringify(slots);
    // Replicas of a master without slots are listed nowhere.
    const serving = new Set(lines.filter(({ ranges }) => ranges.length > 0).map(({ id }) => id));
    const known = lines.every(
      ({ id, master }) => master === null || !serving.has(master) || !this.#runs(id) || served.includes(id),
    );
    const up = /cluster_state:ok/.test(String(state)) && !/master_link_status:down/.test(String(replication));
    return { ok: up && known, view: lines.map(factsOf).sort().join('\n') };
  }

  #runs(id: string): boolean {
    return this.nodes.some((node) => node.id === id && node.running);
  }

  async #prepare(): Promise<number[]> {
    const { masters, replicas, port, host, announce } = this.#options;
    const count = masters * (1 + replicas);
    const ports = port === 0 ? await freePorts(count, host) : Array.from({ length: count }, (_, at) => port + at);
    const places = ports.map((each) => ({ port: each, cport: each + busPortOffset }));
    this.#announced = (await announce?.(places)) ?? places;
    this.#first = firstStates(this.#announced, masters, host, () => randomId(this.#world));
    this.#writeNodes(ports);
    return ports;
  }

  #writeNodes(ports: readonly number[]): void {
    for (const [at, port] of ports.entries()) {
      const folder = join(this.dir, String(port));
      mkdirSync(folder, { recursive: true });
      writeWhole(join(folder, 'nodes.conf'), [Buffer.from(printNodesFile(this.#first[at]!), 'latin1')]);
    }
  }

  /** `id`: of a node that has no nodes.conf yet. */
  #node(port: number, announced: NodePlace | undefined, id?: string): ProcessNode {
    const { host, password, config, onEnded, program } = this.#options;
    const folder = join(this.dir, String(port));
    const settings: Record<string, string> = {
      port: String(port),
      bind: host,
      dir: folder,
      'cluster-enabled': 'yes',
      'cluster-node-timeout': '2000',
      'repl-diskless-sync-delay': '0',
      // A replica is listed in CLUSTER SLOTS once it has received something: a ping will do.
      ...(program === undefined ? {} : { 'repl-ping-replica-period': '1' }),
      ...embeddedDefaults,
      appendonly: 'yes',
      save: '',
      ...(password === '' ? {} : { requirepass: password, masterauth: password }),
      ...(announced === undefined || announced.port === port
        ? {}
        : { 'cluster-announce-port': String(announced.port), 'cluster-announce-bus-port': String(announced.cport) }),
      ...config,
    };
    return new ProcessNode({
      world: this.#world,
      id: id ?? parseNodesFile(readFileSync(join(folder, 'nodes.conf'), 'latin1')).myself,
      host,
      port,
      folder,
      settings,
      ...(program !== undefined && { program }),
      ...(onEnded && { onEnded }),
    });
  }
}

/** Roles and slots of all nodes, whichever answers. */
function shapeOf(lines: readonly NodeLine[]): string {
  const rows = lines.map(({ id, flags, master, ranges, migrating, importing }) => {
    const role = flags.includes('slave') ? 'slave' : 'master';
    const open = migrating.size + importing.size;
    return [id, role, master ?? '-', flags.includes('fail'), open, ...ranges.map((range) => range.join('-'))].join(' ');
  });
  return rows.sort().join('\n');
}

/** What all nodes should say alike of a node. */
function factsOf({ id, flags, master, ranges }: NodeLine): string {
  const role = flags.includes('slave') ? 'slave' : 'master';
  return [id, role, master ?? '-', flags.includes('fail'), ...ranges.map((range) => range.join('-'))].join(' ');
}

/** The ports of the nodes that lie in a folder; undefined: there are none. */
function portsOfBefore(dir: string): number[] | undefined {
  const folders = readdirSync(dir).filter(
    (name) => /^\d{1,5}$/.test(name) && existsSync(join(dir, name, 'nodes.conf')),
  );
  return folders.length === 0 ? undefined : folders.map(Number).sort((a, b) => a - b);
}
