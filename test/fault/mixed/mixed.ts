// One cluster of three masters and three replicas, redis-server and our nodes by turns, made and resharded by redis-cli
// under writes of our client: masters of either kind are killed, links are cut, nodes are stopped in order and started
// again. After each step all pairs hold the same data, and every write that was acknowledged is there.
//   node build/test/fault/mixed/mixed.js [--seeds 1..3] [--keys 20000]
// Prints what each step took; ends with 1 at the first thing that is not as it should be.

import { parseArgs } from 'node:util';
import { missingRedisServer } from '../../kit/real-cluster.ts';
import { Load, Writer } from './data.ts';
import { MixedCluster } from './kit.ts';

interface Row {
  readonly step: string;
  readonly ms: number;
  readonly note: string;
}

class Proof {
  readonly rows: Row[] = [];
  readonly #cluster: MixedCluster;
  readonly #load: Load;
  readonly #writer: Writer;

  constructor(cluster: MixedCluster, seed: number, keys: number) {
    this.#cluster = cluster;
    this.#load = new Load(cluster.seeds, seed, keys);
    this.#writer = new Writer(cluster.seeds, seed);
  }

  async run(): Promise<void> {
    const cluster = this.#cluster;
    await this.#step('create by redis-cli', () => cluster.create());
    await this.#step('load', () => this.#load.fill());
    await this.#compare('after loading');
    this.#writer.start();
    for (const [from, to] of [
      ['real', 'ours'],
      ['ours', 'real'],
    ] as const) {
      await this.#step(`reshard 200 slots ${from} -> ${to}, under writes`, () => cluster.reshard(from, to, 200));
    }
    await this.#compare('after resharding');
    for (const kind of ['real', 'ours'] as const) {
      await this.#step(`links to replicas of a ${kind} master cut`, () => cluster.cutLinks(kind));
    }
    await this.#compare('after cuts');
    for (const kind of ['ours', 'real'] as const) {
      await this.#step(`a ${kind} replica stopped by SHUTDOWN and started`, () => cluster.restartReplica(kind));
    }
    await this.#compare('after restarts');
    for (const kind of ['real', 'ours'] as const) {
      this.#writer.start();
      await this.#quiet();
      await this.#step(`kill -9 of a ${kind} master`, () => cluster.killMaster(kind));
      await this.#compare(`after the ${kind} master's death`);
    }
    this.#writer.start();
    await this.#step('both start again', () => cluster.restartDead());
    await this.#compare('after they rejoined');
    this.#writer.start();
    for (const kind of ['ours', 'real'] as const) {
      await this.#step(`CLUSTER FAILOVER to a ${kind} replica, under writes`, () => cluster.failover(kind));
    }
    await this.#compare('in the end');
    this.rows.push({ step: 'acknowledged writes', ms: 0, note: `${this.#writer.acknowledged}, none lost` });
  }

  async close(): Promise<void> {
    await this.#writer.stop();
    this.#writer.close();
    this.#load.close();
  }

  async #step(step: string, run: () => Promise<string>): Promise<void> {
    const start = performance.now();
    try {
      this.rows.push({ step, note: await run(), ms: performance.now() - start });
    } catch (error) {
      throw new Error(`${step}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** The writer stops, and the replicas have everything. */
  async #quiet(): Promise<void> {
    await this.#writer.stop();
    await this.#cluster.inStep();
  }

  async #compare(when: string): Promise<void> {
    await this.#quiet();
    await this.#step(`same data in all pairs ${when}`, () => this.#cluster.compare());
    await this.#step(`acknowledged writes ${when}`, () => this.#writer.verify());
    await this.#step(`keys loaded ${when}`, () => this.#load.verify());
    this.#writer.start();
  }
}

async function prove(seed: number, keys: number): Promise<void> {
  const cluster = await MixedCluster.start(seed);
  const proof = new Proof(cluster, seed, keys);
  try {
    await proof.run();
  } catch (error) {
    console.log(`seed ${seed}: ${cluster.picture()}`);
    throw error;
  } finally {
    for (const { step, ms, note } of proof.rows)
      console.log(`${(ms / 1000).toFixed(2).padStart(8)} s  ${step}: ${note}`);
    await proof.close();
    await cluster.end();
  }
}

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '1..3' }, keys: { type: 'string', default: '20000' } },
});
const missing = missingRedisServer();
if (missing !== undefined) {
  console.log(`skipped: ${missing}`);
  process.exit();
}
const bounds = values.seeds.split('..').map(Number);
for (let seed = bounds[0]!; seed <= (bounds[1] ?? bounds[0]!); seed++) {
  console.log(`seed ${seed}`);
  await prove(seed, Number(values.keys));
}
process.exit();
