// Replies into the shapes users of ioredis expect, whichever protocol they came by. Pure; never sees an error reply.
// The decoder has folded RESP3 already (map -> flat array, double -> text, boolean -> 1 or 0); what is left is
// where RESP3 nests what RESP2 does not. Both forms are distinguished by what they look like, so a shape needs no protocol.

import type { Argument } from './argv.ts';

export type ReplyShape = (reply: unknown, argv: readonly Argument[], buffers: boolean) => unknown;

/** [f, v, ...] -> { f: v, ... }; a field named `__proto__` is an own property like any other. */
function toObject(reply: unknown): unknown {
  if (!Array.isArray(reply)) return reply;
  const object: Record<string, unknown> = {};
  for (let at = 0; at < reply.length; at += 2) {
    const field = String(reply[at]);
    const value: unknown = reply[at + 1];
    if (field in object) {
      Object.defineProperty(object, field, { value, configurable: true, enumerable: true, writable: true });
    } else {
      object[field] = value;
    }
  }
  return object;
}

/** RESP3's [[a, 1], [b, 2]] -> RESP2's [a, 1, b, 2]; what is flat stays. */
function flattenPairs(reply: unknown): unknown {
  if (!Array.isArray(reply)) return reply;
  const items: readonly unknown[] = reply;
  return items.some(Array.isArray) ? items.flat() : reply;
}

/** RESP3's map of streams, flattened: [name, entries, ...] -> RESP2's [[name, entries], ...]. */
function pairUpStreams(reply: unknown): unknown {
  if (!Array.isArray(reply) || Array.isArray(reply[0])) return reply;
  const pairs: unknown[] = [];
  for (let at = 0; at < reply.length; at += 2) pairs.push([reply[at], reply[at + 1]]);
  return pairs;
}

const flattened =
  'hrandfield vsim zdiff zinter zpopmax zpopmin zrandmember zrange zrangebyscore zrevrange zrevrangebyscore zunion';

/** Shapes that ioredis gives replies: only for the name in lower case, so `call('HGETALL', key)` gives what the server sent. */
const ioredisShapes: ReadonlyMap<string, ReplyShape> = new Map<string, ReplyShape>([['hgetall', toObject]]);

/** Make one of what RESP2 and RESP3 answer differently; for the name in any case. */
const resp2Shapes: ReadonlyMap<string, ReplyShape> = new Map<string, ReplyShape>([
  ['xread', pairUpStreams],
  ['xreadgroup', pairUpStreams],
  ...flattened.split(' ').map((name) => [name, flattenPairs] as const),
]);

/** As shapeOf for a client that keeps RESP3's shapes: hgetall alone, for a server that speaks RESP2 after all. */
export function resp3ShapeOf(name: string): ReplyShape | undefined {
  return ioredisShapes.get(name);
}

/** The shape of a command's reply by its name as the user wrote it; undefined when it stays as it is. */
export function shapeOf(name: string): ReplyShape | undefined {
  return ioredisShapes.get(name) ?? resp2Shapes.get(name.toLowerCase());
}
