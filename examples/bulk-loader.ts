// Loads lines of JSON as fast as the cluster takes them: pipelines over all slots, a bounded number of them in flight.
import { Cluster, QueueFullError } from 'lingcache';
import { startCluster } from 'lingcache/server';

const bundled = await startCluster();
// A limit on waiting commands: a source that is faster than the cluster has to wait, and memory stays flat.
const cluster = new Cluster(bundled.seeds, { maxQueueBytes: 32 << 20 });
const [batchSize, inFlight] = [1000, 4];

async function* source(lines: number): AsyncGenerator<string> {
  for (let at = 0; at < lines; at++) yield JSON.stringify({ id: at, name: `user ${at}` });
}

async function load(lines: AsyncIterable<string>): Promise<{ loaded: number; failed: string[] }> {
  const outcome = { loaded: 0, failed: [] as string[] };
  const running = new Set<Promise<void>>();
  let batch: { id: number; line: string }[] = [];
  const flush = async () => {
    if (batch.length === 0) return;
    const mine = batch;
    batch = [];
    const sending = send(mine, outcome).finally(() => running.delete(sending));
    running.add(sending);
    if (running.size >= inFlight) await Promise.race(running);
  };
  for await (const line of lines) {
    batch.push({ id: (JSON.parse(line) as { id: number }).id, line });
    if (batch.length === batchSize) await flush();
  }
  await flush();
  await Promise.all(running);
  return outcome;
}

async function send(
  batch: { id: number; line: string }[],
  outcome: { loaded: number; failed: string[] },
): Promise<void> {
  const pipeline = cluster.pipeline();
  for (const { id, line } of batch) pipeline.set(`user:${id}`, line);
  for (const [error] of (await pipeline.exec()) ?? []) {
    if (error === null) outcome.loaded++;
    else outcome.failed.push(error instanceof QueueFullError ? 'queue full' : error.message);
  }
}

const { loaded, failed } = await load(source(20_000));
console.log(`${loaded} loaded, ${failed.length} failed`);
const sizes = await Promise.all(cluster.nodes('master').map((node) => node.dbsize()));
console.log(`${sizes.reduce((sum, size) => sum + size, 0)} keys on ${sizes.length} masters`);

await cluster.quit();
await bundled.close();
