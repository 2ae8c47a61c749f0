// A server that has just started answers LOADING to nearly everything; a client is ready once that is over.

import { RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { type Call, ownCall } from '../connection/call.ts';
import { ReplyError } from '../wire/reply.ts';

/**
 * Resolves when INFO no longer says loading, with the server's refusal where nobody may be served before having said who
 * it is. `maxWait`: most milliseconds between two looks, and without any progress of the loading. `late` is called when an
 * answer takes longer than `limit` milliseconds (0: never), or when there is no progress for too long, and then with a
 * reason. `warn` is called for a user without the permission for INFO.
 */
export async function waitUntilLoaded(
  send: (call: Call) => boolean,
  world: World,
  maxWait: number,
  limit: number,
  late: (reason?: Error) => void,
  warn: (text: string) => void = () => {},
): Promise<ReplyError | undefined> {
  let loaded = '';
  let progressAt = world.now();
  for (;;) {
    const { call, answer } = ownCall(['info', 'persistence']);
    if (!send(call)) return undefined;
    const timer = limit > 0 ? world.deadline(limit, () => late()) : undefined;
    let info: string;
    try {
      info = String(await answer);
    } catch (error) {
      // Who may not ask cannot know better; a lost connection is reported by its own event.
      if (!(error instanceof ReplyError)) return undefined;
      if (error.code === 'NOAUTH') return error;
      if (error.code === 'NOPERM') warn(skippedText(error));
      if (error.code !== 'LOADING') return undefined;
      info = 'loading:1';
    } finally {
      timer?.cancel();
    }
    if (!/^loading:1/m.test(info)) return undefined;
    const now = world.now();
    const before = loaded;
    loaded = /^loading_loaded_bytes:(\d+)/m.exec(info)?.[1] ?? '';
    if (loaded !== before) progressAt = now;
    else if (maxWait > 0 && now - progressAt >= maxWait) {
      const message = `The server is loading its data, without progress for ${maxWait}ms (maxLoadingRetryTime)`;
      late(new RedisError(message, { code: 'ERR_LOADING' }));
      return undefined;
    }
    const seconds = Number(/^loading_eta_seconds:(\d+)/m.exec(info)?.[1] ?? 1) || 1;
    await new Promise<void>((resolve) => {
      world.after(Math.min(seconds * 1000, maxWait), resolve, true);
    });
  }
}

// In ioredis's words, by which users filter it out.
function skippedText({ message }: ReplyError): string {
  return `Skipping the ready check because INFO command fails: "${message}". You can disable ready check with "enableReadyCheck". More: README, "enableReadyCheck".`;
}
