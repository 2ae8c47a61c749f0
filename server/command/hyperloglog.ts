// PFADD, PFCOUNT, PFMERGE. A HyperLogLog is a plain string to every other command.

import { OK, type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { Sketch } from '../keyspace/types/hyperloglog.ts';
import type { CommandGroup, Context } from './registry.ts';

function sketchAt(ctx: Context, key: string): Sketch | undefined {
  const text = ctx.store.getString(key);
  if (text === undefined) return undefined;
  const sketch = Sketch.parse(text);
  if (sketch === 'foreign') throw new ReplyError('WRONGTYPE Key is not a valid HyperLogLog string value.');
  if (sketch === 'corrupt') throw new ReplyError('INVALIDOBJ Corrupted HLL object detected');
  return sketch;
}

function save(ctx: Context, key: string, sketch: Sketch): void {
  ctx.store.put(key, sketch.print());
  ctx.store.changed(key, '$', 'pfadd');
}

function add(ctx: Context, argv: readonly string[]): Reply {
  const key = argv[1]!;
  const found = sketchAt(ctx, key);
  const sketch = found ?? new Sketch();
  let grew = found === undefined;
  for (let at = 2; at < argv.length; at += 1) if (sketch.add(argv[at]!)) grew = true;
  if (grew) save(ctx, key, sketch);
  return grew ? 1 : 0;
}

function merged(ctx: Context, keys: readonly string[]): Sketch {
  const result = new Sketch();
  for (const key of keys) {
    const sketch = sketchAt(ctx, key);
    if (sketch !== undefined) result.merge(sketch);
  }
  return result;
}

export const hyperloglogCommands: CommandGroup = {
  pfadd: add,
  pfcount: (ctx, argv) => merged(ctx, argv.slice(1)).count(),
  pfmerge: (ctx, argv) => {
    save(ctx, argv[1]!, merged(ctx, argv.slice(1)));
    return OK;
  },
};
