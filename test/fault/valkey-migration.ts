// What Valkey 9 does to writes that come while it migrates slots by itself, where keys of several databases are in them. No
// mover of ours is at work: two plain connections, CLUSTER MIGRATESLOTS, and a count. Exit code 1 when writes were lost,
// 0 when none were: then the mover need not go key by key there (server/operator/reshard/atomic).
//
//   npm run proof:valkey-migration

import { slotOf } from '../../lib/wire/slot.ts';
import { startRealCluster } from '../kit/real-cluster.ts';
import { RespClient } from '../kit/resp-client.ts';
import { findServer } from '../kit/servers.ts';
import { until } from '../kit/until.ts';

const tagCount = 40;
const lastDatabase = 15;

async function connect(port: number, database: number): Promise<RespClient> {
  const client = await RespClient.connect(port);
  await client.call('SELECT', String(database));
  return client;
}

async function run(server: string): Promise<number> {
  const real = await startRealCluster({ server, masters: 2, replicas: 0, config: { 'cluster-databases': '16' } });
  try {
    const [source, target] = real.masters as [(typeof real.masters)[0], (typeof real.masters)[0]];
    const tags: string[] = [];
    for (let at = 0; tags.length < tagCount; at++) {
      if ((await real.ownerOf(slotOf(`t${at}`))).id === source.id) tags.push(`t${at}`);
    }
    const first = await connect(source.port, 0);
    const last = await connect(source.port, lastDatabase);
    for (const tag of tags) {
      for (let at = 0; at < 50; at++) await last.call('SET', `{${tag}}:last:${at}`, 'x'.repeat(2000));
      await first.call('SET', `{${tag}}:first`, '0');
    }
    const acknowledged = new Map<string, number>();
    let writes = 0;
    let stopped = false;
    const writing = (async (): Promise<void> => {
      while (!stopped) {
        const key = `{${tags[writes % tags.length]!}}:first`;
        const number = ++writes;
        const reply = await first.call('SET', key, String(number));
        if (reply === 'OK') acknowledged.set(key, number);
      }
    })();
    const slots = [...new Set(tags.map((tag) => slotOf(tag)))].flatMap((slot) => [String(slot), String(slot)]);
    await source.ask('cluster', 'migrateslots', 'slotsrange', ...slots, 'node', target.id);
    await until('the slots have moved', async () =>
      /success|failed|cancel/i.test(JSON.stringify(await source.ask('cluster', 'getslotmigrations'))),
    );
    stopped = true;
    await writing;
    const [there, beside] = [await connect(target.port, 0), await connect(target.port, lastDatabase)];
    const strays = ((await beside.call('KEYS', '*:first')) as string[]).length;
    let older = 0;
    for (const [key, number] of acknowledged) if (Number(await there.call('GET', key)) < number) older++;
    for (const client of [first, last, there, beside]) client.close();
    const jobs = JSON.stringify(await source.ask('cluster', 'getslotmigrations'));
    console.log(`${writes} writes to database 0; migration: ${/success|failed|cancel\w*/i.exec(jobs)?.[0]}`);
    console.log(`keys of database 0 in database ${lastDatabase}: ${strays}; older than acknowledged: ${older}`);
    return older + strays;
  } finally {
    await real.stop();
  }
}

const server = findServer('valkey-9');
if (server === undefined) throw new Error('valkey-9 is missing: scripts/servers.sh valkey-9');
// What is waited for keeps no process alive by itself.
const awake = setInterval(() => undefined, 60_000);
process.exitCode = (await run(server)) > 0 ? 1 : 0;
clearInterval(awake);
