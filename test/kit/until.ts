import { setTimeout as pause } from 'node:timers/promises';

const pollMs = 10;

/** What was waited for did not come: never an outcome that a test may compare. */
export class GaveUp extends Error {}

/**
 * Waits until `test` gives a truthy value, and gives that value; a test that throws is one that does not hold yet.
 * Throws with `what` after `limit` ms of pauses: the time that the asking takes does not count, so that on a busy
 * machine the limit is longer.
 */
export async function until<T>(what: string, test: () => Promise<T> | T, limit = 20_000): Promise<T> {
  let last: unknown;
  for (let waited = 0; waited < limit; waited += pollMs) {
    try {
      const value = await test();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    await pause(pollMs);
  }
  throw new GaveUp(`gave up waiting until ${what}`, { cause: last });
}

/** Waits until a client is ready, without a command: one would be subject to the short timeout that a test gives it. */
export async function ready(client: { readonly status: string }): Promise<void> {
  await until('the client is ready', () => client.status === 'ready');
}
