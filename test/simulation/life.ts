// The life of one client on a simulated cluster, from a seed: a load, troubles, then calm; every promise is judged.
// What must hold: every call settles within its deadline; a write runs as often as its caller asked, and more often only
// where others took a connection and `resend` allows it; calls of one slot that are issued together keep their order; and
// when all is calm the client's map is true and nothing is left over.

import { livingIn } from '../../lib/base/world.ts';
import { Cluster, type ClusterOptions, slotOf } from '../../lib/index.ts';
import { type Move, SimulatedCluster, type SimulatedNode } from './cluster.ts';
import { SimulatedWorld } from './network.ts';

export interface LifeReport {
  readonly seed: number;
  readonly calls: number;
  readonly rejected: number;
  /** Executions of a write beyond its first. */
  readonly repeated: number;
  /** What was done to it, by name. */
  readonly troubles: ReadonlyMap<string, number>;
  readonly broken: readonly string[];
  /** The last of what happened, for a look at a broken one. */
  readonly story: readonly string[];
}

/** Milliseconds of world time. */
const deadline = 6000;
const grace = 1000;
/** A call in flight is not given up while its node may be at work on it: the longest stall or frost comes on top. */
const longestSilence = 4000;
const stormLasts = 4000;

interface Asked {
  readonly id: string;
  readonly at: number;
  writes: number | undefined;
  outcome: 'open' | 'ok' | 'rejected';
  error?: Error;
}

export interface LifeOptions {
  readonly seed: number;
  /** Keeps what happened. Default false. */
  readonly story?: boolean;
}

export function live(options: LifeOptions): Promise<LifeReport> {
  return new ClientLife(options).run();
}

class ClientLife {
  readonly #seed: number;
  readonly #world: SimulatedWorld;
  readonly #cluster: SimulatedCluster;
  readonly #client: Cluster;
  readonly #resend: 'all' | 'readonly';
  readonly #tags: readonly string[];
  readonly #asked = new Map<string, Asked>();
  readonly #broken: string[] = [];
  readonly #troubles = new Map<string, number>();
  readonly #story: string[] | undefined;
  /** Connections that others have taken, by time. */
  readonly #losses: number[] = [];
  readonly #movedAt = new Map<number, number>();
  /** Message -> how often the client was given it. */
  readonly #heard = new Map<string, number>();
  #calls = 0;
  #running = true;
  #working = 0;

  constructor({ seed, story = false }: LifeOptions) {
    this.#seed = seed;
    this.#story = story ? [] : undefined;
    const world = new SimulatedWorld({ seed: seed * 7919 + 1 });
    this.#world = world;
    world.latency = world.pick([
      [0.1, 0.5],
      [0.2, 4],
      [1, 40],
    ]);
    this.#cluster = new SimulatedCluster(world, world.between(1, 4), world.between(0, 2));
    if (story) this.#cluster.log = (what) => this.#log(what);
    this.#tags = Array.from({ length: world.between(2, 8) }, (_, at) => `t${at}`);
    this.#resend = world.random() < 0.7 ? 'all' : 'readonly';
    const clientOptions: ClusterOptions = {
      resend: this.#resend,
      retryDeadline: deadline,
      redisOptions: { protocol: world.random() < 0.5 ? 3 : 2, disconnectTimeout: 200 },
      ...(world.random() < 0.3 && this.#cluster.nodes.length > this.#cluster.shards.length
        ? { scaleReads: 'slave' }
        : {}),
    };
    this.#client = new Cluster(this.#cluster.seeds, livingIn(world, clientOptions));
    this.#client.on('error', (error: Error) => this.#log(`error event: ${error.message}`));
  }

