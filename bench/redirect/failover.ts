// A master is killed while loops read its keys: how long after its replica's promotion the client has its first answer,
// and what it reported to its user in the meantime. The cluster is one of its own, for it does not come back whole.

import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Admin } from '../cluster/admin.ts';
import { Child, clientFlags } from '../cluster/child.ts';
import type { Cores } from '../cluster/cores.ts';
import { type RealCluster, startRealCluster } from '../cluster/real-cluster.ts';
import type { ClientName } from '../peers/names.ts';
import type { LoadRequest, OpenRequest } from './contract.ts';
import type { KeyPlan } from './keys.ts';
import type { LoadFigures } from './load.ts';

export interface FailoverFigures {
  /** Milliseconds from the kill until the replica called itself master. */
  readonly promotionMs: number;
  /** From then to the first answer. */
  readonly firstAnswerMs: number;
  /** Milliseconds without any answer. */
  readonly gapMs: number;
  readonly errors: number;
  readonly firstError: string | undefined;
  /** False when no answer came within the timeout. */
  readonly recovered: boolean;
}

const nodeTimeout = 1000;
const width = 64;
const promotionTimeoutMs = 30_000;
const answerTimeoutMs = 20_000;

const clock = (): number => performance.timeOrigin + performance.now();

export async function failover(client: ClientName, cores: Cores, plan: KeyPlan): Promise<FailoverFigures> {
  const cluster = await startRealCluster(cores.servers, { masters: 3, replicas: 1, nodeTimeout });
  const child = new Child(new URL('./client.js', import.meta.url).href, cores.client, client, clientFlags());
  try {
    await load(cluster, plan);
    await child.ask('open', { client, nodes: cluster.nodes } satisfies OpenRequest);
    await child.ask('startLoad', { width, slots: cluster.nodes[0]!.slots } satisfies LoadRequest);
    await pause(500);
    await child.ask('mark');
    const killed = clock();
    await cluster.kill(0);
    const promoted = await untilPromoted(cluster);
    return await untilAnswered(child, killed, promoted);
  } finally {
    await child.close();
    await cluster.stop();
  }
}

// The replica has the keys before the master goes.
async function load(cluster: RealCluster, plan: KeyPlan): Promise<void> {
  const admin = new Admin(cluster.nodes);
  try {
    await admin.load(plan.keys, plan.values);
    const [copies] = await admin.run(0, [['WAIT', '1', '5000']]);
    if (copies !== 1) throw new Error('the replica did not follow its master');
  } finally {
    admin.close();
  }
}

/** When the replica became master. */
async function untilPromoted(cluster: RealCluster): Promise<number> {
  const { host, port } = cluster.replicas[0]!;
  const replica = new Redis({ host, port });
  replica.on('error', () => undefined);
  try {
    const deadline = clock() + promotionTimeoutMs;
    for (;;) {
      const [role] = (await replica.call('ROLE')) as [string];
      const now = clock();
      if (role === 'master') return now;
      if (now > deadline) throw new Error(`no failover within ${promotionTimeoutMs} ms`);
      await pause(1);
    }
  } finally {
    replica.disconnect();
  }
}

async function untilAnswered(child: Child, killed: number, promoted: number): Promise<FailoverFigures> {
  const deadline = clock() + answerTimeoutMs;
  let errors = 0;
  let firstError: string | undefined;
  for (;;) {
    await pause(200);
    const figures = await child.ask<LoadFigures>('mark');
    errors += figures.errors;
    firstError ??= figures.firstError;
    const recovered = figures.operations > 0 && figures.gap.end >= promoted - nodeTimeout && longGap(figures, killed);
    if (recovered || clock() > deadline) {
      return {
        promotionMs: promoted - killed,
        firstAnswerMs: recovered ? Math.max(0, figures.gap.end - promoted) : Number.NaN,
        gapMs: recovered ? figures.gap.end - figures.gap.start : Number.NaN,
        errors,
        firstError,
        recovered,
      };
    }
  }
}

// The gap that the kill made, not a hiccup before it.
function longGap({ gap }: LoadFigures, killed: number): boolean {
  return gap.start <= killed + 100 && gap.end > killed + 100;
}
