// Is each job of a BullMQ queue processed once, while its server pauses for 1.5 s and its slot moves? On our Cluster and
// on our Redis. Exits with 1 when one is not.
//
//   node build/test/fault/ledger/bullmq.js [--jobs 10000]

import { parseArgs } from 'node:util';
import { missingRedisServer } from '../../kit/real-cluster.ts';
import { type BullPlan, complaintsAbout, playBull } from './bullmq-run.ts';

const { values } = parseArgs({ options: { jobs: { type: 'string', default: '10000' } } });
const missing = missingRedisServer();
if (missing !== undefined) throw new Error(missing);
// Sockets that set things up do not keep a process alive.
const awake = setInterval(() => undefined, 1000);
let wrong = 0;
for (const kind of ['Cluster', 'Redis'] as const) {
  const plan: BullPlan = { kind, jobs: Number(values.jobs), faults: 5, print: console.log };
  const start = performance.now();
  const report = await playBull(plan);
  const complaints = complaintsAbout(report, plan);
  wrong += complaints.length;
  console.log(
    `${kind}: ${report.added} jobs added, ${report.processed} processed, ${report.twice.length} of them more than once, ${report.missing.length} never, ${report.stalled.length} stalled, ${report.pauses} pauses of 1.5 s, ${report.moves} slot moves, ${Math.round((performance.now() - start) / 1000)} s`,
  );
  for (const complaint of complaints) console.log(`VIOLATION ${kind}: ${complaint}`);
}
clearInterval(awake);
process.exit(wrong === 0 ? 0 : 1);
