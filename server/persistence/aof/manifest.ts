// The manifest of an append-only log in several files, as redis-server 7.0 keeps it, both ways. Pure.
// One line a file: `file <name> seq <number> type <b base, i increment, h history>`. Loading reads the base, then the
// increments in order; history is what a rewrite left to be deleted.
// Invariants: at most one base; increments ascend by number; every name is a plain file name in the log's folder.

import { splitArguments } from '../../../lib/wire/split-arguments.ts';
import { printWord } from '../../config/conf-text.ts';

export interface LogFile {
  readonly name: string;
  readonly seq: number;
}

export interface Manifest {
  readonly base: LogFile | undefined;
  readonly increments: readonly LogFile[];
  readonly history: readonly LogFile[];
}

export const emptyManifest: Manifest = { base: undefined, increments: [], history: [] };

const maxLines = 100_000;
/** Its end included, as redis-server reads it. */
const maxLineLength = 1024;
const badFormat = 'Invalid AOF manifest file format';

/** Throws an Error that shows the line, in the words of redis-server. */
export function parseManifest(text: string): Manifest {
  if (text === '') throw damage('Found an empty AOF manifest');
  const lines = text.split('\n');
  // A last line without its end may be a part of one.
  const rest = lines.pop()!;
  if (rest !== '' && !rest.startsWith('#')) throw damage('The AOF manifest file contains too long line');
  if (lines.length > maxLines) throw damage(`more than ${maxLines} lines`);
  let base: LogFile | undefined;
  const increments: LogFile[] = [];
  const history: LogFile[] = [];
  for (const [at, line] of lines.entries()) {
    if (line.startsWith('#')) continue;
    const refuse = (why: string): never => {
      throw damage(why, { number: at + 1, line });
    };
    if (line.length >= maxLineLength) throw damage('The AOF manifest file contains too long line');
    const { type, ...file } = parseLine(line) ?? refuse(badFormat);
    if (!isPlainName(file.name)) refuse("File can't be a path, just a filename");
    if (type === 'h') history.push(file);
    else if (type === 'b') base = base === undefined ? file : refuse('Found duplicate base file information');
    else if (type !== 'i') refuse('Unknown AOF file type');
    else if (file.seq > (increments.at(-1)?.seq ?? 0)) increments.push(file);
    else refuse('Found a non-monotonic sequence number');
  }
  return { base, increments, history };
}

function damage(why: string, place?: { readonly number: number; readonly line: string }): Error {
  const where =
    place === undefined
      ? ''
      : `Reading the manifest file, at line ${place.number}\n>>> '${place.line.slice(0, maxLineLength)}'\n`;
  return new Error(`*** FATAL AOF MANIFEST FILE ERROR ***\n${where}${why}`);
}

export function printManifest({ base, increments, history }: Manifest): string {
  const line = (type: string, { name, seq }: LogFile): string => `file ${printWord(name)} seq ${seq} type ${type}\n`;
  return [
    ...(base === undefined ? [] : [line('b', base)]),
    ...history.map((file) => line('h', file)),
    ...increments.map((file) => line('i', file)),
  ].join('');
}

/** Whether `name` can stand in a manifest: the name of a file, not a way to one. */
export function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);
}

/** Keys and values in any order, as long as all three are there; further keys are left to newer servers. */
function parseLine(line: string): (LogFile & { readonly type: string }) | undefined {
  const words = splitArguments(line);
  if (words === undefined || words.length < 6 || words.length % 2 !== 0) return undefined;
  const found = new Map<string, string>();
  for (let at = 0; at < words.length; at += 2) found.set(words[at]!.toLowerCase(), words[at + 1]!);
  const name = found.get('file') ?? '';
  const seq = found.get('seq') ?? '';
  const type = found.get('type')?.[0];
  if (name === '' || !/^[1-9]\d{0,14}$/.test(seq) || type === undefined) return undefined;
  return { name, seq: Number(seq), type };
}
