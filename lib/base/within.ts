// A promise that somebody else settles, with a limit.

import type { Timer, World } from './world.ts';

/** What `ask` gives, or `late()` thrown when that takes more than `limit` milliseconds; 0: as long as it takes. */
export async function settledWithin<Value>(
  ask: () => Value | PromiseLike<Value>,
  limit: number,
  world: World,
  late: () => Error,
): Promise<Value> {
  if (!(limit > 0)) return ask();
  let timer: Timer | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = world.deadline(limit, () => reject(late()));
  });
  try {
    return await Promise.race([ask(), expired]);
  } finally {
    timer?.cancel();
  }
}
