// quit(): everything a pool of nodes was asked is answered, then QUIT is sent to each node. A node that does not answer
// is waited for no longer than the caller's limit.

import { AbortError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { ownCall } from '../connection/call.ts';
import type { ReconnectingConnection } from '../connection/reconnecting-connection.ts';
import type { NodePool } from '../router/node-pool.ts';
import { ReplyError } from '../wire/reply.ts';

/** Milliseconds between looks at calls that wait to be tried again, or for a node that takes no calls just now. */
const pause = 10;

/** Milliseconds that quit() waits for answers unless `quitTimeout` says otherwise. */
export const defaultQuitTimeout = 3000;

/** True when `work` has not come to an end after `limit` ms; 0: it may take for ever. */
export function outlasts(work: Promise<unknown>, limit: number, world: World): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = limit > 0 ? world.after(limit, () => resolve(true), true) : undefined;
    const done = (): void => {
      timer?.cancel();
      resolve(false);
    };
    work.then(done, done);
  });
}

/** Why calls that quit() waited for in vain are rejected. `awaited`: what has not answered. */
export function quitTimeoutError(limit: number, awaited: string, node?: string): AbortError {
  const message = `Connection is closed. quit() waited ${limit}ms (quitTimeout) for ${awaited}.`;
  return new AbortError(message, { code: 'ERR_QUIT_TIMEOUT', node });
}

/** Resolves when no call is under way or to be retried, or when `over`. */
export async function drain(pool: NodePool, retrying: () => number, world: World, over: () => boolean): Promise<void> {
  while (!over() && (retrying() > 0 || pool.load > 0 || pool.owed > 0)) {
    const busy = [...pool.all()].filter(({ connection }) => connection.load > 0);
    const taken = await Promise.all(busy.map(({ connection }) => answered(connection, 'ping')));
    // A node that refuses the question still owes answers to others: asked again without a pause it would be for ever.
    // So do connections that take no questions any more.
    if (retrying() > 0 || pool.owed > 0 || taken.includes(false))
      await new Promise<void>((resolve) => world.after(pause, resolve, true));
  }
}

/** What drain() waits for just now, in words. */
export function awaitedBy(pool: NodePool, retrying: number, held: number): string {
  const parts = [...pool.all()]
    .filter(({ connection }) => connection.load > 0)
    .map(({ key, connection }) => `${key} (${connection.load} unanswered, ${connection.state})`);
  if (pool.owed > 0) parts.push(`connections that were given up (${pool.owed} unanswered)`);
  if (retrying > 0) parts.push(`calls to be tried again (${retrying})`);
  if (held > 0) parts.push(`the cluster to be ready (calls held: ${held})`);
  return parts.join(', ') || 'its nodes to answer QUIT';
}

/** QUIT to every node that is there; resolves with the first refusal. */
export async function sendQuit(pool: NodePool): Promise<Error | undefined> {
  const there = [...pool.all()].filter(({ connection }) => connection.state === 'up');
  const refusals = await Promise.all(
    there.map(async ({ connection }) => {
      const { call, answer } = ownCall(['quit']);
      if (!connection.send(call)) return undefined;
      return answer.then(
        () => undefined,
        // Lost with its connection: that is gone too, as it was meant to be.
        (error: unknown) => (error instanceof ReplyError ? error : undefined),
      );
    }),
  );
  return refusals.find((refusal) => refusal !== undefined);
}

/** Resolves when the node has answered everything sent before, or has lost it; false when it takes no calls. */
async function answered(connection: ReconnectingConnection, name: string): Promise<boolean> {
  const { call, answer } = ownCall([name]);
  const taken = connection.send(call);
  if (!taken) call.fail(new AbortError('Connection is closed.', { node: connection.address }));
  await answer.catch(() => undefined);
  return taken;
}