  #log(what: string): void {
    this.#story?.push(`${(this.#world.now() - 1_000_000).toFixed(1).padStart(9)}  ${what}`);
  }

  #break(what: string): void {
    if (this.#broken.length < 20) this.#broken.push(`seed ${this.#seed}: ${what}`);
    this.#log(`BROKEN ${what}`);
  }

  async run(): Promise<LifeReport> {
    const world = this.#world;
    const start = world.now();
    this.#client.on('message', (_channel: string, message: string) => {
      this.#log(`message ${message}`);
      this.#heard.set(message, (this.#heard.get(message) ?? 0) + 1);
    });
    void this.#read(() => this.#client.subscribe('news'));
    const workers = world.between(1, 6);
    for (let at = 0; at < workers; at++) void this.#work(at);
    this.#planTroubles();
    await this.#pass(stormLasts, () => false);
    this.#running = false;
    this.#calm();
    await this.#pass(deadline + longestSilence + grace, () => this.#working === 0);
    // What was spoiled and held up has arrived.
    await this.#pass(stormLasts, () => false);
    for (const { id, at, outcome } of this.#asked.values())
      if (outcome === 'open') this.#break(`${id} is open after ${world.now() - at} ms`);
    await this.#converge();
    this.#judge();
    await this.#leave();
    this.#log(`over after ${world.now() - start} ms`);
    let repeated = 0;
    for (const { writes } of this.#asked.values()) if (writes !== undefined && writes > 1) repeated += writes - 1;
    return {
      seed: this.#seed,
      calls: this.#calls,
      rejected: [...this.#asked.values()].filter(({ outcome }) => outcome === 'rejected').length,
      repeated,
      troubles: this.#troubles,
      broken: this.#broken,
      story: this.#story ?? [],
    };
  }

  /** Lets world time go on, one event after another; what they start in this process is done before the next. */
  async #pass(ms: number, done: () => boolean): Promise<void> {
    const world = this.#world;
    const end = world.now() + ms;
    for (;;) {
      await settled();
      if (done()) return;
      const next = world.next;
      if (next === undefined || next > end) break;
      world.forward(Math.max(0, next - world.now()));
    }
    world.forward(Math.max(0, end - world.now()));
    await settled();
  }

  // ---- load

  async #work(worker: number): Promise<void> {
    this.#working++;
    const world = this.#world;
    for (let step = 0; this.#running; step++) {
      await this.#step(`${worker}.${step}`);
      await new Promise<void>((resolve) => void world.after(world.random() * 60, resolve));
    }
    this.#working--;
  }

  #step(id: string): Promise<unknown> {
    const turn = this.#world.random();
    const tag = this.#world.pick(this.#tags);
    if (turn < 0.3) return this.#pushes(id, tag);
    if (turn < 0.5) return this.#setAndGet(id, tag);
    if (turn < 0.65) return this.#transaction(id, tag);
    if (turn < 0.75) return this.#write(id, () => this.#client.mset({ [`{${tag}}a`]: id, [`{${tag}}b`]: id }));
    if (turn < 0.8) return this.#write(id, () => this.#client.publish('news', id));
    if (turn < 0.85) return this.#read(() => this.#client.mget(`{${tag}}a`, `{${tag}}b`));
    return this.#read(() => this.#client.get(`{${tag}}s`));
  }

  async #read(read: () => Promise<unknown>): Promise<void> {
    this.#calls++;
    const at = this.#world.now();
    await read().catch((error: Error) => this.#log(`a read failed: ${error.message}`));
    this.#judgeTime('a read', at);
  }

  #judgeTime(what: string, at: number): void {
    const took = this.#world.now() - at;
    if (took > deadline + longestSilence + grace) this.#break(`${what} took ${took} ms`);
  }

  #note(id: string): Asked {
    this.#calls++;
    const asked: Asked = { id, at: this.#world.now(), writes: undefined, outcome: 'open' };
    this.#asked.set(id, asked);
    return asked;
  }

  #settle(asked: Asked, error: (Error & { writes?: number }) | null): void {
    asked.outcome = error === null ? 'ok' : 'rejected';
    if (error !== null) {
      asked.error = error;
      asked.writes = error.writes;
      this.#log(`${asked.id} rejected: ${error.message.slice(0, 100)}`);
    }
    this.#judgeTime(asked.id, asked.at);
  }

  async #write(id: string, write: () => Promise<unknown>): Promise<void> {
    const asked = this.#note(id);
    await write().then(
      () => this.#settle(asked, null),
      (error: Error) => this.#settle(asked, error),
    );
  }

  /** Pushes that are issued together, in one batch or one by one: they are to be found in that order. */
  async #pushes(id: string, tag: string): Promise<void> {
    const ids = Array.from({ length: this.#world.between(2, 5) }, (_, at) => `${id}/${at}`);
    const key = `{${tag}}list`;
    if (this.#world.random() < 0.5) {
      await Promise.all(ids.map((each) => this.#write(each, () => this.#client.rpush(key, each))));
      return;
    }
    const all = ids.map((each) => this.#note(each));
    const pipeline = this.#client.pipeline();
    for (const each of ids) pipeline.rpush(key, each);
    const results = (await pipeline.exec())!;
    results.forEach(([error], at) => {
      this.#settle(all[at]!, error);
    });
  }

  /** What a SET wrote, the GET behind it finds, whatever becomes of either. */
  async #setAndGet(id: string, tag: string): Promise<void> {
    const asked = this.#note(id);
    const key = `{${tag}}own${id.split('.')[0]}`;
    const pipeline = this.#client.pipeline().set(key, id).get(key);
    const [set, get] = (await pipeline.exec())!;
    this.#settle(asked, set![0]);
    const judged = this.#readsMaster && !this.#cluster.refused.has(id);
    if (judged && set![0] === null && get![0] === null && get![1] !== id)
      this.#break(`GET behind SET ${id} found ${String(get![1])}`);
  }

  get #readsMaster(): boolean {
    return this.#client.options.scaleReads === undefined || this.#client.options.scaleReads === 'master';
  }

  async #transaction(id: string, tag: string): Promise<void> {
    const asked = this.#note(id);
    const multi = this.#client.multi().rpush(`{${tag}}list`, id).get(`{${tag}}s`);
    await multi.exec().then(
      () => this.#settle(asked, null),
      (error: Error) => this.#settle(asked, error),
    );
  }

  // ---- troubles

  #planTroubles(): void {
    const world = this.#world;
    const count = world.between(1, 10);
    for (let at = 0; at < count; at++) world.after(world.random() * stormLasts, () => this.#trouble());
  }

  #trouble(): void {
    const acts: Record<string, () => boolean> = {
      cut: () => this.#cut(),
      stall: () => this.#stall(),
      spoil: () => this.#spoil(),
      freeze: () => this.#freeze(),
      move: () => this.#move(),
      failover: () => this.#cluster.promote(this.#world.pick(this.#cluster.shards), 500),
      crash: () => this.#crash(),
      clusterdown: () => this.#down(),
      restart: () => this.#restart(),
    };
    const name = this.#world.pick(Object.keys(acts));
    if (!this.#running || !acts[name]!()) return;
    this.#troubles.set(name, (this.#troubles.get(name) ?? 0) + 1);
    this.#log(`TROUBLE ${name}`);
  }

  #anyNode(): SimulatedNode {
    return this.#world.pick(this.#cluster.nodes);
  }

  #lost(): void {
    this.#losses.push(this.#world.now());
  }

  #cut(): boolean {
    const wires = [...this.#world.wires];
    if (wires.length === 0) return false;
    this.#lost();
    const all = this.#world.random() < 0.2;
    for (const wire of all ? wires : [this.#world.pick(wires)]) wire.cut();
    return true;
  }

  #stall(): boolean {
    const wires = [...this.#world.wires];
    if (wires.length === 0) return false;
    this.#world.pick(wires).stall(this.#world.between(50, longestSilence));
    return true;
  }

  #spoil(): boolean {
    const wires = [...this.#world.wires];
    if (wires.length === 0) return false;
    this.#world.pick(wires).spoilNext = true;
    return true;
  }

  #freeze(): boolean {
    this.#anyNode().freeze(this.#world.between(100, longestSilence));
    return true;
  }

  // A slot rests until nothing that was on its way to either node can still arrive.
  #move(): boolean {
    const world = this.#world;
    const { shards } = this.#cluster;
    if (shards.length < 2) return false;
    const tag = world.pick(this.#tags);
    const slot = slotOf(tag);
    if (this.#movedAt.has(slot)) return false;
    const to = world.pick(shards.filter((shard) => shard !== this.#cluster.owners.of(slot)));
    const move = this.#cluster.beginMove(slot, to);
    if (move === undefined) return false;
    this.#movedAt.set(slot, world.now());
    this.#carryOn(move, this.#keysOf(tag));
    return true;
  }

  #keysOf(tag: string): string[] {
    const own = Array.from({ length: 6 }, (_, worker) => `own${worker}`);
    return ['list', 's', 'a', 'b', ...own].map((name) => `{${tag}}${name}`);
  }

  #carryOn(move: Move, keys: readonly string[]): void {
    const world = this.#world;
    const steps = world.between(1, 8);
    for (let step = 1; step <= steps; step++) world.after(step * 15, () => this.#cluster.carry(move, keys));
    world.after((steps + 1) * 15, () => {
      if (this.#cluster.moves.get(move.slot) !== move) return;
      this.#cluster.endMove(move, keys, 400);
      this.#log(`slot ${move.slot} is at shard ${move.to.number}`);
    });
  }

  #crash(): boolean {
    const shard = this.#world.pick(this.#cluster.shards);
    const victim = shard.master;
    if (!victim.up) return false;
    this.#lost();
    victim.crash();
    const world = this.#world;
    world.after(world.between(600, 2000), () => {
      if (victim.up || shard.master !== victim) return;
      victim.failed = true;
      if (this.#cluster.promote(shard, 300)) this.#log(`shard ${shard.number} has a new master`);
    });
    world.after(world.between(1500, 5000), () => victim.restart(world.between(0, 400)));
    return true;
  }

  #restart(): boolean {
    const node = this.#anyNode();
    if (!node.up) return false;
    this.#lost();
    node.crash();
    node.restart(this.#world.between(0, 800));
    return true;
  }

  #down(): boolean {
    this.#anyNode().downUntil = this.#world.now() + this.#world.between(50, 1500);
    return true;
  }

  #calm(): void {
    for (const node of this.#cluster.nodes) if (!node.up) node.restart(0);
    for (const wire of this.#world.wires) wire.spoilNext = false;
    this.#cluster.announce(this.#cluster.nodes, 0);
  }

  // ---- judgement

  /** Each key can be read and written again, and then the client's map is true. */
  async #converge(): Promise<void> {
    const before = this.#world.now();
    let served = 0;
    const last = Promise.all(this.#tags.map((tag) => this.#client.set(`{${tag}}s`, 'calm').then(() => served++))).catch(
      (error: Error) => this.#break(`after the storm: ${error.message}`),
    );
    await this.#pass(deadline + grace, () => served === this.#tags.length);
    if (served < this.#tags.length)
      this.#break(`after ${this.#world.now() - before} ms of calm not all slots are served`);
    await last;
    await this.#pass(12_000, () => false);
    await this.#converse();
    const { slots } = this.#client;
    for (const tag of this.#tags) {
      const slot = slotOf(tag);
      const true_ = this.#cluster.owners.of(slot).master.address;
      if (slots[slot]![0] !== true_) this.#break(`slot ${slot} is at ${true_}, and the map says ${slots[slot]![0]}`);
    }
    const stats = this.#client.stats();
    if (stats.waiting > 0 || stats.queue.calls > 0) this.#break(`left over: ${JSON.stringify(stats)}`);
  }

  /** Whatever has become of the subscriber's connection: what is published now arrives, once. */
  async #converse(): Promise<void> {
    const messages = ['calm 1', 'calm 2', 'calm 3'];
    for (const message of messages) {
      this.#client.publish('news', message).catch((error: Error) => this.#break(`PUBLISH: ${error.message}`));
      await this.#pass(500, () => false);
    }
    for (const message of messages) {
      const times = this.#heard.get(message) ?? 0;
      if (times !== 1) this.#break(`message ${message} was heard ${times} times`);
    }
  }

  /** A message comes as often as its PUBLISH was executed, or is missed while nobody listens; never more often. */
  #judgeMessages(executed: ReadonlyMap<string, number>): void {
    for (const [message, times] of this.#heard) {
      const published = executed.get(message) ?? 0;
      if (times > published)
        this.#break(`message ${message} was published ${published} times and heard ${times} times`);
    }
  }

  #judge(): void {
    const byId = new Map<string, number>();
    const clean = new Map<string, boolean>();
    for (const { id, wire } of this.#cluster.executions) {
      byId.set(id, (byId.get(id) ?? 0) + 1);
      if (wire.ended === 'others') clean.set(id, false);
    }
    for (const asked of this.#asked.values()) {
      const times = byId.get(asked.id) ?? 0;
      if (asked.outcome === 'ok') {
        if (times === 0) this.#break(`${asked.id} is OK and was never executed`);
        const most = this.#resend === 'readonly' || clean.get(asked.id) !== false ? 1 : 17;
        if (times > most) this.#break(`${asked.id} ran ${times} times (resend ${this.#resend})`);
      } else if (asked.outcome === 'rejected' && times > (asked.writes ?? 0)) {
        this.#break(
          `${asked.id} was rejected with writes ${asked.writes} and ran ${times} times: ${asked.error?.message}`,
        );
      }
      asked.writes = times;
    }
    this.#judgeOrder();
    this.#judgeMessages(byId);
  }

  /** First executions of what was issued together, in its order. */
  #judgeOrder(): void {
    const seen = new Set<string>();
    const last = new Map<string, number>();
    for (const { id } of this.#cluster.executions) {
      if (seen.has(id) || this.#asked.get(id)?.outcome !== 'ok') continue;
      seen.add(id);
      const [batch, place] = id.split('/');
      if (place === undefined || this.#cluster.refused.has(id)) continue;
      if ((last.get(batch!) ?? -1) > Number(place))
        this.#break(`${id} was executed behind ${batch}/${last.get(batch!)}`);
      last.set(batch!, Number(place));
    }
  }

  /** quit() ends, and leaves neither connections nor timers behind. */
  async #leave(): Promise<void> {
    let gone = false;
    this.#client.quit().then(
      () => {
        gone = true;
      },
      () => {
        gone = true;
      },
    );
    await this.#pass(5000, () => gone);
    if (!gone) this.#break('quit() is open after 5 s');
    this.#client.disconnect();
    await this.#pass(12_000, () => false);
    if (this.#world.wires.size > 0) this.#break(`${this.#world.wires.size} connections are left`);
  }
}

/** Everything that was to run in this process at once has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
