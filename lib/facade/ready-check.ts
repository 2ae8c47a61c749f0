// A server that has just started answers LOADING to nearly everything; a client is ready once that is over.

import type { World } from '../base/world.ts';
import { type Call, ownCall } from '../connection/call.ts';
import { ReplyError } from '../wire/reply.ts';

/**
 * Resolves when INFO no longer says loading, with the server's refusal where nobody may be served before having said who
 * it is. `maxWait`: most milliseconds between two looks. `late` is called when an answer takes longer than `limit`
 * milliseconds (0: never).
 */
export async function waitUntilLoaded(
  send: (call: Call) => boolean,
  world: World,
  maxWait: number,
  limit: number,
  late: () => void,
): Promise<ReplyError | undefined> {
  for (;;) {
    const { call, answer } = ownCall(['info', 'persistence']);
    if (!send(call)) return undefined;
    const timer = limit > 0 ? world.deadline(limit, late) : undefined;
    let info: string;
    try {
      info = String(await answer);
    } catch (error) {
      // Who may not ask cannot know better; a lost connection is told by its own event.
      if (!(error instanceof ReplyError)) return undefined;
      if (error.code === 'NOAUTH') return error;
      if (error.code !== 'LOADING') return undefined;
      info = 'loading:1';
    } finally {
      timer?.cancel();
    }
    if (!/^loading:1/m.test(info)) return undefined;
    const seconds = Number(/^loading_eta_seconds:(\d+)/m.exec(info)?.[1] ?? 1) || 1;
    await new Promise<void>((resolve) => {
      world.after(Math.min(seconds * 1000, maxWait), resolve, true);
    });
  }
}
