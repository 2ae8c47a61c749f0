// Popping from and moving between lists: what the plain and the blocking list commands share.
// Every pop that did not come from the words LPOP or RPOP themselves is replicated as one of them.

import type { Reply } from '../../lib/wire/reply.ts';
import type { Context } from '../engine/registry.ts';
import { readAtLeast, readKeys, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { ListValue } from '../keyspace/types/list.ts';

export type End = 'left' | 'right';

export function listAt(ctx: Context, key: string): ListValue | undefined {
  return ctx.store.getTyped<ListValue>(key, 'list');
}

export function readEnd(text: string | undefined): End {
  if (sameWord(text, 'left')) return 'left';
  return sameWord(text, 'right') ? 'right' : syntaxError();
}

export function pushItem(list: ListValue, item: string, end: End): void {
  if (end === 'left') list.pushHead(item);
  else list.pushTail(item);
}

/** Pops one item of a list that has some, and drops the key when it was the last. */
export function popOne(ctx: Context, key: string, list: ListValue, end: End): string {
  const item = end === 'left' ? list.popHead() : list.popTail();
  ctx.store.changed(key, 'l', end === 'left' ? 'lpop' : 'rpop');
  ctx.store.dropIfEmpty(key, list);
  return item ?? '';
}

/** Pops up to `count` items. */
export function takeMany(ctx: Context, key: string, list: ListValue, end: End, count: number): string[] {
  const items: string[] = [];
  while (items.length < count && list.size > 0) items.push((end === 'left' ? list.popHead() : list.popTail())!);
  ctx.store.changed(key, 'l', end === 'left' ? 'lpop' : 'rpop', items.length);
  ctx.store.dropIfEmpty(key, list);
  return items;
}

export function popWord(end: End): string {
  return end === 'left' ? 'LPOP' : 'RPOP';
}

/** Pops up to `count` items of the first list that has some, as `[key, items]`. */
export function popMany(ctx: Context, keys: readonly string[], end: End, count: number): Reply | undefined {
  for (const key of keys) {
    const list = listAt(ctx, key);
    if (list === undefined) continue;
    const items = takeMany(ctx, key, list, end, count);
    ctx.propagate([popWord(end), key, String(items.length)]);
    return [key, items];
  }
  return undefined;
}

/** `numkeys key ... LEFT|RIGHT [COUNT n]` from `argv[at]`. */
export function readListPop(argv: readonly string[], at: number): { keys: string[]; end: End; count: number } {
  const { keys, rest } = readKeys(argv, at);
  const end = readEnd(argv[rest]);
  return { keys, end, count: readPopCount(argv, rest + 1) };
}

/** An optional `COUNT n` that ends the words. */
export function readPopCount(argv: readonly string[], at: number): number {
  let count: number | undefined;
  for (; at < argv.length; at += 2) {
    if (count !== undefined || !sameWord(argv[at], 'count') || argv[at + 1] === undefined) syntaxError();
    count = readAtLeast(argv[at + 1]!, 1, 'count should be greater than 0');
  }
  return count ?? 1;
}

/** The item moved, or undefined when the source has none. */
export function moveItem(ctx: Context, source: string, target: string, from: End, to: End): string | undefined {
  const list = listAt(ctx, source);
  if (list === undefined) return undefined;
  let goal = listAt(ctx, target);
  const item = (from === 'left' ? list.popHead() : list.popTail())!;
  if (goal === undefined) {
    goal = new ListValue();
    ctx.store.put(target, goal);
  }
  pushItem(goal, item, to);
  ctx.store.changed(target, 'l', to === 'left' ? 'lpush' : 'rpush');
  ctx.store.changed(source, 'l', from === 'left' ? 'lpop' : 'rpop', 0);
  ctx.store.dropIfEmpty(source, list);
  return item;
}
