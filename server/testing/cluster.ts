// A cluster as a test holds it, whatever its nodes are: data without a client, faults on demand, clean between tests.
// Owns: the nodes' handles, the intercepts, the links and the clock.
// Does not know: what its nodes are; the backend does.
// Invariant: after reset() a test finds what the first one found: nodes, roles, slots, no data, no fault.

import { type NodeLine, parseNodes } from '../../lib/wire/cluster-nodes.ts';
import { slotCount, slotOfBinary } from '../../lib/wire/slot.ts';
import type { SlotMove } from '../operator/reshard/slot-move.ts';
import { type Backend, type BackendNode, type FailoverMode, must } from './backend.ts';
import type { Call, CallFilter, InterceptAction, Intercept as InterceptType } from './intercepts.ts';
import { Intercept, type Interceptor } from './intercepts.ts';
import { readKeys, shareOut } from './keys.ts';
import type { LinkCounts, LinkShape } from './link-shape.ts';
import type { LinkHandle, LinkNet } from './links.ts';
import { TestNode } from './test-node.ts';
import { binary, commandsFor, type DumpValue, expiring, type SeedValue } from './values.ts';

/** A node by its place in `nodes`, its id or its handle. */
export type TestNodeReference = number | string | TestNode;

/** An end of a link: a node, `clients` (whoever is no node), or `*` for everybody. */
export type LinkEnd = TestNodeReference;

/** Which calls are meant; `node` as in `cluster.node()`. */
export interface CallQuery extends Omit<CallFilter, 'nodes'> {
  /** One node. Default: all. */
  readonly node?: TestNodeReference;
}

export interface NodeDescription {
  readonly node: TestNode;
  readonly role: 'master' | 'replica';
  /** Its master; undefined for a master. */
  readonly master: TestNode | undefined;
  /** Inclusive ranges, ascending; of a replica none. */
  readonly slots: readonly (readonly [start: number, end: number])[];
}

export interface TestClusterParts {
  readonly backend: Backend;
  /** Undefined: its requests cannot be intercepted. */
  readonly interceptor: Interceptor | undefined;
  /** Undefined: started without `links`. */
  readonly links: LinkNet | undefined;
  /** Lets time pass; undefined: the nodes have their own. */
  readonly forward: ((ms: number) => Promise<void>) | undefined;
  /** Of everything that is left to chance. */
  readonly seed: number;
  readonly password: string;
  readonly onClose: () => Promise<void> | void;
}

export class TestCluster implements AsyncDisposable {
  /** What everything that is left to chance followed from. */
  readonly randomSeed: number;
  readonly #parts: TestClusterParts;
  readonly #handles = new WeakMap<BackendNode, TestNode>();

  constructor(parts: TestClusterParts) {
    this.#parts = parts;
    this.randomSeed = parts.seed;
    this.#nameLinks();
  }

  // ---- nodes

  /** Masters first, then replicas, as they were started, then those that were added; roles may change, places do not. */
  get nodes(): readonly TestNode[] {
    return this.#backend.nodes.map((node) => this.#handle(node));
  }

  /** Addresses for a client's start-up nodes. */
  get seeds(): { readonly host: string; readonly port: number }[] {
    return this.nodes.map(({ host, port }) => ({ host, port }));
  }

  get ports(): number[] {
    return this.nodes.map(({ port }) => port);
  }

  /** `host:port` of a node, as most clients take it: the first that runs. Throws when none does. */
  get address(): string {
    const node = this.nodes.find(({ running }) => running);
    if (node === undefined) throw new Error('no node of the cluster runs');
    return `${node.host}:${node.port}`;
  }

  /** What clients must AUTH with; `''`: nothing. */
  get password(): string {
    return this.#parts.password;
  }

  /** Throws a RangeError for a reference to nobody. */
  node(reference: TestNodeReference): TestNode {
    if (reference instanceof TestNode) return reference;
    const { nodes } = this;
    const found = typeof reference === 'number' ? nodes[reference] : nodes.find(({ id }) => id === reference);
    if (found === undefined) throw new RangeError(`no node ${reference} in this cluster`);
    return found;
  }

