// XREAD BLOCK with `$` ("what is added from now on") on a connection of its own. Until the server has it there, "now"
// would be late: entries added in the meantime were not seen. So the end of each stream is asked for on the shared
// connection, in its place among the calls, and the XREAD names it.
// Source: XREAD ("special IDs"), XINFO STREAM (last-generated-id, which counts deleted entries too).

import { Call, CallFlag, type Dispatcher, wantsOwnConnection } from '../connection/call.ts';
import type { Argument } from '../wire/encoder.ts';
import { ReplyError } from '../wire/reply.ts';

/** The id that every entry of a stream comes after that does not exist yet. */
const beginning = '0-0';

/** Positions of the keys whose id is `$`, with those of the ids; undefined when there is none, or it is no XREAD. */
function tailsOf(call: Call): { key: number; id: number }[] | undefined {
  if (!wantsOwnConnection(call) || call.name.toLowerCase() !== 'xread') return undefined;
  const { argv } = call;
  const streams = argv.findIndex((argument) => textOf(argument).toLowerCase() === 'streams');
  const count = (argv.length - streams - 1) / 2;
  if (streams < 0 || !Number.isInteger(count)) return undefined;
  const tails = Array.from({ length: count }, (_, at) => ({ key: streams + 1 + at, id: streams + 1 + count + at }));
  const open = tails.filter(({ id }) => textOf(argv[id]!) === '$');
  return open.length > 0 ? open : undefined;
}

/**
 * Sends `call` once the ends of its streams are known, and gives true; false when it names no end (then nothing was
 * done). A server that does not reply them gets the call as it is. `ask` sends past every cache.
 */
export function sendFromTail(
  call: Call,
  dispatcher: Dispatcher,
  ask: (call: Call) => void,
  send: (call: Call) => void,
): boolean {
  const tails = tailsOf(call);
  if (tails === undefined) return false;
  const argv = [...call.argv];
  const asked = tails.map(({ key, id }) =>
    lastIdOf(argv[key]!, call, dispatcher, ask).then((last) => {
      argv[id] = last;
    }),
  );
  const go = (): void => {
    call.argv = argv;
    if (!call.settled) send(call);
  };
  Promise.all(asked).then(go, () => {
    if (!call.settled) send(call);
  });
  return true;
}

function lastIdOf(key: Argument, reader: Call, dispatcher: Dispatcher, ask: (call: Call) => void): Promise<string> {
  const call = new Call(['xinfo', 'stream', key], reader.slot, CallFlag.inOrder, 'utf8', undefined, dispatcher);
  call.moment = reader.moment;
  return new Promise<unknown>((resolve, reject) => {
    call.resolve = resolve;
    call.reject = reject;
    ask(call);
  }).then(idIn, (error: unknown) => {
    if (error instanceof ReplyError && /no such key/i.test(error.message)) return beginning;
    throw error;
  });
}

// A flat array, or an object where RESP3's own shapes are asked for.
function idIn(info: unknown): string {
  const id = Array.isArray(info)
    ? info[info.indexOf('last-generated-id') + 1]
    : (info as Record<string, unknown>)['last-generated-id'];
  if (typeof id !== 'string' || !/^\d+-\d+$/.test(id)) throw new Error('XINFO STREAM gave no last id');
  return id;
}

function textOf(argument: Argument): string {
  return typeof argument === 'string' ? argument : Buffer.from(argument).toString('latin1');
}
