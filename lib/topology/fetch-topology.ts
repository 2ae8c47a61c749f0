// One round of asking: a primary source gives the whole view, a few secondary sources theirs of the epochs, and the vote makes one map.
// Knows no sockets: it asks through the functions it is given. A primary that does not answer soon is not waited for:
// a second one is asked beside it.

import pRetry from 'p-retry';
import { ClusterAllFailedError, errorOfNode } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { SlotMap } from './slot-map.ts';
import { combine, type View } from './vote.ts';

export interface TopologySource {
  readonly address: string;
  /** CLUSTER SLOTS with epochs. */
  askMap(): Promise<View>;
  /** CLUSTER NODES alone. */
  askEpochs(): Promise<View>;
  /** Its socket is open, and it has answered what it was asked lately: asking it costs a round trip, no more. */
  readonly atHand: boolean;
}

export interface FetchOptions {
  /** Views beside the primary's; default 2. */
  readonly secondaries?: number;
  /** Milliseconds before a second primary is asked; default 100. */
  readonly hedge?: number;
  /** Milliseconds that secondaries may be later than the primary; default 50. */
  readonly grace?: number;
  /** Nodes asked in one round before giving up; default 16. */
  readonly maxTargets?: number;
}

/** Resolves with the map of one round; rejects with ClusterAllFailedError that holds every node's reason. */
export async function fetchTopology(
  targets: readonly TopologySource[],
  world: World,
  options: FetchOptions = {},
): Promise<SlotMap> {
  const asked = targets.slice(0, options.maxTargets ?? 16);
  const atHand = asked.filter((target) => target.atHand);
  const secondaries = atHand.slice(1, 1 + (options.secondaries ?? 2)).map((target) => target.askEpochs());
  const heard: View[] = [];
  for (const secondary of secondaries) {
    secondary.then(
      (view) => heard.push(view),
      () => undefined,
    );
  }
  const primary = await askPrimaries(asked, world, options.hedge ?? 100);
  if (secondaries.length > 0) {
    await Promise.race([Promise.allSettled(secondaries), pause(world, options.grace ?? 50)]);
  }
  return combine(primary, heard);
}

// Two walks over the same list: the first starts at once, the second after the hedge.
async function askPrimaries(targets: readonly TopologySource[], world: World, hedge: number): Promise<View> {
  const errors: Error[] = [];
  if (targets.length === 0) throw new ClusterAllFailedError('Failed to refresh slots cache.', errors);
  let next = 0;
  let found = false;
  const askNext = async (): Promise<View> => {
    const target = targets[next++]!;
    try {
      const view = await target.askMap();
      found = true;
      return view;
    } catch (error) {
      errors.push(errorOfNode(target.address, error));
      throw error;
    }
  };
  const walk = (): Promise<View> =>
    pRetry(askNext, {
      retries: targets.length,
      minTimeout: 0,
      factor: 1,
      unref: true,
      shouldRetry: () => next < targets.length && !found,
    });
  const first = walk();
  // The first fails when nobody is left to ask: there is nothing to wait for then.
  const over = first.then(
    () => undefined,
    () => undefined,
  );
  const second = Promise.race([pause(world, hedge), over]).then(() => {
    if (found || next >= targets.length) throw new Error('no node left to ask');
    return walk();
  });
  try {
    return await Promise.any([first, second]);
  } catch {
    throw new ClusterAllFailedError('Failed to refresh slots cache.', errors);
  }
}

function pause(world: World, ms: number): Promise<void> {
  return new Promise((resolve) => {
    world.after(ms, resolve);
  });
}