  /** Roles and slots of all nodes, in the view of the first that answers. Rejects when none does. */
  async describe(): Promise<NodeDescription[]> {
    const lines = await this.#view();
    const byId = new Map(this.nodes.map((node) => [node.id, node]));
    return lines.flatMap((line) => {
      const node = byId.get(line.id);
      if (node === undefined) return [];
      const master = line.master === null ? undefined : byId.get(line.master);
      return [{ node, role: line.flags.includes('slave') ? 'replica' : 'master', master, slots: line.ranges } as const];
    });
  }

  /** Masters that serve slots, in the order of `nodes`. */
  async masters(): Promise<TestNode[]> {
    return this.#inOrder((await this.describe()).filter(({ role, slots }) => role === 'master' && slots.length > 0));
  }

  /** Replicas, in the order of `nodes`; of one master, or of all. */
  async replicas(of?: TestNodeReference): Promise<TestNode[]> {
    const master = of === undefined ? undefined : this.node(of);
    const all = await this.describe();
    return this.#inOrder(
      all.filter((each) => each.role === 'replica' && (master === undefined || each.master === master)),
    );
  }

  /** The master that serves a slot (a number) or a key (text). Rejects when nobody does. */
  async ownerOf(slotOrKey: number | string): Promise<TestNode> {
    const slot = this.#slot(slotOrKey);
    const owner = (await this.#view()).find(({ ranges }) =>
      ranges.some(([start, end]) => start <= slot && slot <= end),
    );
    if (owner === undefined) throw new Error(`no node serves slot ${slot}`);
    return this.node(owner.id);
  }

  /** The version of the servers, as INFO reports it: `7.0.15`. */
  async version(): Promise<string> {
    const info = String(await this.#anyNode().call('INFO', 'server'));
    return (/^valkey_version:(\S+)/m.exec(info) ?? /^redis_version:(\S+)/m.exec(info))?.[1] ?? 'unknown';
  }

  /** Resolves once every running node says that all is well and all agree. Rejects after `timeoutMs`, by default 10 s or more. */
  settled(timeoutMs?: number): Promise<void> {
    return this.#seeded(this.#backend.settled(timeoutMs));
  }

  // ---- what happens to them

  kill(node: TestNodeReference): Promise<void> {
    return this.node(node).kill();
  }

  restart(node: TestNodeReference): Promise<void> {
    return this.node(node).restart();
  }

  freeze(node: TestNodeReference): void {
    this.node(node).freeze();
  }

  unfreeze(node: TestNodeReference): void {
    this.node(node).unfreeze();
  }

  /**
   * Makes a replica master of its shard: the node itself when it is one, else its first replica that runs. Resolves to
   * the new master once every running node knows it; rejects when there is none, or after 10 to 20 s.
   */
  async failover(node: TestNodeReference, mode: FailoverMode = 'agreed'): Promise<TestNode> {
    if (!['agreed', 'force', 'takeover'].includes(mode)) {
      throw new RangeError(`mode: '${mode}' is none of agreed, force, takeover`);
    }
    return this.#handle(await this.#seeded(this.#backend.failover(this.node(node).inner, mode)));
  }

  /** Moves a slot (a number) or that of a key (text). Resolves to the number of keys moved; 0 when it is there already. */
  moveSlot(slotOrKey: number | string, to: TestNodeReference): Promise<number> {
    return this.#seeded(this.#backend.moveSlot(this.#slot(slotOrKey), this.node(to).inner));
  }

  /** Opens a slot for moving and leaves it half-moved, until `commit()` or `rollback()`; `moveKeys(n)` moves some. */
  beginMove(slotOrKey: number | string, to: TestNodeReference): Promise<SlotMove> {
    return this.#seeded(this.#backend.beginMove(this.#slot(slotOrKey), this.node(to).inner));
  }

  /** Starts another node: a replica of `replicaOf`, or a master without slots. Resolves when all know it. */
  async addNode({ replicaOf }: { readonly replicaOf?: TestNodeReference } = {}): Promise<TestNode> {
    const master = replicaOf === undefined ? undefined : this.node(replicaOf).inner;
    const node = this.#handle(await this.#seeded(this.#backend.addNode(master)));
    this.#nameLinks();
    return node;
  }

  /** Takes a node out; its slots go to the other masters first. Rejects when it has replicas or is the last master. */
  removeNode(node: TestNodeReference): Promise<void> {
    return this.#seeded(this.#backend.removeNode(this.node(node).inner));
  }

  /** Makes `node`, and only it, answer clients that `slot` belongs to another node; null: the truth again. In process only. */
  setSlotOwner(node: TestNodeReference, slot: number, owner: TestNodeReference | null): void {
    this.#backend.setSlotOwner(this.node(node).inner, slot, owner === null ? null : this.node(owner).id);
  }

  // ---- data

  /**
   * Puts these values at these keys, in place of what is there, without a client. Rejects with a RangeError, before
   * anything is written, for what no key can hold.
   */
  async seed(data: Readonly<Record<string, SeedValue>> | ReadonlyMap<string, SeedValue>): Promise<void> {
    const entries = data instanceof Map ? [...data] : Object.entries(data);
    const commands = entries.map(([key, value]) => ({
      slot: slotOfBinary(binary(key)),
      commands: commandsFor(key, value),
    }));
    const shares = shareOut(commands, await this.#view());
    const write = async ([id, lists]: readonly [string, string[][][]]): Promise<void> =>
      must(await this.#backend.exchange(this.node(id).inner, lists.flat()), 'seed');
    await Promise.all([...shares].map(write));
  }

  /** As seed() of one key; `ttlMs`: milliseconds to live. */
  set(key: string, value: SeedValue, { ttlMs }: { readonly ttlMs?: number } = {}): Promise<void> {
    return this.seed(new Map([[key, ttlMs === undefined ? value : expiring(value, ttlMs)]]));
  }

  /** What a key holds, as dump() gives it; null when it does not exist. */
  async get(key: string): Promise<DumpValue | null> {
    const name = binary(key);
    const node = (await this.ownerOf(slotOfBinary(name))).inner;
    const [read] = await readKeys(this.#backend, node, [name], false);
    return read?.[1] ?? null;
  }

  /** Milliseconds that a key has left; -1 for one without a time to live, -2 for none, as PTTL says. */
  async ttl(key: string): Promise<number> {
    const name = binary(key);
    const node = (await this.ownerOf(slotOfBinary(name))).inner;
    const replies = await this.#backend.exchange(node, [['PTTL', name]]);
    must(replies, 'ttl');
    return Number(replies[0]);
  }

  /**
   * Everything the masters hold, by key, in order of the keys: what seed() takes. With `ttl`, keys that have a time to
   * live are expiring() values.
   */
  async dump({ ttl = false }: { readonly ttl?: boolean } = {}): Promise<Record<string, DumpValue>> {
    const masters = await this.masters();
    const found = await Promise.all(
      masters.map(async ({ inner }) => {
        const replies = await this.#backend.exchange(inner, [['KEYS', '*']]);
        must(replies, 'dump');
        return readKeys(this.#backend, inner, replies[0] as string[], ttl);
      }),
    );
    const sorted = found.flat().sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
    return Object.fromEntries(sorted);
  }

  /**
   * Makes everything as it was at the start: nodes, roles and slots, no data, no scripts, no faults, no history, the
   * parameters (in process) and the statistics. Milliseconds where only data and faults were there; where nodes, roles or
   * slots are others, the cluster is begun anew at the same addresses.
   */
  async reset(): Promise<void> {
    const { backend, interceptor, links } = this.#parts;
    interceptor?.clear();
    links?.heal();
    for (const node of backend.nodes) if (node.paused) node.resume();
    if (await backend.reshaped()) await this.#seeded(backend.rebuild());
    await this.#seeded(backend.clean());
    interceptor?.clear();
  }

  /**
   * Lets `ms` pass for the nodes, at once: keys expire, timers run, failed masters are found out and replaced. Clients
   * keep the time of the machine. Rejects where the nodes are other processes.
   */
  async fastForward(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Number.MAX_SAFE_INTEGER)) throw new RangeError(`ms: ${ms} is not a number from 0 on`);
    const { forward } = this.#parts;
    if (forward === undefined) throw new Error('fastForward: other processes have clocks of their own');
    await forward(ms);
  }

  // ---- requests

  /**
   * Answers the next requests that fit (`times`, default 1) by `action` instead of running them: with a reply, an error, a
   * delay, or a cut connection. Of several intercepts that fit, the one that was set first has them. What scripts call
   * is no request. Throws a RangeError that names the option that is wrong.
   *
   * @example
   * cluster.intercept({ command: 'get', key: 'user:*' }, { error: 'TRYAGAIN later', times: 2 });
   */
  intercept(query: CallQuery, action: InterceptAction): InterceptType {
    const intercept = new Intercept(this.#filter(query), action);
    this.#interceptor('intercept').add(intercept);
    return intercept;
  }

  /** The requests that nodes had, oldest first; of each node those that its history keeps. */
  calls(query: CallQuery = {}): Call[] {
    return this.#interceptor('calls').calls(this.#filter(query));
  }

  /** Throws an Error that names every fault that is still to happen or has not ended: intercepts, frozen nodes, links. */
  assertNoPendingFaults(): void {
    const { interceptor, links } = this.#parts;
    const faults = [
      ...(interceptor?.pending() ?? []).map((intercept) => `${intercept} (${intercept.left} left)`),
      ...this.nodes.filter(({ frozen }) => frozen).map(({ host, port }) => `${host}:${port} is frozen`),
      ...(links?.disturbed === true ? ['links that were not healed'] : []),
    ];
    if (faults.length > 0) throw new Error(`pending faults: ${faults.join('; ')} (seed ${this.randomSeed})`);
  }

  // ---- links

  /**
   * Makes the links between two ends so, both ways unless `oneWay`. Several that fit add up. Needs `links: true`. Throws
   * a RangeError that names the option that is wrong.
   *
   * @example
   * cluster.link('clients', 0, { latencyMs: 20, jitterMs: 5 });
   * cluster.link(0, 3, { drop: ['ping', 'pong'] });
   */
  link(one: LinkEnd, other: LinkEnd, shape: LinkShape): LinkHandle {
    return this.#links('link').shape(this.#party(one), this.#party(other), shape);
  }

  /** Ends the connections between two ends that are open now; new ones are taken. Gives how many there were. */
  resetLinks(one: LinkEnd = 'clients', other: LinkEnd = '*'): number {
    return this.#links('resetLinks').reset(this.#party(one), this.#party(other));
  }

  /** What a replica gets of its master's stream comes so many milliseconds late. Needs `links: true`. */
  lag(replica: TestNodeReference, ms: number): LinkHandle {
    const shape = { latencyMs: ms, traffic: 'replication', oneWay: true } as const;
    return this.#links('lag').shape('*', this.node(replica).id, shape);
  }

  /**
   * Nothing passes between the ends of different groups until heal(); ends in no group reach everybody. Connections stay
   * open, and what waits arrives then. Needs `links: true`. Throws a RangeError for fewer than two groups.
   *
   * @example
   * cluster.partition([0, 3, 'clients'], [1, 2, 4, 5]);
   */
  partition(...groups: readonly (readonly LinkEnd[])[]): void {
    this.#part(groups, false);
  }

  /** As partition(), but what goes from a later group to an earlier one passes. */
  partitionOneWay(...groups: readonly (readonly LinkEnd[])[]): void {
    this.#part(groups, true);
  }

  /** Ends every partition and everything that link() and lag() have set. */
  heal(): void {
    this.#parts.links?.heal();
  }

  /** What the links have done so far. */
  get linkCounts(): Readonly<LinkCounts> {
    return { ...this.#links('linkCounts').counts };
  }

  /** For clients that know the nodes by their own addresses: leads them to the proxies. Without `links` it leads nowhere. */
  readonly natMap = (key: string): { readonly host: string; readonly port: number } | null =>
    this.#parts.links?.natMap(key) ?? null;

  /** Stops every node; nothing of the cluster is left. */
  async close(): Promise<void> {
    await this.#backend.close();
    await this.#parts.links?.close();
    await this.#parts.onClose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // ----

  get #backend(): Backend {
    return this.#parts.backend;
  }

  #handle(node: BackendNode): TestNode {
    let handle = this.#handles.get(node);
    if (handle === undefined) {
      handle = new TestNode(this.#backend, node, this.#parts.links?.portOf(node.port) ?? node.port);
      this.#handles.set(node, handle);
    }
    return handle;
  }

  #nameLinks(): void {
    for (const { port, id } of this.#backend.nodes) this.#parts.links?.name(port, id);
  }

  #part(groups: readonly (readonly LinkEnd[])[], oneWay: boolean): void {
    if (groups.length < 2) throw new RangeError('partition: at least two groups are needed');
    const parties = groups.map((group) => group.map((end) => this.#party(end)));
    const all = parties.flat();
    if (all.includes('*')) throw new RangeError("partition: '*' is in no group");
    if (new Set(all).size < all.length) throw new RangeError('partition: nobody can be in two groups');
    this.#links('partition').part(parties, oneWay);
  }

  #party(end: LinkEnd): string {
    return end === 'clients' || end === '*' ? end : this.node(end).id;
  }

  #links(what: string): LinkNet {
    const { links } = this.#parts;
    if (links === undefined) throw new Error(`${what}: start the cluster with { links: true }`);
    return links;
  }

  #interceptor(what: string): Interceptor {
    const { interceptor } = this.#parts;
    if (interceptor === undefined) throw new Error(`${what}: only nodes in this process have it`);
    return interceptor;
  }

  #filter({ node, ...query }: CallQuery): CallFilter {
    return node === undefined ? query : { ...query, nodes: [this.node(node).id] };
  }

  #slot(slotOrKey: number | string): number {
    if (typeof slotOrKey === 'string') return slotOfBinary(binary(slotOrKey));
    if (Number.isInteger(slotOrKey) && slotOrKey >= 0 && slotOrKey < slotCount) return slotOrKey;
    throw new RangeError(`slot ${slotOrKey} is not an integer within 0..${slotCount - 1}`);
  }

  #anyNode(): TestNode {
    const node = this.nodes.find(({ running, frozen }) => running && !frozen);
    if (node === undefined) throw new Error('no node of the cluster runs');
    return node;
  }

  #inOrder(descriptions: readonly NodeDescription[]): TestNode[] {
    const wanted = new Set(descriptions.map(({ node }) => node));
    return this.nodes.filter((node) => wanted.has(node));
  }

  /** Of the nodes that answer, the view of the one with the newest configuration. */
  async #view(): Promise<NodeLine[]> {
    let newest: { readonly epoch: number; readonly lines: NodeLine[] } | undefined;
    let reason: unknown;
    for (const { inner, running, frozen } of this.nodes) {
      if (!running || frozen) continue;
      try {
        const replies = await this.#backend.exchange(inner, [['CLUSTER', 'NODES']]);
        must(replies, 'CLUSTER NODES');
        const lines = parseNodes(replies[0]);
        const epoch = lines.reduce((sum, { configEpoch }) => Math.max(sum, configEpoch), 0);
        if (newest === undefined || epoch > newest.epoch) newest = { epoch, lines };
      } catch (error) {
        reason = error;
      }
    }
    if (newest === undefined) throw new Error('no node of the cluster can be asked', { cause: reason });
    return newest.lines;
  }

  /** Adds the seed to what goes wrong. */
  async #seeded<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (error instanceof Error && !(error instanceof RangeError)) error.message += ` (seed ${this.randomSeed})`;
      throw error;
    }
  }
}
