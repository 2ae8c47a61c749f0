// The cursor and options of SCAN, HSCAN, SSCAN and ZSCAN.

import { fail, readLong, sameWord, syntaxError } from './arguments.ts';
import { globMatcher } from './glob.ts';

export interface ScanOptions {
  readonly count: number;
  readonly matches: (text: string) => boolean;
}

const DEFAULT_COUNT = 10;

export function readCursor(text: string): number {
  if (!/^(?:[+-]?\d+)?$/.test(text)) fail('invalid cursor');
  const cursor = text === '' ? 0n : BigInt(text.replace('+', ''));
  if (cursor > 2n ** 64n - 1n || cursor < -(2n ** 64n - 1n)) fail('invalid cursor');
  return Number(BigInt.asUintN(64, cursor));
}

/** Options `argv[from]` onwards: MATCH pattern, COUNT n. */
export function readScanOptions(argv: readonly string[], from: number): ScanOptions {
  let count = DEFAULT_COUNT;
  let matches: (text: string) => boolean = () => true;
  for (let at = from; at < argv.length; at += 2) {
    const value = argv[at + 1];
    if (value === undefined) syntaxError();
    if (sameWord(argv[at], 'count')) {
      count = readLong(value);
      if (count < 1) syntaxError();
    } else if (sameWord(argv[at], 'match')) {
      matches = globMatcher(value);
    } else {
      syntaxError();
    }
  }
  return { count, matches };
}
