// A work queue that loses no job: BLMOVE takes a job and notes it as under way in one step; a worker that dies leaves it
// in its list, from where the sweeper puts it back.
import { Cluster } from 'lingcache';
import { startCluster } from 'lingcache/server';

const bundled = await startCluster();
const cluster = new Cluster(bundled.seeds);

// One hash tag: all lists of a queue are in one slot, so that a job moves between them in one command.
const waiting = '{mail}:waiting';
const workingOf = (worker: string) => `{mail}:working:${worker}`;

async function work(worker: string, dieAt = Number.POSITIVE_INFINITY): Promise<string[]> {
  const done: string[] = [];
  for (;;) {
    // Blocking calls have a connection of their own: nobody waits behind them.
    const job = await cluster.blmove(waiting, workingOf(worker), 'RIGHT', 'LEFT', 0.2);
    if (job === null) return done;
    if (done.length === dieAt) return done; // as if killed with the job in its hands
    done.push(job);
    await cluster.lrem(workingOf(worker), 1, job);
  }
}

async function sweep(worker: string): Promise<number> {
  let count = 0;
  while ((await cluster.lmove(workingOf(worker), waiting, 'RIGHT', 'RIGHT')) !== null) count++;
  return count;
}

const jobs = Array.from({ length: 50 }, (_, at) => `mail ${at}`);
await cluster.lpush(waiting, ...jobs);
const [one, two] = await Promise.all([work('one'), work('two', 5)]);
console.log(`worker one did ${one.length} jobs, worker two died after ${two.length}`);
console.log(`the sweeper put back ${await sweep('two')} job`);
const rest = await work('three');
const distinct = new Set([...one, ...two, ...rest]).size;
console.log(`${distinct} of ${jobs.length} jobs were done`);

await cluster.quit();
await bundled.close();
