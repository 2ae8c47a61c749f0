// Which pub/sub confirmations answer which call: a (UN)SUBSCRIBE is answered once for each of its channels, with pushes,
// or in RESP2 with arrays that look like messages.
// Owns: the names of a call whose confirmations come in another order. Does not know: sockets and queues.
// Invariant: one comparison for each confirmation of a server that keeps the order of the names.

import type { Argument } from '../wire/encoder.ts';
import { Push } from '../wire/reply.ts';
import { type Call, CallFlag } from './call.ts';

const confirmations = new Set(['subscribe', 'unsubscribe', 'psubscribe', 'punsubscribe', 'ssubscribe', 'sunsubscribe']);
const messages = new Set(['message', 'pmessage', 'smessage']);

export class Confirmations {
  #named: { readonly call: Call; readonly names: ReadonlySet<string> } | undefined;

  /** Whether a push completes the call at the head of the queue: it was its last confirmation. */
  completes(push: Push, head: Call | undefined): boolean {
    const kind = String(push.items[0]);
    // A server may also unsubscribe on its own (a shard channel whose slot left).
    return confirmations.has(kind) && head !== undefined && this.#answers(push, kind, head) && --head.pushes <= 0;
  }

  // Servers confirm in the order of the names; one that does not gets a look-up table, made once a call.
  #answers(push: Push, kind: string, call: Call): boolean {
    if ((call.flags & CallFlag.subscribing) === 0 || call.name.toLowerCase() !== kind) return false;
    const { argv } = call;
    const name = push.items[1];
    if (!Buffer.isBuffer(name)) {
      // UNSUBSCRIBE without names where there is no subscription: one answer, however many were expected.
      if (argv.length === 1) call.pushes = 1;
      return true;
    }
    if (argv.length === 1) return true;
    const next = argv[argv.length - call.pushes];
    if (next !== undefined && isSameText(next, name)) return true;
    if (this.#named?.call !== call) this.#named = { call, names: new Set(argv.slice(1).map(textOfBytes)) };
    return this.#named.names.has(name.toString('latin1'));
  }
}

/** How many confirmations a call waits for: one for every name. Without names its maker knows how many. */
export function expectConfirmations(call: Call): void {
  if (call.argv.length > 1) call.pushes = call.argv.length - 1;
}

/** RESP2 has no push type: the push that an array on a subscriber's connection stands for, or undefined. */
export function pushIn(reply: unknown): Push | undefined {
  if (!Array.isArray(reply) || !Buffer.isBuffer(reply[0])) return undefined;
  const kind = reply[0].toString('latin1');
  return confirmations.has(kind) || messages.has(kind) ? new Push(reply) : undefined;
}

/** A reply that was decoded as buffers, for a caller that wants strings. */
export function textOf(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString();
  return Array.isArray(reply) ? reply.map(textOf) : reply;
}

function isSameText(argument: Argument, name: Buffer): boolean {
  return typeof argument === 'string' ? name.toString() === argument : name.equals(argument);
}

/** One char a byte. */
function textOfBytes(argument: Argument): string {
  return Buffer.from(argument as string).toString('latin1');
}
