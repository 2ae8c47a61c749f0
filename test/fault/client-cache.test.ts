// The near cache under writers, slot moves and failovers on a real cluster. Another client counts up; whatever it was
// acknowledged (value n, at time t) a reader with a cache must have caught up with `settle` ms later, wherever the slot went
// meanwhile. The reader's own writes must be seen at once. Chance comes from a seed that is printed.

import { deepEqual, equal, ok } from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { ManualWorld } from '../../lib/base/world.ts';
import { Cluster, slotOf } from '../../lib/index.ts';
import { failOver } from '../kit/failover.ts';
import { needRedisServer, type RealCluster, type RealNode, startRealCluster } from '../kit/real-cluster.ts';
import { until } from '../kit/until.ts';

/** How far behind a notice, or a map without any traffic, may be on a busy machine. */
const settle = 1500;
const tags = ['foo', 'bar', 'x', 'y', 'z', 'w'];
const keys = tags.flatMap((tag) => Array.from({ length: 12 }, (_, at) => `{${tag}}:${at}`));

interface Acknowledged {
  readonly at: number;
  readonly value: number;
}

/** What was acknowledged to the writer of each key, and what a reader must know by now. */
class Ledger {
  readonly #acknowledged = new Map<string, Acknowledged[]>();

  note(key: string, value: number): void {
    const list = this.#acknowledged.get(key) ?? [];
    list.push({ at: performance.now(), value });
    this.#acknowledged.set(key, list);
  }

  /** The last value acknowledged `settle` ms before now; what is older is forgotten. */
  floor(key: string): number {
    const list = this.#acknowledged.get(key) ?? [];
    const limit = performance.now() - settle;
    while (list.length > 1 && list[1]!.at <= limit) list.shift();
    return list[0] !== undefined && list[0].at <= limit ? list[0].value : 0;
  }

  /** A master died: what it had acknowledged and not replicated is lost, so nothing is owed any more. */
  forgetAll(): void {
    this.#acknowledged.clear();
  }
}

class Load {
  readonly wrong: string[] = [];
  readonly errors: Error[] = [];
  readonly ledger = new Ledger();
  readonly #reader: Cluster;
  readonly #writer: Cluster;
  readonly #world: ManualWorld;
  #running: Promise<unknown> | undefined;
  #stopped = true;

  constructor(reader: Cluster, writer: Cluster, world: ManualWorld) {
    this.#reader = reader;
    this.#writer = writer;
    this.#world = world;
  }

  start(): void {
    this.#stopped = false;
    const loops = [this.#write(), this.#read(), this.#read(), this.#readMany(), this.#own()];
    this.#running = Promise.all(loops.map((loop) => loop.catch((error: Error) => this.errors.push(error))));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#world.random() * items.length)]!;
  }

  async #write(): Promise<void> {
    while (!this.#stopped) {
      const key = this.#pick(keys);
      this.ledger.note(key, await this.#writer.incr(key));
      await pause(this.#world.random() * 4);
    }
  }

  async #read(): Promise<void> {
    while (!this.#stopped) {
      for (let burst = 0; burst < 50; burst++) {
        const key = this.#pick(keys);
        const floor = this.ledger.floor(key);
        this.#compare(key, await this.#reader.get(key), floor);
      }
      await pause(2);
    }
  }

  async #readMany(): Promise<void> {
    while (!this.#stopped) {
      const tag = this.#pick(tags);
      const some = [0, 3, 7].map((at) => `{${tag}}:${at}`);
      const floors = some.map((key) => this.ledger.floor(key));
      const values = await this.#reader.mget(some);
      values.forEach((value, at) => {
        this.#compare(some[at]!, value, floors[at]!);
      });
      await pause(3);
    }
  }

  async #own(): Promise<void> {
    while (!this.#stopped) {
      const key = `{${this.#pick(tags)}}:own`;
      const value = await this.#reader.incr(key);
      for (let again = 0; again < 3; again++) this.#compare(key, await this.#reader.get(key), value);
      await pause(5);
    }
  }

  #compare(key: string, found: string | null, floor: number): void {
    if (Number(found ?? 0) < floor) this.wrong.push(`${key}: ${found} read, ${floor} known`);
  }
}

async function handOver(cluster: RealCluster, to: RealNode): Promise<void> {
  await failOver(
    `${to.address} is master`,
    () => to.ask('cluster', 'failover'),
    async () => ((await to.ask('role')) as unknown[])[0] === 'master',
  );
  await until('everybody knows', async () => {
    const views = await Promise.all(cluster.nodes.map((node) => node.ask('cluster', 'slots')));
    return views.every((view) => (view as [number, number, [string, number]][]).some((row) => row[2][1] === to.port));
  });
}

