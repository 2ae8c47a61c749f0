// A stream with a consumer group: every entry to one consumer, acknowledged when it is done, claimed when one dies.
import { Cluster } from 'lingcache';
import { startCluster } from 'lingcache/server';

const bundled = await startCluster();
const cluster = new Cluster(bundled.seeds);
const [stream, group] = ['orders', 'billing'];

type Entries = [id: string, fields: string[]][];
type Read = [stream: string, entries: Entries][] | null;

await cluster.xgroup('CREATE', stream, group, '0', 'MKSTREAM');

async function consume(
  consumer: string,
  bill: (order: string) => void,
  crashAfter = Number.POSITIVE_INFINITY,
): Promise<void> {
  let done = 0;
  for (;;) {
    const read = (await cluster.xreadgroup(
      'GROUP',
      group,
      consumer,
      'COUNT',
      10,
      'BLOCK',
      100,
      'STREAMS',
      stream,
      '>',
    )) as Read;
    if (read === null) return;
    for (const [id, fields] of read[0]?.[1] ?? []) {
      if (done++ === crashAfter) return; // as if killed: what it has read stays pending
      bill(fields[1]!);
      await cluster.xack(stream, group, id);
    }
  }
}

await Promise.all(Array.from({ length: 100 }, (_, at) => cluster.xadd(stream, '*', 'order', `order ${at}`)));
const billed: string[] = [];
await Promise.all([consume('one', (order) => billed.push(order)), consume('two', (order) => billed.push(order), 12)]);
console.log(`${billed.length} orders billed, consumer two died with some in its hands`);

// Entries that nobody acknowledged for 50 ms go to who asks for them.
await new Promise((resolve) => setTimeout(resolve, 60));
const [, claimed] = (await cluster.xautoclaim(stream, group, 'one', 50, '0-0')) as [string, Entries];
for (const [id, fields] of claimed) {
  billed.push(fields[1]!);
  await cluster.xack(stream, group, id);
}
console.log(
  `${claimed.length > 0 ? 'the rest was claimed' : 'nothing was left'}: ${new Set(billed).size} of 100 billed`,
);
const [pending] = (await cluster.xpending(stream, group)) as [number];
console.log(`pending: ${pending}`);

await cluster.quit();
await bundled.close();
