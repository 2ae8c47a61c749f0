// From a single Redis to a cluster: SCAN, DUMP and RESTORE with the time to live, in pipelines; then every key is compared.
import { Cluster, Redis } from 'lingcache';
import { startCluster, startNode } from 'lingcache/server';

const old = await startNode();
const bundled = await startCluster();
const source = new Redis({ host: old.host, port: old.port });
const target = new Cluster(bundled.seeds);

const seeding = source.pipeline();
for (let at = 0; at < 2000; at++) seeding.set(`user:${at}`, `name ${at}`);
for (let at = 0; at < 200; at++) seeding.zadd(`board:${at}`, at, 'a', at + 1, 'b').pexpire(`board:${at}`, 60_000 + at);
await seeding.exec();

interface Report {
  copied: number;
  gone: number;
}

async function copy(): Promise<Report> {
  const report = { copied: 0, gone: 0 };
  for await (const keys of source.scanStream({ count: 500 }) as AsyncIterable<string[]>) {
    const reading = source.pipeline();
    for (const key of keys) reading.dumpBuffer(key).pttl(key);
    const read = (await reading.exec()) ?? [];
    const writing = target.pipeline();
    for (const [at, key] of keys.entries()) {
      const [[dumpError, payload], [, ttl]] = [read[at * 2]!, read[at * 2 + 1]!] as [
        [Error | null, Buffer | null],
        [null, number],
      ];
      if (dumpError !== null) throw dumpError;
      // A key may expire or be deleted between SCAN and DUMP.
      if (payload === null) report.gone++;
      else writing.restore(key, Math.max(0, ttl), payload, 'REPLACE');
    }
    for (const [error] of (await writing.exec()) ?? []) {
      if (error !== null) throw error;
      report.copied++;
    }
  }
  return report;
}

async function different(): Promise<string[]> {
  const wrong: string[] = [];
  for await (const keys of source.scanStream({ count: 500 }) as AsyncIterable<string[]>) {
    const [mine, theirs] = [source.pipeline(), target.pipeline()];
    for (const key of keys) {
      mine.dumpBuffer(key);
      theirs.dumpBuffer(key);
    }
    const [before, after] = [(await mine.exec()) ?? [], (await theirs.exec()) ?? []];
    for (const [at, key] of keys.entries()) {
      const [one, other] = [before[at]![1] as Buffer | null, after[at]![1] as Buffer | null];
      if (one === null || other === null || !one.equals(other)) wrong.push(key);
    }
  }
  return wrong;
}

const { copied, gone } = await copy();
console.log(`${copied} keys copied, ${gone} were gone before they could be read`);
console.log(
  `${(await different()).length} differ; board:7 still has a time to live: ${(await target.pttl('board:7')) > 0}`,
);

await Promise.all([source.quit(), target.quit()]);
await old.kill();
await bundled.close();
