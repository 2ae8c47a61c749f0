// Prints what six bundled nodes in this process take: milliseconds until they serve, or the share of a core in percent
// while nobody asks them anything.

import { startCluster } from '../../server/index.ts';

const idleMs = 5000;
const start = performance.now();
const cluster = await startCluster({ masters: 3, replicas: 1 });
if (process.argv[2] === 'ready') console.log(performance.now() - start);
else {
  // What starting left behind is not idling.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const cpu = process.cpuUsage();
  const from = performance.now();
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  const { user, system } = process.cpuUsage(cpu);
  console.log((user + system) / 10 / (performance.now() - from));
}
await cluster.close();
process.exit(0);
