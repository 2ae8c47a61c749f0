// All that was said about a node's parameters, gathered into one Config: the environment, then the file with what it
// includes, then stdin, then the command line; the later word wins.
// Reads files by a function it is given; knows no process. Invariant: a Config comes out whole or a ConfError does.

import { globMatcher } from '../keyspace/glob.ts';
import type { CommandLine } from './command-line.ts';
import { ConfError, type Directive, parseConf } from './conf-text.ts';
import { Config, isRepeated } from './config.ts';

export interface SettingsSource {
  readonly environment: readonly Directive[];
  readonly commandLine: CommandLine;
  /** The text of stdin, when the command line asks for it. */
  readonly stdin: string;
  /** The text of a file; throws what the file system says. */
  read(path: string): string;
  /** The names in a folder, for includes with wildcards. */
  list(folder: string): readonly string[];
}

export interface Settings {
  readonly config: Config;
  /** One line each, for the log. */
  readonly warnings: readonly string[];
}

const maxDepth = 16;
const maxFiles = 1000;

/** Parameters of several words, which stand on one line. */
const manyWords = new Set([
  'bind',
  'save',
  'oom-score-adj-values',
  'latency-tracking-info-percentiles',
  'client-output-buffer-limit',
  'replicaof',
  'slaveof',
  'shutdown-on-sigint',
  'shutdown-on-sigterm',
]);

/** Of older servers, and without a meaning now: they are passed over, as redis-server does. */
const forgotten = new Set(['list-max-ziplist-entries', 'list-max-ziplist-value', 'lua-replicate-commands']);

/** Directives of redis-server that are no parameters and that a node here cannot obey: silence would be worse. */
const beyond: Readonly<Record<string, string>> = {
  loadmodule: 'modules cannot be loaded',
};

/** `defaults` stand below everything. Throws a ConfError. */
export function gatherSettings(from: SettingsSource, defaults: Readonly<Record<string, string>>): Settings {
  const files = new Files(from);
  const { file, stdin, options } = from.commandLine;
  const said = [
    ...(file === undefined ? [] : files.load(file, 0)),
    ...(stdin ? parseConf(from.stdin, 'stdin').flatMap((each) => files.included(each, 0)) : []),
    ...options.flatMap((each) => files.included(each, 0)),
  ];
  const config = new Config(defaults);
  const warnings: string[] = [];
  for (const directive of from.environment) put(config, directive, warnings);
  let savesSaid = false;
  for (const directive of said) {
    if (directive.name === 'save') {
      // The first one replaces the default save points, the others add to it.
      putSave(config, directive, savesSaid);
      savesSaid = true;
    } else put(config, directive, warnings);
  }
  return { config, warnings };
}

function put(config: Config, directive: Directive, warnings: string[]): void {
  const { name, values } = directive;
  const reason = beyond[name];
  if (reason !== undefined) throw new ConfError(directive, reason);
  if (isRepeated(name)) {
    if (values.length < 1 || (name === 'rename-command' && values.length !== 2)) {
      throw new ConfError(directive, 'Bad directive or wrong number of arguments');
    }
    config.addDirective(name, values);
    return;
  }
  if (!config.knows(name)) {
    if (!forgotten.has(name) || values.length !== 1) {
      throw new ConfError(directive, 'Bad directive or wrong number of arguments');
    }
    warnings.push(`'${name}' (${directive.source}, line ${directive.line}) has no meaning any more`);
    return;
  }
  const empty = values.length === 0 && !name.startsWith('shutdown-on-');
  if (empty || (values.length > 1 && !manyWords.has(name))) {
    throw new ConfError(directive, 'wrong number of arguments');
  }
  try {
    config.put(name, values.join(' '), true);
  } catch (error) {
    throw new ConfError(directive, (error as Error).message.replace(`${name}: `, ''));
  }
}

function putSave(config: Config, directive: Directive, add: boolean): void {
  const text = directive.values.join(' ').trim();
  const before = add && text !== '' ? config.get('save') : '';
  try {
    config.put('save', `${before} ${text}`.trim());
  } catch {
    throw new ConfError(directive, 'Invalid save parameters');
  }
}

class Files {
  readonly #from: SettingsSource;
  #count = 0;

  constructor(from: SettingsSource) {
    this.#from = from;
  }

  load(path: string, depth: number, by?: Directive): Directive[] {
    const where = by ?? { source: path, line: 0, text: '' };
    if (depth > maxDepth || ++this.#count > maxFiles) throw new ConfError(where, 'too many files are included');
    let text: string;
    try {
      text = this.#from.read(path);
    } catch (error) {
      const why = `can't open config file '${path}': ${error instanceof Error ? error.message : String(error)}`;
      throw new ConfError(where, why);
    }
    return parseConf(text, path).flatMap((directive) => this.included(directive, depth));
  }

  /** The directive itself, or those of the files that it includes. */
  included(directive: Directive, depth: number): Directive[] {
    const { name, values } = directive;
    if (name !== 'include') return [directive];
    if (values.length !== 1) throw new ConfError(directive, 'wrong number of arguments');
    return this.#matches(values[0]!).flatMap((path) => this.load(path, depth + 1, directive));
  }

  /** A path with wildcards in its last part stands for what is there, in the order of names. */
  #matches(path: string): string[] {
    const slash = path.lastIndexOf('/');
    const [folder, last] = [path.slice(0, slash + 1), path.slice(slash + 1)];
    if (!/[*?[]/.test(last)) return [path];
    const matches = globMatcher(last, false);
    const names = this.#from.list(folder === '' ? '.' : folder).filter((name) => matches(name));
    return [...names].sort().map((name) => `${folder}${name}`);
  }
}
