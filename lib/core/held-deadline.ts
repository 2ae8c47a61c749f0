// Calls held until a cluster client is ready wait no longer than `retryDeadline`, and are then rejected with what each startup node
// said, or that it has said nothing.

import { ClusterAllFailedError, errorOfNode, identityRefusal, reasonsOf } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { Deadlines } from '../router/deadlines.ts';
import type { NodePool } from '../router/node-pool.ts';
import type { Seed } from '../topology/seeds.ts';
import type { Lifecycle } from './lifecycle.ts';

/** Most milliseconds between looks. */
const maxPeriod = 250;

/** The deadlines of what `lifecycle` holds; start() them with each call that has to wait. */
export function heldDeadlines(
  limit: number,
  world: World,
  lifecycle: () => Lifecycle,
  unready: () => readonly Error[],
): Deadlines {
  return new Deadlines(limit, world, (visit) => lifecycle().forEachHeld(visit), {
    expire: (request) => {
      const reasons = unready();
      const message = `None of startup nodes is available within ${limit}ms (retryDeadline): ${reasonsOf(reasons)}`;
      request.fail(new ClusterAllFailedError(message, reasons, { ...blame(reasons), slot: request.slot }));
    },
    swept: () => lifecycle().forgetSettled(),
    maxPeriod,
  });
}

// Where no node lets this client in, that is what happened, and not that time ran out.
function blame(reasons: readonly Error[]): { code: string; node?: string | undefined } {
  const codes = reasons.map(identityRefusal);
  const code = codes.at(-1);
  if (code === undefined || codes.includes(undefined)) return { code: 'ERR_RETRY_DEADLINE' };
  return { code, node: (reasons.at(-1) as { node?: string }).node };
}

/** What each startup node said last (`said`: to the attempt that failed last), or that it has said nothing. */
export function unreadyReasons(said: readonly Error[], seeds: readonly Seed[], pool: NodePool): Error[] {
  const reasons = new Map(said.map((error) => [(error as { node?: string }).node ?? '', error]));
  for (const { key } of seeds) {
    if (reasons.has(key)) continue;
    const connection = pool.get(key)?.connection;
    reasons.set(key, connection?.lastError ?? errorOfNode(key, `no answer yet (${connection?.state ?? 'not dialed'})`));
  }
  return [...reasons.values()];
}
