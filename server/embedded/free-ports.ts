// Ports for nodes that are started at given ones. Nothing holds them until then: another process may be quicker.

import { createServer } from 'node:net';
import { busPortOffset } from '../node/listeners.ts';

// Bus ports too lie below those that systems give to outgoing connections.
const first = 20_000;
const span = 2_700;
const tries = 2000;

/** Client ports whose bus ports are free too. Rejects when there are not that many. */
export async function freePorts(count: number, host: string): Promise<number[]> {
  const ports: number[] = [];
  const start = Math.floor(performance.now() * 1000) % span;
  for (let at = 0; ports.length < count && at < tries; at++) {
    const port = first + ((start + at) % span);
    if ((await isFree(port, host)) && (await isFree(port + busPortOffset, host))) ports.push(port);
  }
  if (ports.length < count) throw new Error(`no ${count} free ports were found`);
  return ports;
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}
