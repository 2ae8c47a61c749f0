// The errors of a client of one server: why its connection ended, and what its calls are rejected with for that.
// Pure. Invariant: a refusal of the server keeps its own text, and names the node.

import { AbortError, MaxRetriesPerRequestError } from '../base/errors.ts';
import { hintOf, withHint } from '../base/hint.ts';
import type { RoutableRequest } from '../connection/call.ts';
import type { RedisOptions } from '../options/options.ts';
import type { SingleRouterOptions } from '../router/single.ts';
import { lossOf } from '../router/verdict.ts';
import { ReplyError } from '../wire/reply.ts';

export const closedText = 'Connection is closed.';

/** The server's error reply in the reason of a loss: of the handshake, or one that made reconnectOnError reconnect. */
export function refusalIn({ cause }: Error): ReplyError | undefined {
  return cause instanceof ReplyError ? cause : undefined;
}

/** The same refusal for a call that waited for the connection: an error of its own, which names the node. */
export function refusalAt(node: string, refusal: ReplyError): ReplyError {
  const error = Object.assign(new ReplyError(refusal.message), { node });
  const hint = hintOf(refusal);
  return hint === undefined ? error : withHint(error, hint);
}

/** No room for any client just now (`maxclients`): as temporary as a server that is down, and waited for like one. */
export function isCrowded({ message }: ReplyError): boolean {
  return /^ERR max number of clients/i.test(message);
}

/** Where the user's own limit is maxRetriesPerRequest, its error; else one that says what happened. */
export function gaveUpOf({ maxResends, maxRetriesPerRequest }: RedisOptions): SingleRouterOptions['gaveUp'] {
  return (request, reason) => {
    const { slot, attempts, writes, losses } = request;
    const detail = { slot, attempts, writes, cause: reason, node: (reason as { node?: string }).node };
    if (maxResends === undefined && typeof maxRetriesPerRequest === 'number') {
      return new MaxRetriesPerRequestError(maxRetriesPerRequest, detail);
    }
    const text = `The connection was lost ${losses} times while the command waited for its answer (maxResends).`;
    return new AbortError(text, { ...detail, code: 'ERR_MAX_RESENDS' });
  };
}

/** What a call that was still held when the client ended is rejected with. */
export function endOf(request: RoutableRequest, reason: Error): Error {
  const refused = refusalIn(reason);
  if (refused !== undefined) return refusalAt((reason as { node?: string }).node ?? '', refused);
  const { code } = reason as { code?: unknown };
  if (code === 'ERR_QUIT_TIMEOUT' || code === 'ERR_CREDENTIALS') return lossOf(request, reason);
  return new AbortError(closedText, { code: 'ERR_CLOSED', cause: reason });
}
