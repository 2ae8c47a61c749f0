// Child process: one client, one workload. It measures itself and reports to the parent.

import { serve } from '../cluster/child.ts';
import type { BenchNode } from '../cluster/cluster.ts';
import { type Cost, metered } from '../measure/meter.ts';
import { type Percentiles, Times } from '../measure/times.ts';
import type { ClientName } from '../peers/names.ts';
import { openPeer } from '../peers/open.ts';
import { FloorRunner } from './floor.ts';
import { PeerRunner, type Runner } from './runner.ts';
import type { Workload } from './workloads.ts';

export interface Setting {
  readonly client: ClientName;
  readonly workload: Workload;
  readonly nodes: readonly BenchNode[];
}

export interface Measured {
  readonly operations: number;
  readonly cost: Cost;
  readonly latency: Percentiles;
}

let runner: (Runner & { prepare?(): void }) | undefined;
let close: () => Promise<void> = () => Promise.resolve();
const times = new Times();

serve({
  async open({ client, workload, nodes }: Setting): Promise<void> {
    if (client === 'floor') {
      const floor = await FloorRunner.open(nodes, workload);
      runner = floor;
      close = () => floor.close();
      return;
    }
    const peer = await openPeer(client, nodes);
    runner = new PeerRunner(peer, client, workload);
    close = () => peer.close();
  },
  /** Works for `seconds` and checks all; the figures of a warm-up are thrown away by the parent. */
  async run(seconds: number): Promise<Measured> {
    const current = runner!;
    current.prepare?.();
    times.clear();
    const { value, cost } = await metered(() => current.run(seconds, times));
    await current.verify();
    return { operations: value, cost, latency: times.percentiles() };
  },
  async close(): Promise<void> {
    await close();
  },
});
