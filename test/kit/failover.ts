// CLUSTER FAILOVER as tests ask for it. An election may rightly be refused: voters vote once for a master in twice the
// node timeout, and on a busy machine the first votes may come too late. So it may be asked for again, but never
// silently: how often is printed, and too often is an error.

import { until } from './until.ts';

/** Milliseconds that one attempt is given: longer than a manual failover waits by itself (5 s). */
const attemptMs = 6000;
const mostAttempts = 4;

/**
 * Asks for a failover by `ask` until `isOver`, again when an attempt has come to nothing. Gives the number of attempts;
 * throws with what the last one said after `mostAttempts`.
 */
export async function failOver(
  what: string,
  ask: () => Promise<unknown>,
  isOver: () => boolean | Promise<boolean>,
): Promise<number> {
  let last: unknown;
  for (let attempt = 1; attempt <= mostAttempts; attempt++) {
    // Refused by a node that is just being asked, or over since: isOver finds out.
    const said = await ask().catch((error: unknown) => error);
    try {
      await until(what, isOver, attemptMs);
      if (attempt > 1) console.log(`        ${what}: ${attempt} elections`);
      return attempt;
    } catch (error) {
      last = said instanceof Error ? said : error;
    }
  }
  throw new Error(`${what}: not after ${mostAttempts} elections`, { cause: last });
}
