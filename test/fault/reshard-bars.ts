// How long it takes to move slots of real servers, ours beside theirs, in turns and each on a cluster of its own:
// - on redis-server 7.0: `redis-cli --cluster reshard` and `lingcache reshard` move 2,000 slots of 30,000 keys under load;
//   ours is to be 5 times as quick at least, no call may fail, and the slowest of a thousand calls not be slower;
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
const main = fileURLToPath(new URL('../../server/tools/main.js', import.meta.url));

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

type Mover = (real: RealCluster, source: RealNode, target: RealNode) => Promise<unknown>;

/** Moves the first slots of a new cluster; rejects unless all of them arrived with every key. */
async function measure(server: ServerName, name: string, move: Mover): Promise<Measured> {
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
      const work = (): Promise<unknown> => move(real, source, target);
      const begun = performance.now();
      const seen = load === undefined ? undefined : await load.during(work);
      if (seen === undefined) await work();
      const tookMs = seen?.tookMs ?? performance.now() - begun;
      await checkMoved(real, target);
      const measured = { tookMs: Math.round(tookMs), p999Ms: seen?.p999Ms ?? 0, failed: seen?.failed ?? 0 };
      const rate =
        seen === undefined
          ? ''
          : `, clients ${Math.round(seen.perSecond)} calls/s, p99.9 ${seen.p999Ms} ms, ${seen.failed} failed`;
      console.log(`${server}, ${name}: ${slots} slots in ${(tookMs / 1000).toFixed(2)} s${rate}`);
      return measured;
    } finally {
      await load?.stop();
    }
  } finally {
    await real.stop();
  }
}

async function checkMoved(real: RealCluster, target: RealNode): Promise<void> {
  const rows = (await target.ask('cluster', 'slots')) as [number, number, [string, number]][];
  const owned = rows.reduce((sum, [start, end, [, port]]) => sum + (port === target.port ? end - start + 1 : 0), 0);
  const sizes = await Promise.all(real.nodes.map((node) => node.ask('dbsize')));
  const found = sizes.reduce<number>((sum, size) => sum + Number(size), 0);
  const before = Math.floor(16_384 / 3);
  if (owned < before + slots || found !== keys)
    throw new Error(`${owned} slots at the target, ${found} of ${keys} keys`);
}

const byRedisCli: Mover = (_real, source, target) =>
  run(
    'redis-cli',
    [
      ...['--cluster', 'reshard', source.address, '--cluster-from', source.id, '--cluster-to', target.id],
      ...['--cluster-slots', String(slots), '--cluster-yes'],
    ],
    { maxBuffer: 64 << 20 },
  );

const byLingcache: Mover = async (_real, source, target) => {
  const state = mkdtempSync(join(tmpdir(), 'lingcache-bars-'));
  const line = ['reshard', source.address, '--from', source.id, '--to', target.id, '--slots', String(slots), '--yes'];
  try {
    await run(process.execPath, [main, ...line, '--keep-throughput', 'never', '--json'], {
      env: { ...process.env, XDG_STATE_HOME: state },
      maxBuffer: 64 << 20,
    });
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
};

const byServers: Mover = async (_real, source, target) => {
  await source.ask('cluster', 'migrateslots', 'slotsrange', '0', String(slots - 1), 'node', target.id);
  for (;;) {
    const [job] = (await source.ask('cluster', 'getslotmigrations')) as unknown[][];
    const fields = (job ?? []).map(String);
    const state = fields[fields.indexOf('state') + 1];
    if (state === 'success') return;
    if (state === 'failed' || state === 'cancelled') throw new Error(`the migration ${state}: ${fields.join(' ')}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const byEngine: Mover = async (real, _source, target) => {
  const link = new ClusterLink({ seeds: real.seeds, world: new RealWorld() });
  const engine = new MoveEngine(link, { concurrency: 256 });
  try {
    const orders = Array.from({ length: slots }, (_, slot) => ({ slot, target: target.id }));
    const failed = (await engine.moveAll(orders)).find(({ phase }) => phase !== 'done');
    if (failed !== undefined) throw new Error(`slot ${failed.slot}: ${failed.error}`);
  } finally {
    await engine.close();
    link.close();
  }
};

const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1]!;

interface Pair {
  readonly theirs: Measured[];
  readonly ours: Measured[];
}

/** Other work on the machine comes and goes: each goes first as often as the other. */
async function inTurns(server: ServerName, theirs: [string, Mover], ours: [string, Mover]): Promise<Pair> {
  const pair: Pair = { theirs: [], ours: [] };
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? (['theirs', 'ours'] as const) : (['ours', 'theirs'] as const);
    for (const side of order) pair[side].push(await measure(server, ...(side === 'ours' ? ours : theirs)));
  }
  return pair;
}

const medians = ({ theirs, ours }: Pair): [theirs: number, ours: number] => [
  median(theirs.map(({ tookMs }) => tookMs)),
  median(ours.map(({ tookMs }) => tookMs)),
];

// Children and sockets that are waited for keep no process alive by themselves.
const awake = setInterval(() => undefined, 60_000);
let missed = false;
const judge = (text: string, held: boolean): void => {
  console.log(`${text}: ${held ? 'held' : 'missed'}`);
  missed ||= !held;
};
if (values.only !== 'valkey-9') {
  const pair = await inTurns('redis-7', ['redis-cli reshard', byRedisCli], ['lingcache reshard', byLingcache]);
  const [theirs, ours] = medians(pair);
  judge(
    `redis-cli ${theirs} ms, lingcache ${ours} ms: ${(theirs / ours).toFixed(2)} times as quick, 5 wanted`,
    theirs >= 5 * ours,
  );
  const slow = ({ p999Ms }: Measured): number => p999Ms;
  const [theirSlow, ourSlow] = [median(pair.theirs.map(slow)), median(pair.ours.map(slow))];
  judge(`p99.9 of calls meanwhile: redis-cli ${theirSlow} ms, lingcache ${ourSlow} ms`, ourSlow <= theirSlow);
  judge(
    'no call failed',
    pair.ours.every(({ failed }) => failed === 0),
  );
}
if (values.only !== 'redis-7') {
  const [theirs, ours] = medians(await inTurns('valkey-9', ['MIGRATESLOTS', byServers], ['our engine', byEngine]));
  judge(
    `MIGRATESLOTS ${theirs} ms, our engine ${ours} ms: ${(ours / theirs).toFixed(2)} times as long, 1.5 allowed`,
    ours <= 1.5 * theirs,
  );
}
clearInterval(awake);
process.exitCode = missed ? 1 : 0;
