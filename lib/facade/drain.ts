// quit(): everything a pool of nodes was asked is answered, then each node is told goodbye.

import { AbortError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { ownCall } from '../connection/call.ts';
import type { Keeper } from '../connection/keeper.ts';
import type { NodePool } from '../router/node-pool.ts';

/** Milliseconds between looks at calls that wait to be tried again. */
const pause = 10;

/** Resolves when no call is under way or parked. */
export async function drain(pool: NodePool, parked: () => number, world: World): Promise<void> {
  while (parked() > 0 || pool.load > 0) {
    const busy = [...pool.all()].filter(({ keeper }) => keeper.load > 0);
    await Promise.all(busy.map(({ keeper }) => answered(keeper, 'ping')));
    if (parked() > 0) await new Promise<void>((resolve) => world.after(pause, resolve, true));
  }
}

/** QUIT to every node that is there. */
export async function sayGoodbye(pool: NodePool): Promise<void> {
  const there = [...pool.all()].filter(({ keeper }) => keeper.state === 'up');
  await Promise.all(there.map(({ keeper }) => answered(keeper, 'quit')));
}

/** Resolves when the node has answered everything sent before, or has lost it. */
function answered(keeper: Keeper, word: string): Promise<unknown> {
  const { call, answer } = ownCall([word]);
  if (!keeper.send(call)) call.fail(new AbortError('Connection is closed.', { node: keeper.address }));
  return answer.catch(() => undefined);
}
