// How many bytes texts and integers take in a listpack: streams cut their nodes by that size, and `MAXLEN ~` shows
// where they were cut. Source: the listpack specification (antirez/listpack).

import { isInt64Text } from '../number.ts';

export const EMPTY_LISTPACK = 7;

export function integerSize(value: number | bigint): number {
  if (value >= 0 && value <= 127) return 2;
  if (value >= -4096 && value <= 4095) return 3;
  if (value >= -32768 && value <= 32767) return 4;
  if (value >= -8388608 && value <= 8388607) return 5;
  return value >= -2147483648 && value <= 2147483647 ? 6 : 10;
}

export function textSize(text: string): number {
  if (isInt64Text(text)) return integerSize(BigInt(text));
  const length = text.length;
  const body = length + (length < 64 ? 1 : length < 4096 ? 2 : 5);
  return body + backLengthSize(body);
}

function backLengthSize(body: number): number {
  if (body <= 127) return 1;
  if (body < 16383) return 2;
  if (body < 2097151) return 3;
  return body < 268435455 ? 4 : 5;
}
