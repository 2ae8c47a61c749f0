// The manifest of an append-only log in several files, as redis-server 7.0 keeps it, both ways. Pure.
// One line a file: `file <name> seq <number> type <b base, i increment, h history>`. Loading reads the base, then the
// increments in order; history is what a rewrite left to be deleted.
// Invariants: at most one base; increments ascend by number; every name is a plain file name in the log's folder.

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

/** Throws an Error that names the line. */
export function parseManifest(text: string): Manifest {
  const lines = text.split('\n');
  if (lines.length > maxLines) throw new Error(`AOF manifest: more than ${maxLines} lines`);
  let base: LogFile | undefined;
  const increments: LogFile[] = [];
  const history: LogFile[] = [];
  for (const [at, line] of lines.entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const refuse = (why: string): never => {
      throw new Error(`AOF manifest, line ${at + 1}: ${why}: ${line.slice(0, 200)}`);
    };
    const { type, ...file } = parseLine(line) ?? refuse('not understood');
    if (!isPlainName(file.name)) refuse('a file name may not be a path');
    if (type === 'h') history.push(file);
    else if (type === 'b') base = base === undefined ? file : refuse('a second base');
    else if (file.seq > (increments.at(-1)?.seq ?? 0)) increments.push(file);
    else refuse('increments out of order');
  }
  return { base, increments, history };
}

export function printManifest({ base, increments, history }: Manifest): string {
  const line = (type: string, { name, seq }: LogFile): string => `file ${printName(name)} seq ${seq} type ${type}\n`;
  return [
    ...(base === undefined ? [] : [line('b', base)]),
    ...history.map((file) => line('h', file)),
    ...increments.map((file) => line('i', file)),
  ].join('');
}

/** Whether `name` can stand in a manifest: the name of a file, not a way to one. */
export function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\\\n\r\0]/.test(name);
}

/** Keys and values in any order, as long as all three are there; further keys are left to newer servers. */
function parseLine(line: string): (LogFile & { readonly type: string }) | undefined {
  const words = [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, plain]) => plain ?? quoted!.replaceAll(/\\(.)/g, '$1'),
  );
  if (words.length < 6 || words.length % 2 !== 0) return undefined;
  const found = new Map<string, string>();
  for (let at = 0; at < words.length; at += 2) found.set(words[at]!.toLowerCase(), words[at + 1]!);
  const name = found.get('file');
  const seq = found.get('seq') ?? '';
  const type = found.get('type') ?? '';
  if (name === undefined || !/^[1-9]\d{0,14}$/.test(seq) || !/^[bih]$/.test(type)) return undefined;
  return { name, seq: Number(seq), type };
}

function printName(name: string): string {
  return /[\s"'\\]/.test(name) ? `"${name.replaceAll(/["\\]/g, '\\$&')}"` : name;
}