/** Slots wander between two masters while the third shard hands over to its replica and back. */
async function upheaval(cluster: RealCluster, world: ManualWorld): Promise<void> {
  const [one, other, third] = cluster.masters as [RealNode, RealNode, RealNode];
  const moving = ['foo', 'bar', 'x', 'y', 'z', 'w'].map((tag) => slotOf(`{${tag}}`));
  let moved = 0;
  const moves = async (): Promise<void> => {
    // Three of the six slots may be the third shard's: some seeds hardly ever draw another.
    for (let step = 0; step < 10 || (moved < 3 && step < 60); step++) {
      const slot = moving[Math.floor(world.random() * moving.length)]!;
      const owner = await cluster.ownerOf(slot);
      if (owner === one || owner === other) {
        // The third shard may refuse to take SETSLOT just now; it learns by gossip.
        const next = owner === one ? other : one;
        await cluster.moveSlot(slot, next).catch(() => undefined);
        if ((await cluster.ownerOf(slot)) === next) moved++;
      }
      await pause(150 + world.random() * 300);
    }
  };
  const handOvers = async (): Promise<void> => {
    const replica = cluster.replicas[cluster.masters.indexOf(third)]!;
    for (const next of [replica, third]) {
      await handOver(cluster, next);
      await pause(600 + world.random() * 300);
    }
  };
  await Promise.all([moves(), handOvers()]);
  ok(moved >= 3, `${moved} of the moves happened`);
}

async function sameAsTruth(reader: Cluster, truth: Cluster): Promise<void> {
  const expected = await Promise.all(keys.map((key) => truth.get(key)));
  const found = await Promise.all(keys.map((key) => reader.get(key)));
  deepEqual(found, expected);
}

for (const protocol of [3, 2] as const) {
  describe(`fault: near cache, RESP${protocol}`, function () {
    this.timeout(90_000);
    let cluster: RealCluster;
    let reader: Cluster;
    let writer: Cluster;
    const seed = Math.floor(Math.random() * 2 ** 31);
    const world = new ManualWorld({ seed });

    before(async function () {
      needRedisServer(this, 'near cache under failovers');
      cluster = await startRealCluster({ config: { 'cluster-node-timeout': '1000' } });
      reader = new Cluster(cluster.seeds.slice(0, 3), {
        clientSideCache: {},
        slotsRefreshInterval: 250,
        redisOptions: { protocol },
      });
      writer = new Cluster(cluster.seeds.slice(0, 3), { slotsRefreshInterval: 250 });
    });

    after(async () => {
      reader?.disconnect();
      writer?.disconnect();
      await cluster?.stop();
    });

    it(`slots move and masters hand over: nothing stale, nothing lost (seed ${seed})`, async () => {
      const load = new Load(reader, writer, world);
      load.start();
      await pause(500);
      await upheaval(cluster, world);
      await pause(300);
      await load.stop();
      deepEqual([load.errors, load.wrong.slice(0, 10)], [[], []]);
      const { hits, misses, invalidations } = reader.stats().cache!;
      console.log(`        ${hits} hits, ${misses} misses, ${invalidations} invalidations`);
      ok(hits > misses && invalidations > 100, 'the cache was hardly used');
      await pause(settle);
      await sameAsTruth(reader, writer);
    });

    for (const fault of ['freeze', 'kill'] as const) {
      it(`a master that ${fault === 'kill' ? 'dies' : 'freezes'} takes its entries with it (seed ${seed})`, async () => {
        const slot = slotOf(keys[0]!);
        const victim = await cluster.ownerOf(slot);
        const load = new Load(reader, writer, world);
        load.start();
        await pause(300);
        if (fault === 'kill') await victim.kill();
        else victim.freeze();
        load.ledger.forgetAll();
        const watcher = cluster.nodes.find((node) => node !== victim)!;
        await until('a replica is promoted', async () => {
          const rows = (await watcher.ask('cluster', 'slots')) as [number, number, [string, number]][];
          return rows.some((row) => row[0] <= slot && slot <= row[1] && row[2][1] !== victim.port);
        });
        // What the victim acknowledged before it fell may never have reached its replica: start afresh.
        await pause(300);
        load.wrong.length = 0;
        load.ledger.forgetAll();
        await pause(settle + 1000);
        await load.stop();
        deepEqual([load.errors, load.wrong.slice(0, 10)], [[], []]);
        await pause(settle);
        await sameAsTruth(reader, writer);
        if (fault === 'kill') await victim.restart();
        else victim.thaw();
        await until('it is back as a replica', async () => ((await victim.ask('role')) as unknown[])[0] === 'slave');
        await until('it is in step', async () => ((await victim.ask('role')) as unknown[])[3] === 'connected');
        const { hits } = reader.stats().cache!;
        await sameAsTruth(reader, writer);
        await sameAsTruth(reader, writer);
        ok(reader.stats().cache!.hits > hits);
        equal(load.wrong.length, 0);
      });
    }
  });
}
