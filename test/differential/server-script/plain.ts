// Replies in a form that compares: errors by their text, maps and sets in one order.

import { ReplyError } from '../../../lib/wire/reply.ts';

export function plain(reply: unknown): unknown {
  if (reply instanceof ReplyError) return { error: reply.message };
  if (Buffer.isBuffer(reply)) return reply.toString('latin1');
  if (Array.isArray(reply)) return reply.map(plain);
  if (reply instanceof Map) return { map: [...reply].map(([key, value]) => [plain(key), plain(value)]) };
  if (reply instanceof Set) return { set: [...reply].map(plain) };
  if (typeof reply === 'bigint') return `${reply}n`;
  if (typeof reply === 'number' && !Number.isInteger(reply)) return String(reply);
  return reply;
}
