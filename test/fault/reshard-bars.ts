// How long it takes to move slots of real servers, ours beside theirs, in turns and each on a cluster of its own:
// - on redis-server 7.0: `redis-cli --cluster reshard` and `lingcache reshard` move 2,000 slots of 30,000 keys under load;
//   ours is to be 5 times as quick at least, and no call may fail; where clients are to keep 0.9 of their throughput
//   (`--keep-throughput 0.9`, a quarter of the slots) the slowest of a thousand calls is not to be slower than meanwhile
//   with redis-cli. The same by the engine, without the start of a process, is shown beside it;
// - on Valkey 9: its own CLUSTER MIGRATESLOTS and our engine, which has it do so; at most 1.5 times as long.
// `npm run proof:reshard-bars -- --rounds 3 --slots 2000 --keys 30000 --lanes 8 --only redis-7|valkey-9`. Times of command lines
// are of the whole process. The exit code is 1 where a bar is missed.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { RealWorld } from '../../lib/base/world.ts';
import { Cluster } from '../../lib/index.ts';
import { ClusterLink } from '../../server/operator/link/cluster-link.ts';
import { MoveEngine } from '../../server/operator/reshard/reshard.ts';
import { type RealCluster, type RealNode, startRealCluster } from '../kit/real-cluster.ts';
import { findServer, type ServerName } from '../kit/servers.ts';
import { until } from '../kit/until.ts';
import { ClientLoad } from './client-load.ts';

const run = promisify(execFile);
/** What the package installs as `lingcache`. */
const main = fileURLToPath(new URL('../../../dist/main.cjs', import.meta.url));

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    slots: { type: 'string', default: '2000' },
    keys: { type: 'string', default: '30000' },
    lanes: { type: 'string', default: '8' },
    only: { type: 'string' },
  },
});
const [rounds, slots, keys, lanes] = [values.rounds, values.slots, values.keys, values.lanes].map(Number) as [
  number,
  number,
  number,
  number,
];

interface Measured {
  readonly tookMs: number;
  readonly p999Ms: number;
  readonly failed: number;
}

type Mover = (real: RealCluster, source: RealNode, target: RealNode, count: number) => Promise<unknown>;

/** Moves the first slots of a new cluster; rejects unless all of them arrived with every key. */
async function measure(server: ServerName, name: string, move: Mover, count: number): Promise<Measured> {
  const program = findServer(server);
  if (program === undefined) throw new Error(`${server} is missing: scripts/servers.sh ${server}`);
  const real = await startRealCluster({
    server: program,
    masters: 3,
    replicas: 0,
    config: { 'cluster-node-timeout': '15000' },
  });
  try {
    const client = new Cluster(real.seeds);
    for (let at = 0; at < keys; at += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, next) => client.set(`key:${at + next}`, `value:${at + next}`)));
    }
    client.disconnect();
    const load = lanes > 0 ? new ClientLoad({ seeds: real.seeds, lanes, keys }) : undefined;
    try {
      if (load !== undefined) await until('clients are served', async () => (await load.counts()).done > 1000);
      const [source, target] = real.masters as [RealNode, RealNode];
      const work = (): Promise<unknown> => move(real, source, target, count);
      const begun = performance.now();
      const seen = load === undefined ? undefined : await load.during(work);
      if (seen === undefined) await work();
      const tookMs = seen?.tookMs ?? performance.now() - begun;
      await checkMoved(real, target, count);
      const measured = { tookMs: Math.round(tookMs), p999Ms: seen?.p999Ms ?? 0, failed: seen?.failed ?? 0 };
      const rate =
        seen === undefined
          ? ''
          : `, clients ${Math.round(seen.perSecond)} calls/s, p99.9 ${seen.p999Ms} ms, ${seen.failed} failed`;
      console.log(`${server}, ${name}: ${count} slots in ${(tookMs / 1000).toFixed(2)} s${rate}`);
      return measured;
    } finally {
      await load?.stop();
    }
  } finally {
    await real.stop();
  }
}

async function checkMoved(real: RealCluster, target: RealNode, count: number): Promise<void> {
  const rows = (await target.ask('cluster', 'slots')) as [number, number, [string, number]][];
  const owned = rows.reduce((sum, [start, end, [, port]]) => sum + (port === target.port ? end - start + 1 : 0), 0);
  const sizes = await Promise.all(real.nodes.map((node) => node.ask('dbsize')));
  const found = sizes.reduce<number>((sum, size) => sum + Number(size), 0);
  const before = Math.floor(16_384 / 3);
  if (owned < before + count || found !== keys)
    throw new Error(`${owned} slots at the target, ${found} of ${keys} keys`);
}

const byRedisCli: Mover = (_real, source, target, count) =>
  run(
    'redis-cli',
    [
      ...['--cluster', 'reshard', source.address, '--cluster-from', source.id, '--cluster-to', target.id],
      ...['--cluster-slots', String(count), '--cluster-yes'],
    ],
    { maxBuffer: 64 << 20 },
  );

