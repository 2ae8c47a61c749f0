// The command line of a node: `[redis.conf | -] [--name value ...]...`, as redis-server takes it. Pure.
// Invariant: options come out as the directives of a text, so that everything after is one road.

import { splitArguments } from '../../lib/wire/split-arguments.ts';
import { ConfError, type Directive, parseConf, quoteWord } from './conf-text.ts';

export interface CommandLine {
  /** Path of a configuration file. */
  readonly file: string | undefined;
  /** `-` was given: directives come from stdin too, after those of the file. */
  readonly stdin: boolean;
  readonly options: readonly Directive[];
}

const source = 'the command line';

/** Throws a ConfError. `-addr host:port` and `-dbnum n`, with one dash or two, are taken as well. */
export function readCommandLine(args: readonly string[]): CommandLine {
  let at = 0;
  let file: string | undefined;
  let stdin = false;
  if (args[0] !== undefined && !args[0].startsWith('-')) {
    file = args[0];
    at = 1;
  }
  if (args[at] === '-') {
    stdin = true;
    at++;
  }
  const lines: string[] = [];
  let wantsName = true;
  for (; at < args.length; at++) {
    const word = args[at]!;
    if (wantsName && isName(word)) {
      const name = word.replace(/^--?/, '');
      const next = args[at + 1];
      // `--save` with nothing after it means no save points.
      const bare = name.toLowerCase() === 'save' && (next === undefined || next.startsWith('--'));
      lines.push(bare ? 'save ""' : name);
      wantsName = bare || (splitArguments(name)?.length ?? 2) > 1;
      continue;
    }
    // Without a name before it, a word is one itself, as redis-server has it.
    if (lines.length === 0) lines.push(quoteWord(word));
    else lines[lines.length - 1] += ` ${quoteWord(word)}`;
    wantsName = true;
  }
  return { file, stdin, options: parseConf(lines.join('\n'), source).flatMap(expand) };
}

function isName(word: string): boolean {
  return word.startsWith('--') || word === '-addr' || word === '-dbnum';
}

/** The words that are not redis's. */
function expand(directive: Directive): Directive[] {
  const { name, values } = directive;
  if (name === 'dbnum') return [{ ...directive, name: 'databases' }];
  if (name !== 'addr') return [directive];
  const address = splitAddress(values[0] ?? '');
  if (address === undefined || values.length !== 1)
    throw new ConfError(directive, `'${values.join(' ')}' is not host:port`);
  return [
    ...(address.host === '' ? [] : [{ ...directive, name: 'bind', values: [address.host] }]),
    { ...directive, name: 'port', values: [address.port] },
  ];
}

/** `:6379`, `127.0.0.1:6379` or `[::1]:6379`; the host may be empty. */
export function splitAddress(text: string): { host: string; port: string } | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  return { host: match[1] ?? match[2] ?? '', port: match[3]! };
}
