// LCS: the longest common subsequence of two strings.

import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';

/** Cells of the table, so that two long strings cannot take all memory: 4 bytes each, 512 MiB. */
const maxCells = 128 * 1024 * 1024;

interface Options {
  length: boolean;
  ranges: boolean;
  withLength: boolean;
  least: number;
}

interface Range {
  aStart: number;
  aEnd: number;
  bStart: number;
  bEnd: number;
}

function readOptions(argv: readonly string[]): Options {
  const options: Options = { length: false, ranges: false, withLength: false, least: 0 };
  for (let at = 3; at < argv.length; at++) {
    if (sameWord(argv[at], 'idx')) options.ranges = true;
    else if (sameWord(argv[at], 'len')) options.length = true;
    else if (sameWord(argv[at], 'withmatchlen')) options.withLength = true;
    else if (sameWord(argv[at], 'minmatchlen') && argv[at + 1] !== undefined) {
      options.least = Math.max(0, readLong(argv[++at]!));
    } else syntaxError();
  }
  if (options.ranges && options.length) {
    fail('If you want both the length and indexes, please just use IDX.');
  }
  return options;
}

/** lengths[i * width + j] = length of the longest common subsequence of a[0..i) and b[0..j). */
function lengthsOf(a: string, b: string): Uint32Array {
  const width = b.length + 1;
  if (width * (a.length + 1) > maxCells)
    fail('Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len');
  const lengths = new Uint32Array(width * (a.length + 1));
  for (let i = 1; i <= a.length; i++) {
    const code = a.charCodeAt(i - 1);
    const row = i * width;
    for (let j = 1; j <= b.length; j++) {
      lengths[row + j] =
        code === b.charCodeAt(j - 1)
          ? lengths[row - width + j - 1]! + 1
          : Math.max(lengths[row - width + j]!, lengths[row + j - 1]!);
    }
  }
  return lengths;
}

/** Walks back from the end: the text, and the ranges that match in both, last first. */
function walk(a: string, b: string, lengths: Uint32Array): { text: string; ranges: Range[] } {
  const width = b.length + 1;
  const ranges: Range[] = [];
  const chars: string[] = [];
  let open: Range | undefined;
  let i = a.length;
  let j = b.length;
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      chars.push(a[i - 1]!);
      if (open !== undefined && open.aStart === i && open.bStart === j) {
        open.aStart--;
        open.bStart--;
      } else {
        open = { aStart: i - 1, aEnd: i - 1, bStart: j - 1, bEnd: j - 1 };
        ranges.push(open);
      }
      i--;
      j--;
    } else if (lengths[(i - 1) * width + j]! > lengths[i * width + j - 1]!) i--;
    else j--;
  }
  return { text: chars.reverse().join(''), ranges };
}

function lcs(ctx: Context, argv: readonly string[]): Reply {
  const values = [ctx.store.get(argv[1]!) ?? '', ctx.store.get(argv[2]!) ?? ''];
  const [a, b] = values;
  if (typeof a !== 'string' || typeof b !== 'string') {
    return new ReplyError('ERR The specified keys must contain string values');
  }
  const options = readOptions(argv);
  const lengths = lengthsOf(a, b);
  const length = lengths[lengths.length - 1]!;
  if (options.length) return length;
  const found = walk(a, b, lengths);
  if (!options.ranges) return found.text;
  const matches = found.ranges
    .filter((range) => range.aEnd - range.aStart + 1 >= options.least)
    .map((range): Reply => {
      const pair: Reply[] = [
        [range.aStart, range.aEnd],
        [range.bStart, range.bEnd],
      ];
      return options.withLength ? [...pair, range.aEnd - range.aStart + 1] : pair;
    });
  return new Map<Reply, Reply>([
    ['matches', matches],
    ['len', length],
  ]);
}

export const lcsCommands: CommandGroup = { lcs };
