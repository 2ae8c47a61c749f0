// PFADD, PFCOUNT, PFMERGE. A HyperLogLog is a plain string to every other command.

import { OK, type Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { estimate, keepEstimate, keptEstimate, Sketch } from '../keyspace/types/hyperloglog.ts';

export function sketchAt(ctx: Context, key: string): Sketch | undefined {
  const text = ctx.store.getString(key);
  if (text === undefined) return undefined;
  const sketch = Sketch.parse(text);
  if (sketch === 'foreign') throw new ReplyError('WRONGTYPE Key is not a valid HyperLogLog string value.');
  if (sketch === 'corrupt') throw new ReplyError('INVALIDOBJ Corrupted HLL object detected');
  return limited(ctx, sketch);
}

function limited(ctx: Context, sketch: Sketch): Sketch {
  sketch.mostSparse = ctx.store.host.limits.sparseBytes;
  return sketch;
}

export function saveSketch(ctx: Context, key: string, sketch: Sketch, changes = 1): void {
  ctx.store.put(key, sketch.print()).form = 'raw';
  ctx.store.changed(key, '$', 'pfadd', changes);
}

function add(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const found = sketchAt(ctx, key);
  const sketch = found ?? limited(ctx, new Sketch());
  let changes = found === undefined ? 1 : 0;
  for (let at = 2; at < argv.length; at += 1) if (sketch.add(argv[at]!)) changes += 1;
  if (changes > 0) saveSketch(ctx, key, sketch, changes);
  return changes > 0 ? 1 : 0;
}

function sketchesAt(ctx: Context, keys: readonly string[]): Sketch[] {
  return keys.map((key) => sketchAt(ctx, key)).filter((sketch) => sketch !== undefined);
}

function merge(ctx: Context, [target = '', ...others]: readonly string[]): Reply {
  const sketches = ctx.store.asReader(() => sketchesAt(ctx, [target, ...others]));
  const sketch = sketchAt(ctx, target) ?? limited(ctx, new Sketch());
  sketch.merge(sketches);
  saveSketch(ctx, target, sketch);
  return OK;
}

/** An estimate is kept in the head of its HyperLogLog until that changes: PFCOUNT writes, as far as replicas see. */
function countOne(ctx: Context, key: string): number {
  const sketch = sketchAt(ctx, key);
  if (sketch === undefined) return 0;
  const text = ctx.store.peek(key)!.value as string;
  const kept = keptEstimate(text);
  if (kept !== undefined) return kept;
  const count = estimate([sketch]);
  ctx.store.put(key, keepEstimate(text, count));
  ctx.store.signal(key);
  ctx.store.host.dirty++;
  return count;
}

function count(ctx: Context, keys: readonly string[]): number {
  return keys.length === 1 ? countOne(ctx, keys[0]!) : estimate(sketchesAt(ctx, keys));
}

export const hyperloglogCommands: CommandGroup = {
  pfadd: add,
  pfcount: (ctx, argv) => count(ctx, argv.slice(1)),
  pfmerge: (ctx, argv) => merge(ctx, argv.slice(1)),
};
