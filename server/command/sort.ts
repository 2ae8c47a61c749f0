// SORT and SORT_RO: the elements of a list, set or sorted set, ordered by themselves or by other keys.

import { commandOf } from '../../lib/command/table.ts';
import type { Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { parseLooseDouble } from '../keyspace/number.ts';
import { wrongTypeError } from '../keyspace/store.ts';
import type { HashValue } from '../keyspace/types/hash.ts';
import { ListValue } from '../keyspace/types/list.ts';
import type { SetValue } from '../keyspace/types/set.ts';
import type { ZsetValue } from '../keyspace/types/zset.ts';

interface SortOptions {
  descending: boolean;
  alpha: boolean;
  by: string | undefined;
  gets: string[];
  offset: number;
  count: number;
  target: string | undefined;
}

interface SortRules {
  /** SORT, not SORT_RO. */
  readonly mayStore: boolean;
  /** Cluster mode: no key may be looked up that the call does not name. */
  readonly ownKeysOnly: boolean;
}

function readOptions(ctx: Context, argv: readonly string[], { mayStore, ownKeysOnly }: SortRules): SortOptions {
  const options: SortOptions = {
    descending: false,
    alpha: false,
    by: undefined,
    gets: [],
    offset: 0,
    count: -1,
    target: undefined,
  };
  for (let at = 2; at < argv.length; at += 1) {
    const word = argv[at];
    const more = argv.length - at - 1;
    if (sameWord(word, 'asc')) options.descending = false;
    else if (sameWord(word, 'desc')) options.descending = true;
    else if (sameWord(word, 'alpha')) options.alpha = true;
    else if (sameWord(word, 'limit') && more >= 2) {
      options.offset = readLong(argv[++at]!);
      options.count = readLong(argv[++at]!);
    } else if (sameWord(word, 'store') && more >= 1 && mayStore) options.target = argv[++at]!;
    else if (sameWord(word, 'by') && more >= 1) {
      options.by = argv[++at]!;
      if (options.by.includes('*')) checkOtherKeys(ctx, argv, 'BY', mayStore, ownKeysOnly);
    } else if (sameWord(word, 'get') && more >= 1) {
      checkOtherKeys(ctx, argv, 'GET', mayStore, ownKeysOnly);
      options.gets.push(argv[++at]!);
    } else syntaxError();
  }
  return options;
}

/** BY and GET read keys that the call does not name. */
function checkOtherKeys(
  ctx: Context,
  argv: readonly string[],
  word: 'BY' | 'GET',
  mayStore: boolean,
  ownKeysOnly: boolean,
): void {
  if (ownKeysOnly) fail(`${word} option of SORT denied in Cluster mode.`);
  const row = commandOf(mayStore ? 'sort' : 'sort_ro')!;
  if (!ctx.mayReadAnyKey(row, argv)) fail(`${word} option of SORT denied due to insufficient ACL permissions.`);
}

/** The string that `pattern` names for `element`: a key, or with `->` a field of a hash. */
function lookUp(ctx: Context, pattern: string, element: string): string | undefined {
  if (pattern === '#') return element;
  const star = pattern.indexOf('*');
  if (star < 0) return undefined;
  const arrow = pattern.indexOf('->', star);
  const hashed = arrow >= 0 && arrow + 2 < pattern.length;
  const key = pattern.slice(0, star) + element + pattern.slice(star + 1, hashed ? arrow : undefined);
  const value = ctx.store.asReader(() => ctx.store.get(key));
  if (!hashed) return typeof value === 'string' ? value : undefined;
  if (typeof value !== 'object' || value.type !== 'hash') return undefined;
  return (value as HashValue).get(pattern.slice(arrow + 2));
}

interface Source {
  readonly elements: string[];
  readonly type: 'list' | 'set' | 'zset';
}

function elementsAt(ctx: Context, key: string, descending: boolean): Source {
  const value = ctx.store.asReader(() => ctx.store.get(key));
  if (value === undefined) return { elements: [], type: 'list' };
  if (typeof value === 'object') {
    if (value.type === 'list') return { elements: [...(value as ListValue)], type: 'list' };
    if (value.type === 'set') return { elements: [...(value as SetValue)], type: 'set' };
    if (value.type === 'zset') {
      const pairs = (value as ZsetValue).range(0, value.size - 1, descending);
      return { elements: pairs.map((pair) => pair.member), type: 'zset' };
    }
  }
  throw wrongTypeError();
}

const byBytes = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

interface Weighted {
  readonly element: string;
  readonly number: number;
  readonly text: string | undefined;
}

function weigh(ctx: Context, element: string, options: SortOptions): Weighted {
  const text = options.by === undefined ? element : lookUp(ctx, options.by, element);
  if (options.alpha || text === undefined) return { element, number: 0, text };
  // Read as C reads a text: it ends before its first NUL.
  const digits = text.split('\0', 1)[0]!.trimStart();
  const number = digits === '' ? 0 : parseLooseDouble(digits);
  if (number === undefined) fail("One or more scores can't be converted into double");
  return { element, number, text };
}

function compare(a: Weighted, b: Weighted, options: SortOptions): number {
  if (!options.alpha) return a.number - b.number || byBytes(a.element, b.element);
  if (options.by === undefined) return byBytes(a.element, b.element);
  if (a.text === undefined || b.text === undefined) return Number(a.text !== undefined) - Number(b.text !== undefined);
  return byBytes(a.text, b.text);
}

function order(ctx: Context, source: Source, options: SortOptions): string[] {
  const unsorted = options.by !== undefined && !options.by.includes('*');
  // A stored set must come out the same everywhere, so it is sorted even when not asked; and so for scripts.
  if (unsorted && source.type === 'list') return options.descending ? source.elements.reverse() : source.elements;
  if (unsorted && !(source.type === 'set' && (options.target !== undefined || ctx.inScript === true)))
    return source.elements;
  const how: SortOptions = unsorted ? { ...options, alpha: true, by: undefined } : options;
  const weighted = source.elements.map((element) => weigh(ctx, element, how));
  const sign = options.descending ? -1 : 1;
  weighted.sort((a, b) => sign * compare(a, b, how));
  return weighted.map(({ element }) => element);
}

function sort(ctx: Context, argv: readonly string[], rules: SortRules): Reply {
  const options = readOptions(ctx, argv, rules);
  const ordered = order(ctx, elementsAt(ctx, argv[1]!, options.descending), options);
  const start = Math.max(0, options.offset);
  const stop = options.count < 0 ? ordered.length : start + options.count;
  const elements = ordered.slice(start, stop);
  const rows =
    options.gets.length === 0
      ? elements
      : elements.flatMap((element) => options.gets.map((pattern) => lookUp(ctx, pattern, element) ?? null));
  if (options.target === undefined) return rows;
  const { target } = options;
  if (rows.length > 0) {
    ctx.store.replace(target, ListValue.from(rows.map((row) => row ?? '')));
    ctx.store.changed(target, 'l', 'sortstore', rows.length);
  } else if (ctx.store.drop(target)) {
    ctx.store.changed(target, 'g', 'del');
  }
  return rows.length;
}

function sortGroup(ownKeysOnly: boolean): CommandGroup {
  return {
    sort: (ctx, argv) => sort(ctx, argv, { mayStore: true, ownKeysOnly }),
    sort_ro: (ctx, argv) => sort(ctx, argv, { mayStore: false, ownKeysOnly }),
  };
}

export const sortCommands: CommandGroup = sortGroup(false);

/** In cluster mode, where the keys that BY and GET name may be anywhere. */
export const clusterSortCommands: CommandGroup = sortGroup(true);
