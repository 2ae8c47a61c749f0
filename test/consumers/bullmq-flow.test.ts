// BullMQ's flows on a single server: trees of jobs over several queues, whose keys are in slots of their own.

import assert from 'node:assert/strict';
import { FlowProducer, type Job, Queue, QueueEvents, Worker } from 'bullmq';
import { needRedisServer } from '../kit/real-cluster.ts';
import { until } from '../kit/until.ts';
import { type Client, kinds } from './clients.ts';

interface Closable {
  close(): Promise<unknown>;
}

for (const redis of kinds({ maxRetriesPerRequest: null }).filter(({ single }) => single)) {
  describe(`consumers: flows of BullMQ over several queues, ${redis.name}`, () => {
    let client: Client;
    let open: Closable[] = [];
    let faults: unknown[] = [];

    function watch<C extends Closable>(part: C): C {
      open.push(part);
      (part as unknown as NodeJS.EventEmitter).on('error', (error) => faults.push(error));
      return part;
    }
    const queue = (name: string): Queue => watch(new Queue(name, { connection: client }));
    const worker = (name: string, run: (job: Job) => Promise<unknown>): Worker =>
      watch(new Worker(name, run, { connection: client, drainDelay: 1 }));
    async function events(name: string): Promise<QueueEvents> {
      const made = watch(new QueueEvents(name, { connection: client, lastEventId: '0' }));
      await made.waitUntilReady();
      return made;
    }
    const sum = async (job: Job): Promise<number> =>
      Object.values(await job.getChildrenValues<number>()).reduce((total, n) => total + n, 0);

    before(async function () {
      needRedisServer(this, 'BullMQ');
      await redis.start();
      client = redis.make();
    });
    beforeEach(async () => {
      await client.flushall();
      [open, faults] = [[], []];
    });
    afterEach(async () => {
      for (const part of open.reverse()) await part.close();
      assert.deepEqual(faults, []);
    });
    after(() => redis.stop());

    it('a parent waits for children in two other queues', async () => {
      const done = await events('parents');
      worker('lefts', async (job) => job.data.n);
      worker('rights', async (job) => job.data.n * 10);
      worker('parents', sum);
      const flow = watch(new FlowProducer({ connection: client }));
      const { job, children } = await flow.add({
        name: 'total',
        queueName: 'parents',
        children: [
          { name: 'a', queueName: 'lefts', data: { n: 1 } },
          { name: 'b', queueName: 'rights', data: { n: 2 } },
          { name: 'c', queueName: 'lefts', data: { n: 3 } },
        ],
      });
      assert.equal(children?.length, 3);
      assert.equal(await job.waitUntilFinished(done), 24);
      assert.deepEqual(await job.getDependenciesCount(), { processed: 3, unprocessed: 0, ignored: 0, failed: 0 });
    });

    it('trees of three levels, many at once', async () => {
      const done = await events('top');
      const count = 20;
      worker('leaves', async (job) => job.data.n);
      worker('middle', sum);
      worker('top', sum);
      const flow = watch(new FlowProducer({ connection: client }));
      const leaf = (n: number): object => ({ name: 'leaf', queueName: 'leaves', data: { n } });
      const trees = await flow.addBulk(
        Array.from({ length: count }, (_, n) => ({
          name: 'top',
          queueName: 'top',
          children: [
            { name: 'one', queueName: 'middle', children: [leaf(n), leaf(1)] },
            { name: 'two', queueName: 'middle', children: [leaf(100), leaf(1000)] },
          ] as never,
        })),
      );
      const totals = await Promise.all(trees.map(({ job }) => job.waitUntilFinished(done)));
      assert.deepEqual(
        totals,
        Array.from({ length: count }, (_, n) => n + 1101),
      );
      assert.equal(await queue('leaves').getCompletedCount(), 4 * count);
    });

    it('is read back, and removed with its children', async () => {
      const flow = watch(new FlowProducer({ connection: client }));
      const { job } = await flow.add({
        name: 'root',
        queueName: 'roots',
        children: [
          { name: 'child', queueName: 'twigs', data: { n: 1 }, children: [{ name: 'grandchild', queueName: 'buds' }] },
        ],
      });
      const tree = await flow.getFlow({ id: job.id!, queueName: 'roots' });
      assert.equal(tree?.children?.[0]?.children?.[0]?.job.name, 'grandchild');
      assert.equal(await queue('roots').getWaitingChildrenCount(), 1);
      await job.remove();
      const left = await Promise.all(['roots', 'twigs', 'buds'].map((name) => queue(name).getJobCountByTypes()));
      assert.deepEqual(left, [0, 0, 0]);
    });

    it('a child that fails for good fails its parent', async () => {
      worker('weak', async () => {
        throw new Error('no more');
      });
      const parents = queue('stern');
      const flow = watch(new FlowProducer({ connection: client }));
      worker('stern', sum);
      const { job } = await flow.add({
        name: 'parent',
        queueName: 'stern',
        children: [{ name: 'child', queueName: 'weak', opts: { failParentOnFailure: true } }],
      });
      await until('the parent has failed', async () => (await parents.getFailedCount()) === 1);
      assert.match((await parents.getJob(job.id!))!.failedReason!, /child .* failed/);
    });
  });
}
