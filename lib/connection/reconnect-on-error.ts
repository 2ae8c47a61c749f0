// ioredis's reconnectOnError: what a user's function says to an error reply.

import { nameCommand } from '../base/secrets.ts';
import { nextTick } from '../base/turns.ts';
import type { ReplyError } from '../wire/reply.ts';
import type { Call } from './call.ts';

/** `renew`: another connection is wanted. `resend`: and this one call sent again on it. */
export type ReconnectWish = 'renew' | 'resend' | undefined;

/** Never throws: what the function throws is thrown in the next tick, for the process to see. CLIENT is exempt, as in ioredis. */
export function reconnectWish(call: Call, error: ReplyError, ask: (error: Error) => unknown): ReconnectWish {
  let wish = 0;
  nameCommand(error, call.argv);
  try {
    if (call.name.toLowerCase() !== 'client') wish = Number(ask(error));
  } catch (thrown) {
    nextTick(() => {
      throw thrown;
    });
  }
  if (wish === 1) return 'renew';
  return wish === 2 ? 'resend' : undefined;
}
