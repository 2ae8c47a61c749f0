// The commands that access rules can name, and their categories. Pure; reads the generated table on first use, so that
// a server whose users may do everything never does.

import { categoryNames, categoryRows } from './categories.generated.ts';

export { categoryNames } from './categories.generated.ts';

export interface CatalogEntry {
  /** Lower case; a subcommand is `container|sub`. */
  readonly name: string;
  /** Bits by the order of `categoryNames`. */
  readonly categories: number;
  /** Names of the subcommands. */
  readonly subcommands: readonly string[];
  readonly isSubcommand: boolean;
}

let catalog: Map<string, CatalogEntry> | undefined;

/**
 * Commands that redis 7.0 has not, and those of its commands that they are like: they are allowed together, so that
 * what is printed of a user can be read by any server.
 */
const likes: ReadonlyMap<string, string> = new Map([['client|setinfo', 'client|setname']]);

/** The command whose rules rule this one. */
export function ruledLike(name: string): string {
  return likes.get(name) ?? name;
}

/** Every command, subcommands behind their containers. */
export function allEntries(): Iterable<CatalogEntry> {
  return read().values();
}

/** By full name in lower case; undefined: there is none. */
export function entryOf(name: string): CatalogEntry | undefined {
  return read().get(name);
}

/** The bit of a category, any letter case; 0: there is none of that name. */
export function categoryBit(name: string): number {
  const at = categoryNames.indexOf(name.toLowerCase());
  return at < 0 ? 0 : 1 << at;
}

function read(): Map<string, CatalogEntry> {
  catalog ??= parse();
  return catalog;
}

function parse(): Map<string, CatalogEntry> {
  const entries = new Map<string, CatalogEntry>();
  const subcommandsOf = new Map<string, string[]>();
  for (const line of categoryRows.split('\n')) {
    const [name, bits] = line.split(' ') as [string, string];
    const bar = name.indexOf('|');
    const subcommands: string[] = [];
    if (bar < 0) subcommandsOf.set(name, subcommands);
    else subcommandsOf.get(name.slice(0, bar))?.push(name);
    const isSubcommand = bar >= 0;
    entries.set(name, { name, categories: Number.parseInt(bits, 36), subcommands, isSubcommand });
  }
  return entries;
}
