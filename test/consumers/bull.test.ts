// Bull 4, BullMQ's elder: blocking pops, scripts, subscriptions, and connections that are ended and opened again.

import assert from 'node:assert/strict';
import { needRedisServer } from '../kit/real-cluster.ts';
import { until } from '../kit/until.ts';
import { type Client, kinds } from './clients.ts';
import { installed } from './optional.ts';

interface Job {
  readonly data: { readonly n: number };
  readonly attemptsMade: number;
  finished(): Promise<number>;
}

interface Queue {
  on(event: string, listener: (...args: never[]) => void): void;
  setMaxListeners(count: number): void;
  process(concurrency: number, run: (job: Job) => Promise<number>): void;
  add(data: Job['data'], options?: object): Promise<Job>;
  getJobCounts(): Promise<Record<string, number>>;
  getRepeatableJobs(): Promise<unknown[]>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

interface QueueOptions {
  readonly prefix: string;
  readonly createClient: (type: 'client' | 'subscriber' | 'bclient') => Client;
}

type Bull = new (name: string, options: QueueOptions) => Queue;

// What Bull asks of clients that it is lent.
for (const kind of kinds({ maxRetriesPerRequest: null, enableReadyCheck: false })) {
  describe(`consumers: Bull on ${kind.name}`, () => {
    let Bull: Bull;
    let client: Client;
    let subscriber: Client;
    let queue: Queue;
    let count = 0;
    let faults: unknown[] = [];

    before(async function () {
      needRedisServer(this, 'Bull');
      const found = installed<Bull>('bull');
      if (found === undefined) this.skip();
      Bull = found;
      await kind.start();
    });
    beforeEach(() => {
      [client, subscriber] = [kind.make(), kind.make()];
      const lent = { client: () => client, subscriber: () => subscriber, bclient: () => kind.make() };
      queue = new Bull(`queue${count++}`, { prefix: '{bull}', createClient: (type) => lent[type]() });
      faults = [];
      // Every job that is waited for listens to its queue.
      queue.setMaxListeners(100);
      queue.on('error', (error: never) => faults.push(error));
    });
    afterEach(async () => {
      await queue?.close();
      assert.deepEqual(faults, []);
    });
    after(() => kind.stop());

    it('runs jobs, delayed ones and urgent ones, and gives their results', async () => {
      queue.process(3, async (job) => job.data.n * 2);
      const jobs = await Promise.all([
        ...Array.from({ length: 20 }, (_, n) => queue.add({ n })),
        queue.add({ n: 100 }, { delay: 100 }),
        queue.add({ n: 200 }, { priority: 1 }),
      ]);
      const results = await Promise.all(jobs.map((job) => job.finished()));
      assert.deepEqual(results, [...Array.from({ length: 20 }, (_, n) => n * 2), 200, 400]);
      assert.equal((await queue.getJobCounts())['completed'], 22);
    });

    it('tries again what failed', async () => {
      const tries: number[] = [];
      queue.process(1, async (job) => {
        tries.push(job.attemptsMade);
        if (tries.length < 3) throw new Error('not yet');
        return job.data.n;
      });
      const job = await queue.add({ n: 7 }, { attempts: 3, backoff: 10 });
      assert.equal(await job.finished(), 7);
      assert.deepEqual(tries, [0, 1, 2]);
    });

    it('repeats jobs and pauses', async () => {
      let runs = 0;
      queue.process(1, async () => ++runs);
      await queue.add({ n: 1 }, { repeat: { every: 50, limit: 2 } });
      assert.equal((await queue.getRepeatableJobs()).length, 1);
      await until('both repetitions', () => runs === 2);
      await queue.pause();
      await queue.add({ n: 1 });
      assert.equal((await queue.getJobCounts())['paused'], 1);
      await queue.resume();
      await until('the job after the pause', () => runs === 3);
    });
  });
}
