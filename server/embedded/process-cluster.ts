// A cluster whose nodes are processes of their own, begun with the configuration of a cluster that has met: each finds
// its nodes.conf in its folder. Owns the nodes and, when it made it, the folder they live in; what the nodes agree on is
// asked of them, never kept here.
// Invariant: no node outlives close(), nor the process that started it.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { RealWorld, type World } from '../../lib/base/world.ts';
import type { NodeLine } from '../../lib/wire/cluster-nodes.ts';
import { firstStates } from '../cluster/bootstrap.ts';
import { randomId } from '../cluster/ids.ts';
import { parseNodesFile, printNodesFile } from '../cluster/nodes-conf.ts';
import { busPortOffset } from '../node/listeners.ts';
import { ClusterLink, ownerIn } from '../operator/link/cluster-link.ts';
import { ClusterOperator, type OperatorOptions } from '../operator/operator.ts';
import { type MoveOptions, SlotMove } from '../operator/reshard/slot-move.ts';
import { writeWhole } from '../persistence/disk/atomic-file.ts';
import { embeddedDefaults } from './defaults.ts';
import { freePorts } from './free-ports.ts';
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
  /** Told when a node ends that nobody stopped. */
  readonly onEnded?: (node: ProcessNode, how: string) => void;
}

const settledMs = 20_000;
const pollMs = 20;

/** What `startCluster({ processes: true })` gives: a cluster whose nodes are processes of their own, to be killed for real. */
export class ProcessCluster implements AsyncDisposable {
  readonly dir: string;
  /** Masters first, then replicas, as they were started; roles may change, places do not. */
  readonly nodes: ProcessNode[] = [];
  readonly #temporary: boolean;
  readonly #password: string;
  readonly #world: World = new RealWorld();
  #link: ClusterLink | undefined;

  private constructor(dir: string | undefined, password: string) {
    this.#temporary = dir === undefined;
    this.#password = password;
    this.dir = dir === undefined ? mkdtempSync(join(tmpdir(), 'lingcache-up-')) : resolve(dir);
    mkdirSync(this.dir, { recursive: true });
  }

  /** Resolves when every node listens. A folder with nodes of before goes on with them, at their ports. */
  static async start(options: ProcessClusterOptions): Promise<ProcessCluster> {
    const cluster = new ProcessCluster(options.dir, options.password);
    try {
      const ports = portsOfBefore(cluster.dir) ?? (await cluster.#prepare(options));
      cluster.nodes.push(...ports.map((port) => cluster.#node(port, options)));
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
    const owner = ownerIn(await this.#links().view(), slot);
    if (owner === undefined) throw new Error(`no node serves slot ${slot}`);
    return this.node(owner);
  }

  /** Moves a slot with its keys to another master. Resolves to the number of keys moved; 0 when it is there already. */
  async moveSlot(slot: number, to: number | string | ProcessNode, options: MoveOptions = {}): Promise<number> {
    const [source, target] = [await this.ownerOf(slot), this.node(to)];
    if (source === target) return 0;
    const move = new SlotMove({ slot, source, target }, this.#links(), options);
    await move.begin();
    return move.commit();
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
      await new Promise<void>((done) => void this.#world.after(pollMs, done, true));
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
    const running = this.nodes.filter((node) => node.running);
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
    const known = lines.every(({ id, flags }) => !flags.includes('slave') || !this.#runs(id) || served.includes(id));
    const up = /cluster_state:ok/.test(String(state)) && !/master_link_status:down/.test(String(replication));
    return { ok: up && known, view: lines.map(factsOf).sort().join('\n') };
  }

  #runs(id: string): boolean {
    return this.nodes.some((node) => node.id === id && node.running);
  }

  async #prepare({ masters, replicas, port, host }: ProcessClusterOptions): Promise<number[]> {
    const count = masters * (1 + replicas);
    const ports = port === 0 ? await freePorts(count, host) : Array.from({ length: count }, (_, at) => port + at);
    const places = ports.map((each) => ({ port: each, cport: each + busPortOffset }));
    const states = firstStates(places, masters, host, () => randomId(this.#world));
    for (const [at, each] of ports.entries()) {
      mkdirSync(join(this.dir, String(each)));
      writeWhole(join(this.dir, String(each), 'nodes.conf'), [Buffer.from(printNodesFile(states[at]!), 'latin1')]);
    }
    return ports;
  }

  #node(port: number, { host, password, config, onEnded }: ProcessClusterOptions): ProcessNode {
    const folder = join(this.dir, String(port));
    const id = parseNodesFile(readFileSync(join(folder, 'nodes.conf'), 'latin1')).myself;
    const settings: Record<string, string> = {
      port: String(port),
      bind: host,
      dir: folder,
      'cluster-enabled': 'yes',
      'cluster-node-timeout': '2000',
      'repl-diskless-sync-delay': '0',
      ...embeddedDefaults,
      appendonly: 'yes',
      save: '',
      ...(password === '' ? {} : { requirepass: password, masterauth: password }),
      ...config,
    };
    return new ProcessNode({ world: this.#world, id, host, port, folder, settings, ...(onEnded && { onEnded }) });
  }
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
