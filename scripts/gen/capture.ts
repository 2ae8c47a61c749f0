// The vendored capture as typed values: what COMMAND INFO and COMMAND DOCS of one named server answered.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface KeySpecEntry {
  readonly notes?: string;
  readonly flags: readonly string[];
  readonly begin_search: { readonly type: string; readonly spec: Readonly<Record<string, number | string>> };
  readonly find_keys: { readonly type: string; readonly spec: Readonly<Record<string, number | string>> };
}

/** name, arity, flags, first key, last key, step, ACL categories, tips, key specs, subcommands. */
export type InfoEntry = readonly [
  name: string,
  arity: number,
  flags: readonly string[],
  first: number,
  last: number,
  step: number,
  categories: readonly string[],
  tips: readonly string[],
  keySpecs: readonly KeySpecEntry[],
  subcommands: readonly InfoEntry[],
];

export interface Argument {
  readonly name: string;
  readonly type: 'key' | 'string' | 'integer' | 'double' | 'pattern' | 'unix-time' | 'pure-token' | 'oneof' | 'block';
  readonly token?: string;
  readonly flags?: readonly ('optional' | 'multiple' | 'multiple_token')[];
  readonly key_spec_index?: number;
  readonly since?: string;
  readonly deprecated_since?: string;
  readonly arguments?: readonly Argument[];
}

export interface DocsEntry {
  readonly summary: string;
  readonly since: string;
  readonly group: string;
  readonly complexity?: string;
  readonly doc_flags?: readonly string[];
  readonly deprecated_since?: string;
  readonly replaced_by?: string;
  readonly history?: readonly (readonly [string, string])[];
  readonly arguments?: readonly Argument[];
  readonly subcommands?: Readonly<Record<string, DocsEntry>>;
}

export interface Capture {
  readonly about: { readonly server: string; readonly recipe: string };
  readonly info: readonly InfoEntry[];
  readonly docs: Readonly<Record<string, DocsEntry>>;
}

/** A command or subcommand that servers later than the capture have. */
export interface NewerCommand {
  /** Lower case; a subcommand is `container|sub`. */
  readonly name: string;
  readonly arity: number;
  readonly flags: readonly string[];
  readonly keySpecs: readonly KeySpecEntry[];
  /** It has subcommands, which are entries of their own. */
  readonly container: boolean;
  readonly summary: string;
  readonly since: string;
  readonly group: string;
  readonly arguments: readonly Argument[];
}

interface NewerCapture {
  readonly servers: readonly { readonly server: string; readonly commands: readonly NewerCommand[] }[];
}

function findRoot(from: string): string {
  return existsSync(join(from, 'package.json')) ? from : findRoot(dirname(from));
}

/** The package's root, wherever this was compiled to. */
export const root: string = findRoot(dirname(fileURLToPath(import.meta.url)));
export const capturePath: string = join(root, 'scripts/data/command-docs.json');

export const newerPath: string = join(root, 'scripts/data/newer-commands.json');

export function readCapture(): Capture {
  return JSON.parse(readFileSync(capturePath, 'utf8')) as Capture;
}

/** One newer command as all later servers have it. */
export interface Newer {
  readonly command: NewerCommand;
  /** `Redis 7.4, Valkey 9.0`. */
  readonly availability: string;
  /** The arguments of each server that differs. */
  readonly forms: readonly (readonly Argument[])[];
}

/** Valkey began as Redis 7.2: what is no newer both have. */
function availabilityOf(server: string, since: string): string {
  const [major = 0, minor = 0] = since.split('.').map(Number);
  if (major < 7 || (major === 7 && minor <= 2)) return `Redis ${major}.${minor}`;
  return `${server.split(' ')[0]} ${major}.${minor}`;
}

/** What servers later than the capture have, by name. */
export function readNewer(): ReadonlyMap<string, Newer> {
  const { servers } = JSON.parse(readFileSync(newerPath, 'utf8')) as NewerCapture;
  const merged = new Map<string, Newer>();
  for (const { server, commands } of servers) {
    for (const command of commands) {
      const known = merged.get(command.name);
      const availability = availabilityOf(server, command.since);
      const places = new Set([...(known?.availability.split(', ') ?? []), availability]);
      merged.set(command.name, {
        command: known?.command ?? command,
        availability: [...places].join(', '),
        forms: [...(known?.forms ?? []), command.arguments],
      });
    }
  }
  return merged;
}
