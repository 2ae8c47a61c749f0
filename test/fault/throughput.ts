// What clients get while slots of a busy cluster of redis-server move, with and without `--keep-throughput`, in turns:
// `npm run proof:throughput -- --server redis-7 --rounds 2 --slots 1000 --keys 30000 --keep 0.9 --lanes 64 --decisions`.
// Prints the clients' own count before and meanwhile, how long the move took and what the engine measured. On a machine
// with other work the two sides are measured close together, and the better part of the difference is noise.

import { parseArgs } from 'node:util';
import { RealWorld } from '../../lib/base/world.ts';
import { ClusterLink } from '../../server/operator/link/cluster-link.ts';
import { MoveEngine, type MoveEngineOptions } from '../../server/operator/reshard/reshard.ts';
import { startRealCluster } from '../kit/real-cluster.ts';
import { findServer, type ServerName } from '../kit/servers.ts';
import { ClientLoad } from './client-load.ts';

interface Options {
  readonly server: ServerName;
  readonly slots: number;
  readonly keys: number;
  readonly keep: number;
  readonly lanes: number;
  readonly decisions: boolean;
}

const steadyMs = 4000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function measure(keepThroughput: MoveEngineOptions['keepThroughput'], options: Options): Promise<number> {
  const real = await startRealCluster({ server: findServer(options.server)!, masters: 3, replicas: 0 });
  const link = new ClusterLink({ seeds: real.seeds, world: new RealWorld() });
  const load = new ClientLoad({ seeds: real.seeds, ...options });
  try {
    await sleep(1000);
    const before = await load.during(() => sleep(steadyMs));
    const view = await link.view();
    const source = view.find(({ ranges }) => ranges.some(([start]) => start === 0))!;
    const target = view.find(({ id }) => id !== source.id)!;
    const onPace: MoveEngineOptions['onPace'] = ({ stage, reason, served, share, pace }) => {
      if (!options.decisions) return;
      const figures = [
        served.toFixed(0),
        share?.toFixed(2) ?? '-',
        pace.unitsPerSecond.toFixed(0),
        pace.keys,
        pace.slots,
      ];
      console.log(`  ${stage} ${reason}: served, share, units/s, keys, slots: ${figures.join(' ')}`);
    };
    const engine = new MoveEngine(link, {
      concurrency: 256,
      ...(keepThroughput === undefined ? {} : { keepThroughput }),
      onPace,
    });
    const orders = Array.from({ length: options.slots }, (_, slot) => ({ slot, target: target.id }));
    const during = await load.during(async () => {
      const failed = (await engine.moveAll(orders)).find(({ phase }) => phase !== 'done');
      if (failed !== undefined) throw new Error(`slot ${failed.slot}: ${failed.error}`);
    });
    const after = await load.during(() => sleep(steadyMs));
    const steady = (before.perSecond + after.perSecond) / 2;
    const { steady: seen = null, share = null } = engine.throughput ?? {};
    const line = {
      keepThroughput,
      beforePerSecond: Math.round(before.perSecond),
      whilePerSecond: Math.round(during.perSecond),
      afterPerSecond: Math.round(after.perSecond),
      kept: Number((during.perSecond / steady).toFixed(3)),
      tookMs: Math.round(during.tookMs),
      slowestCallMs: Math.round(during.slowestMs),
      failed: during.failed,
      engine: share === null ? null : { steady: Math.round(seen!), share: Number(share.toFixed(3)) },
    };
    console.log(JSON.stringify(line));
    await engine.close();
    return during.perSecond / steady;
  } finally {
    await load.stop();
    link.close();
    await real.stop();
  }
}

const { values } = parseArgs({
  options: {
    server: { type: 'string', default: 'redis-7' },
    rounds: { type: 'string', default: '2' },
    slots: { type: 'string', default: '1000' },
    keys: { type: 'string', default: '30000' },
    keep: { type: 'string', default: '0.9' },
    lanes: { type: 'string', default: '64' },
    decisions: { type: 'boolean', default: false },
  },
});
const options: Options = {
  server: values.server as ServerName,
  slots: Number(values.slots),
  keys: Number(values.keys),
  keep: Number(values.keep),
  lanes: Number(values.lanes),
  decisions: values.decisions,
};
if (findServer(options.server) === undefined)
  throw new Error(`${options.server} is missing: scripts/servers.sh ${options.server}`);
// Children and sockets that are waited for keep no process alive by themselves.
const awake = setInterval(() => undefined, 60_000);
const kept: number[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  await measure('never', options);
  kept.push(await measure(options.keep, options));
}
clearInterval(awake);
const median = kept.toSorted((a, b) => a - b)[kept.length >> 1]!;
console.log(`clients kept ${(median * 100).toFixed(1)} % (median of ${kept.length}; wanted: ${options.keep * 100} %)`);
process.exitCode = median >= options.keep ? 0 : 1;