const byLingcache =
  (keep: string): Mover =>
  async (_real, source, target, count) => {
    const state = mkdtempSync(join(tmpdir(), 'lingcache-bars-'));
    const line = ['reshard', source.address, '--from', source.id, '--to', target.id, '--slots', String(count), '--yes'];
    try {
      await run(process.execPath, [main, ...line, '--keep-throughput', keep, '--json'], {
        env: { ...process.env, XDG_STATE_HOME: state },
        maxBuffer: 64 << 20,
      });
    } finally {
      rmSync(state, { recursive: true, force: true });
    }
  };

const byServers: Mover = async (_real, source, target, count) => {
  await source.ask('cluster', 'migrateslots', 'slotsrange', '0', String(count - 1), 'node', target.id);
  for (;;) {
    const [job] = (await source.ask('cluster', 'getslotmigrations')) as unknown[][];
    const fields = (job ?? []).map(String);
    const state = fields[fields.indexOf('state') + 1];
    if (state === 'success') return;
    if (state === 'failed' || state === 'cancelled') throw new Error(`the migration ${state}: ${fields.join(' ')}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const byEngine: Mover = async (real, source, target, count) => {
  const link = new ClusterLink({ seeds: real.seeds, world: new RealWorld() });
  const engine = new MoveEngine(link, { concurrency: 256 });
  try {
    const first = (await link.view()).find(({ id }) => id === source.id)!.ranges[0]![0];
    const orders = Array.from({ length: count }, (_, at) => ({ slot: first + at, target: target.id }));
    const failed = (await engine.moveAll(orders)).find(({ phase }) => phase !== 'done');
    if (failed !== undefined) throw new Error(`slot ${failed.slot}: ${failed.error}`);
  } finally {
    await engine.close();
    link.close();
  }
};

const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1]!;

interface Side {
  readonly name: string;
  readonly move: Mover;
  readonly count: number;
}

/** Other work on the machine comes and goes: each goes first as often as the others. */
async function inTurns<K extends string>(
  server: ServerName,
  sides: Readonly<Record<K, Side>>,
): Promise<Record<K, Measured[]>> {
  const names = Object.keys(sides) as K[];
  const found = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<K, Measured[]>;
  for (let round = 0; round < rounds; round++) {
    for (let at = 0; at < names.length; at++) {
      const name = names[(at + round) % names.length]!;
      const { name: text, move, count } = sides[name];
      found[name].push(await measure(server, text, move, count));
    }
  }
  return found;
}

const tookMs = (list: readonly Measured[]): number => median(list.map((one) => one.tookMs));
const slowMs = (list: readonly Measured[]): number => median(list.map(({ p999Ms }) => p999Ms));

// Children and sockets that are waited for keep no process alive by themselves.
const awake = setInterval(() => undefined, 60_000);
let missed = false;
const judge = (text: string, held: boolean): void => {
  console.log(`${text}: ${held ? 'held' : 'missed'}`);
  missed ||= !held;
};
if (values.only !== 'valkey-9') {
  const { theirs, ours, engine, kept } = await inTurns('redis-7', {
    theirs: { name: 'redis-cli reshard', move: byRedisCli, count: slots },
    ours: { name: 'lingcache reshard', move: byLingcache('never'), count: slots },
    engine: { name: 'the engine alone', move: byEngine, count: slots },
    kept: { name: 'lingcache reshard --keep-throughput 0.9', move: byLingcache('0.9'), count: slots >> 2 },
  });
  const times = (list: readonly Measured[]): string => (tookMs(theirs) / tookMs(list)).toFixed(2);
  judge(
    `redis-cli ${tookMs(theirs)} ms, lingcache ${tookMs(ours)} ms: ${times(ours)} times as quick, 5 wanted`,
    tookMs(theirs) >= 5 * tookMs(ours),
  );
  console.log(`the engine alone ${tookMs(engine)} ms: ${times(engine)} times as quick`);
  judge(
    `p99.9 of calls where clients keep 0.9: ${slowMs(kept)} ms, with redis-cli ${slowMs(theirs)} ms`,
    slowMs(kept) <= slowMs(theirs),
  );
  console.log(`p99.9 of calls at full speed: ${slowMs(ours)} ms`);
  judge(
    'no call failed',
    [...ours, ...engine, ...kept].every(({ failed }) => failed === 0),
  );
}
if (values.only !== 'redis-7') {
  const { theirs, ours } = await inTurns('valkey-9', {
    theirs: { name: 'MIGRATESLOTS', move: byServers, count: slots },
    ours: { name: 'our engine', move: byEngine, count: slots },
  });
  const share = (tookMs(ours) / tookMs(theirs)).toFixed(2);
  judge(
    `MIGRATESLOTS ${tookMs(theirs)} ms, our engine ${tookMs(ours)} ms: ${share} times as long, 1.5 allowed`,
    tookMs(ours) <= 1.5 * tookMs(theirs),
  );
}
clearInterval(awake);
process.exitCode = missed ? 1 : 0;
