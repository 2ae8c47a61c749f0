// BullMQ keeps working while its queues move to other nodes: producers, workers and events under load during a
// redis-cli reshard, manual failovers and the death of a master. A job whose add() was acknowledged is processed and
// its event comes, come what may; only what a dead master had not given to its replica yet is gone.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Queue, QueueEvents, Worker } from 'bullmq';
import { slotOf } from '../../lib/index.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../kit/real-cluster.ts';
import { until } from '../kit/until.ts';
import { type Client, makeCluster } from './clients.ts';

// What a server says to a script that meets a key of a slot which is on its way to another node: Redis's own limit,
// the script has run in part. BullMQ makes up for it (stalled jobs), so no client may try such a call again.
const halfMoved = /non local key/;
// What BullMQ says of a job that was being worked on when its master died: the replica may not have heard of its lock.
const goneWithMaster = /^Missing (lock|key) for job/;

class Load {
  /** Jobs as `tag:id`. */
  readonly acknowledged = new Set<string>();
  readonly processed = new Set<string>();
  readonly completed = new Set<string>();
  readonly refused: Error[] = [];
  readonly #client: Client;
  readonly #queues: Queue[];
  readonly #workers: Worker[];
  readonly #events: QueueEvents[];
  #on = true;
  #producing: Promise<unknown> = Promise.resolve();

  constructor(client: Client, tags: readonly string[]) {
    this.#client = client;
    this.#queues = tags.map((tag) => new Queue('load', { connection: client, prefix: `{${tag}}` }));
    this.#workers = tags.map((tag) => this.#worker(tag));
    this.#events = tags.map((tag) => this.#listener(tag));
    const note = (error: Error): void => void this.refused.push(error);
    for (const queue of this.#queues) queue.on('error', note);
    for (const worker of this.#workers) worker.on('error', note);
    for (const events of this.#events) events.on('error', note);
  }

  async start(): Promise<void> {
    await Promise.all([...this.#workers, ...this.#events].map((part) => part.waitUntilReady()));
    this.#producing = Promise.all(this.#queues.map((queue) => this.#produce(queue)));
  }

  /** Resolves when `more` further jobs have been processed. */
  async goesOn(more: number): Promise<void> {
    const goal = this.processed.size + more;
    await until(`${goal} jobs are processed`, () => this.processed.size >= goal);
  }

  /** Stops the producers; resolves when every acknowledged job has been processed and its event has come. */
  async finish(): Promise<void> {
    this.#on = false;
    await this.#producing;
    await until('all acknowledged jobs are done', () => this.missing().length === 0);
  }

  missing(): string[] {
    return [...this.acknowledged].filter((id) => !this.processed.has(id) || !this.completed.has(id));
  }

  async close(): Promise<void> {
    this.#on = false;
    await this.#producing;
    await Promise.all([...this.#workers, ...this.#events].map((part) => part.close()));
    await Promise.all(this.#queues.map((queue) => queue.close()));
    await this.#client.quit();
  }

  #worker(tag: string): Worker {
    const run = async ({ id }: { id?: string }): Promise<void> => void this.processed.add(`{${tag}}:${id}`);
    const quickly = { stalledInterval: 500, lockDuration: 5000, maxStalledCount: 20, drainDelay: 1 };
    return new Worker('load', run, { connection: this.#client, prefix: `{${tag}}`, concurrency: 3, ...quickly });
  }

  #listener(tag: string): QueueEvents {
    const events = new QueueEvents('load', { connection: this.#client, prefix: `{${tag}}`, lastEventId: '0' });
    return events.on('completed', ({ jobId }) => void this.completed.add(`{${tag}}:${jobId}`));
  }

  async #produce(queue: Queue): Promise<void> {
    while (this.#on) {
      try {
        const { id } = await queue.add('work', {}, { removeOnComplete: true });
        this.acknowledged.add(`${queue.opts.prefix}:${id}`);
      } catch (error) {
        this.refused.push(error as Error);
      }
      await pause(5);
    }
  }
}

/** A hash tag for each slot. */
function tagsOf(slots: readonly number[]): string[] {
  const found = new Map<number, string>();
  for (let n = 0; found.size < slots.length; n++) {
    const slot = slotOf(`t${n}`);
    if (slots.includes(slot) && !found.has(slot)) found.set(slot, `t${n}`);
  }
  return [...found.values()];
}

describe('consumers: BullMQ while its queues move', () => {
  let cluster: RealCluster;
  let load: Load | undefined;

  before(async function () {
    needRedisServer(this, 'BullMQ while its queues move');
    cluster = await startRealCluster();
  });
  afterEach(async () => {
    await load?.close();
    load = undefined;
  });
  after(async () => {
    await cluster?.stop();
  });

  const start = async (slots: readonly number[]): Promise<Load> => {
    load = new Load(makeCluster(cluster, { redisOptions: { maxRetriesPerRequest: null } }), tagsOf(slots));
    await load.start();
    await load.goesOn(50);
    return load;
  };

  it('loses no job while slots are resharded', async () => {
    const running = await start([2, 11, 25, 9000]);
    const [first, second, third] = cluster.masters;
    for (const [from, to] of [
      [first!, second!],
      [second!, third!],
    ] as const) {
      const between = ['--cluster-from', from.id, '--cluster-to', to.id];
      await cluster.cli('--cluster', 'reshard', first!.address, ...between, '--cluster-slots', '30', '--cluster-yes');
      assert.equal((await cluster.ownerOf(25)).id, to.id);
      await running.goesOn(100);
    }
    await running.finish();
    assert.deepEqual(running.missing(), []);
    assert.deepEqual(
      running.refused.filter((error) => !halfMoved.test(error.message)),
      [],
    );
  });

  it('loses no job while masters fail over', async () => {
    const running = await start([100, 6000, 12000]);
    for (const replica of cluster.replicas) {
      await replica.ask('cluster', 'failover');
      await until('the replica is master', async () =>
        /role:master/.test(String(await replica.ask('info', 'replication'))),
      );
      await running.goesOn(100);
    }
    await running.finish();
    assert.deepEqual(running.missing(), []);
    assert.deepEqual(running.refused, []);
  });

  it('goes on when a master dies', async () => {
    const running = await start([200]);
    const owner = await cluster.ownerOf(200);
    await owner.kill();
    await until('another node owns the slot', async () => (await cluster.ownerOf(200)) !== owner);
    // The queue is as its new master knows it: what the old one kept to itself is not asked for.
    running.acknowledged.clear();
    await running.goesOn(100);
    await running.finish();
    assert.ok(running.acknowledged.size > 0);
    assert.deepEqual(running.missing(), []);
    assert.deepEqual(
      running.refused.filter((error) => !goneWithMaster.test(error.message)),
      [],
    );
  });
});
