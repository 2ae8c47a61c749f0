// BullMQ over our clients: its scripts, blocking reads and streams, on the cluster and on one node.

import assert from 'node:assert/strict';
import {
  FlowProducer,
  type Job,
  Queue,
  QueueEvents,
  RedisConnection,
  UnrecoverableError,
  Worker,
  type WorkerOptions,
} from 'bullmq';
import { needRedisServer } from '../kit/real-cluster.ts';
import { until } from '../kit/until.ts';
import { type Client, ended, kinds } from './clients.ts';

interface Closable {
  close(): Promise<unknown>;
}

for (const kind of kinds({ maxRetriesPerRequest: null })) {
  describe(`consumers: BullMQ on ${kind.name}`, () => {
    let client: Client;
    let count = 0;
    let name = '';
    let open: Closable[] = [];
    let faults: unknown[] = [];
    // A hash tag keeps the keys of a queue on one slot; each test has a queue, and so a slot, of its own.
    const at = (): { connection: Client; prefix: string } => ({ connection: client, prefix: `{${name}}` });

    function watch<C extends Closable>(part: C): C {
      open.push(part);
      (part as unknown as NodeJS.EventEmitter).on('error', (error) => faults.push(error));
      return part;
    }
    // Every job that is waited for listens to its queue.
    const makeQueue = (): Queue => watch(new Queue(name, at()).setMaxListeners(100));
    const makeWorker = (run: (job: Job) => Promise<unknown>, options: Partial<WorkerOptions> = {}): Worker =>
      watch(new Worker(name, run, { ...at(), drainDelay: 1, ...options }));
    async function makeEvents(): Promise<QueueEvents> {
      // From the stream's start: it is ready before its first XREAD is, and what happens in between would be missed.
      const events = watch(new QueueEvents(name, { ...at(), lastEventId: '0' }));
      await events.waitUntilReady();
      return events;
    }

    before(async function () {
      needRedisServer(this, 'BullMQ');
      await kind.start();
      client = kind.make();
    });
    beforeEach(() => {
      name = `queue${count++}`;
      open = [];
      faults = [];
    });
    afterEach(async () => {
      for (const part of open.reverse()) await part.close();
      assert.deepEqual(faults, []);
    });
    after(() => kind.stop());

    it('runs jobs and gives their results back through QueueEvents', async () => {
      const [queue, events] = [makeQueue(), await makeEvents()];
      makeWorker(async (job) => ({ doubled: job.data.n * 2 }), { concurrency: 5 });
      const jobs = await queue.addBulk(Array.from({ length: 30 }, (_, n) => ({ name: 'double', data: { n } })));
      const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events)));
      assert.deepEqual(
        results,
        Array.from({ length: 30 }, (_, n) => ({ doubled: n * 2 })),
      );
      assert.equal(await queue.getCompletedCount(), 30);
      assert.deepEqual(await queue.getJobCounts('waiting', 'active', 'failed'), { waiting: 0, active: 0, failed: 0 });
    });

    it('wakes a worker that blocks on an empty queue', async () => {
      const [queue, events] = [makeQueue(), await makeEvents()];
      const worker = makeWorker(async (job) => job.data.text, { drainDelay: 30 });
      await worker.waitUntilReady();
      const first = await queue.add('one', { text: 'first' });
      assert.equal(await first.waitUntilFinished(events), 'first');
      const second = await queue.add('two', { text: 'größer ☃' });
      assert.equal(await second.waitUntilFinished(events), 'größer ☃');
    });

    it('keeps delayed jobs until they are due, in order', async () => {
      const [queue, events] = [makeQueue(), await makeEvents()];
      const done: string[] = [];
      makeWorker(async (job) => done.push(job.name));
      const late = await queue.add('late', {}, { delay: 500 });
      const soon = await queue.add('soon', {}, { delay: 200 });
      const now = await queue.add('now', {});
      assert.deepEqual(await Promise.all([late, soon].map((job) => job.getState())), ['delayed', 'delayed']);
      await Promise.all([late, soon, now].map((job) => job.waitUntilFinished(events)));
      assert.deepEqual(done, ['now', 'soon', 'late']);
    });

    it('repeats jobs by scheduler until it is removed', async () => {
      const queue = makeQueue();
      let runs = 0;
      makeWorker(async () => runs++);
      await queue.upsertJobScheduler('tick', { every: 150 }, { name: 'tick', data: {} });
      assert.equal(await queue.getJobSchedulersCount(), 1);
      await until('the job has run three times', () => runs >= 3);
      assert.equal(await queue.removeJobScheduler('tick'), true);
      assert.deepEqual(await queue.getJobSchedulers(), []);
    });

    it('retries with backoff, gives up, and retries by hand', async () => {
      const [queue, events] = [makeQueue(), await makeEvents()];
      let mended = false;
      makeWorker(async (job) => {
        if (job.name === 'hopeless' && !mended) throw new UnrecoverableError('hopeless');
        if (job.attemptsMade < 2 && !mended) throw new Error(`attempt ${job.attemptsMade}`);
        return job.attemptsMade;
      });
      const stubborn = await queue.add('stubborn', {}, { attempts: 3, backoff: { type: 'fixed', delay: 50 } });
      assert.equal(await stubborn.waitUntilFinished(events), 2);
      const hopeless = await queue.add('hopeless', {}, { attempts: 3 });
      await assert.rejects(hopeless.waitUntilFinished(events), /hopeless/);
      const failed = (await queue.getFailed())[0];
      assert.equal(failed?.failedReason, 'hopeless');
      mended = true;
      await failed?.retry();
      await until('the job has been retried', async () => (await hopeless.getState()) === 'completed');
    });

    it('runs a flow: children first, their results to the parent', async () => {
      const events = await makeEvents();
      const flow = watch(new FlowProducer(at()));
      makeWorker(
        async (job) => {
          if (job.name !== 'sum') return job.data.n;
          return Object.values(await job.getChildrenValues()).reduce((sum: number, n) => sum + Number(n), 0);
        },
        { concurrency: 3 },
      );
      const children = [1, 2, 3].map((n) => ({ name: 'leaf', queueName: name, data: { n } }));
      const inner = { name: 'sum', queueName: name, data: {}, children };
      const leaf = { name: 'leaf', queueName: name, data: { n: 10 } };
      const { job } = await flow.add({ name: 'sum', queueName: name, data: {}, children: [inner, leaf] });
      assert.equal(await job.waitUntilFinished(events), 16);
      assert.equal((await job.getDependencies()).unprocessed?.length ?? 0, 0);
    });

    it('reports progress, logs and removed jobs as events', async () => {
      const [queue, events] = [makeQueue(), await makeEvents()];
      const seen: unknown[] = [];
      events.on('progress', ({ data }) => seen.push(data));
      events.on('removed', ({ jobId }) => seen.push(`removed ${jobId}`));
      makeWorker(async (job) => {
        await job.updateProgress(40);
        await job.updateProgress({ step: 2 });
        await job.log('half way');
      });
      const job = await queue.add('work', {}, { jobId: 'mine' });
      await job.waitUntilFinished(events);
      assert.deepEqual((await queue.getJobLogs('mine')).logs, ['half way']);
      await job.remove();
      await until('all events came', () => seen.length === 3);
      assert.deepEqual(seen, [40, { step: 2 }, 'removed mine']);
    });

    it('obeys priorities, pause, rate limit and deduplication', async () => {
      const [queue, events] = [makeQueue(), await makeEvents()];
      await queue.pause();
      const done: number[] = [];
      makeWorker(async (job) => done.push(job.data.p), { limiter: { max: 2, duration: 100 } });
      const jobs = await Promise.all([3, 1, 2].map((p) => queue.add('work', { p }, { priority: p })));
      const same = await queue.add('d', { p: 9 }, { priority: 9, deduplication: { id: 'one' } });
      const twin = await queue.add('d', { p: 9 }, { priority: 9, deduplication: { id: 'one' } });
      assert.equal(twin.id, same.id);
      assert.deepEqual([await queue.isPaused(), done.length], [true, 0]);
      await queue.resume();
      await Promise.all([...jobs, same].map((job) => job.waitUntilFinished(events)));
      assert.deepEqual(done, [1, 2, 3, 9]);
    });

    it('drains, cleans and obliterates, and counts workers', async () => {
      const queue = makeQueue();
      const worker = makeWorker(async () => 'ok');
      await worker.waitUntilReady();
      await queue.addBulk(Array.from({ length: 8 }, () => ({ name: 'work', data: {} })));
      await until('all jobs ran', async () => (await queue.getCompletedCount()) === 8);
      assert.ok((await queue.getWorkers()).length >= 1);
      assert.equal((await queue.clean(0, 5, 'completed')).length, 5);
      await worker.close();
      await queue.add('left', {});
      await queue.drain();
      assert.equal(await queue.getWaitingCount(), 0);
      await queue.obliterate();
      assert.equal(await client.exists(`{${name}}:${name}:meta`), 0);
    });

    it('closes while its workers block, and leaves the client it was given open', async () => {
      const worker = makeWorker(async () => 'ok', { drainDelay: 60 });
      const events = await makeEvents();
      const queue = makeQueue();
      await (await queue.add('one', {})).waitUntilFinished(events);
      await Promise.all([worker.close(), events.close(), queue.close()]);
      assert.equal(await client.ping(), 'PONG');
    });

    it('quits a client it owns', async () => {
      const own = kind.make();
      const connection = new RedisConnection(own, { blocking: true });
      await (await connection.client).info();
      await connection.close();
      await ended(own);
    });
  });
}
