// The `blockingTimeout` option: a call that blocks is given up on the client's side when the server, or the network
// to it, does not end it in time. As when the server's own timeout runs out, the result is null.

import type { World } from '../base/world.ts';
import { isInGroup } from '../command/groups.ts';
import { type Call, CallFlag } from '../connection/call.ts';
import type { Argument } from '../wire/encoder.ts';

export interface BlockingLimits {
  /** Milliseconds for calls without an end of their own; not positive: no limits at all. */
  readonly blockingTimeout?: number | undefined;
  /** Milliseconds that a call with a timeout of its own may be late. Default 100. */
  readonly blockingTimeoutGrace?: number | undefined;
}

/** Milliseconds that the call itself asks for; 0: for ever; undefined: it does not block, or not by a timeout. */
function ownTimeout(argv: readonly Argument[]): number | undefined {
  const args = argv.map((argument) => (typeof argument === 'string' ? argument : Buffer.from(argument).toString()));
  const name = args[0]!.toLowerCase();
  if (isInGroup('FIRST_ARG_TIMEOUT_COMMANDS', name)) return milliseconds(args[1], 1000);
  if (isInGroup('LAST_ARG_TIMEOUT_COMMANDS', name)) return milliseconds(args.at(-1), 1000);
  if (!isInGroup('BLOCK_OPTION_COMMANDS', name)) return undefined;
  const streams = args.findIndex((argument) => argument.toLowerCase() === 'streams');
  const block = args.findIndex((argument, at) => at < streams && argument.toLowerCase() === 'block');
  return block < 0 ? undefined : milliseconds(args[block + 1], 1);
}

function milliseconds(argument: string | undefined, unit: number): number | undefined {
  const value = Number(argument);
  return argument === undefined || argument === '' || !(value >= 0) ? undefined : value * unit;
}

/**
 * Limits a call that blocks, from now on; `release` lets go of the connection it holds. One that has to wait for its
 * connection (not `ready`) has the limit of those without an end of their own, as with ioredis: its own time begins on
 * the server.
 */
export function limitBlocking(
  call: Call,
  limits: BlockingLimits,
  world: World,
  ready: boolean,
  release?: (call: Call) => void,
): void {
  const limit = limits.blockingTimeout ?? 0;
  if (!(limit > 0) || (call.flags & CallFlag.blocking) === 0) return;
  const own = ownTimeout(call.argv);
  if (own === undefined) return;
  world.after(own > 0 && ready ? own + (limits.blockingTimeoutGrace ?? 100) : limit, () => {
    if (call.settled) return;
    call.finish(null, null);
    release?.(call);
  });
}
