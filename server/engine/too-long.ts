// What becomes of texts that JavaScript cannot hold: a string has 24 bytes less than the 512 MB of `proto-max-bulk-len`.
// Knows errors only. Invariant: no other error is taken for it.

import { ReplyError } from '../../lib/wire/reply.ts';

export const tooLong: ReplyError = new ReplyError('ERR string exceeds maximum allowed size (proto-max-bulk-len)');

/** Whether a string, or the text of a buffer, would have become too long. */
export function isTooLong(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.message === 'Invalid string length' || (error as NodeJS.ErrnoException).code === 'ERR_STRING_TOO_LONG';
}
