// PFDEBUG and PFSELFTEST: how a HyperLogLog is held, and whether the estimates are sound.

import { OK, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { estimate, Sketch } from '../keyspace/types/hyperloglog.ts';
import { saveSketch, sketchAt } from './hyperloglog.ts';

const noKey = new ReplyError('ERR The specified key does not exist');
const notSparse = new ReplyError('ERR HLL encoding is not sparse');

/** GETREG and TODENSE change how the value is held, and that is replicated. */
function debug(ctx: Context, argv: readonly string[]): Reply {
  const [, word, key] = argv as [string, string, string];
  const sketch = sketchAt(ctx, key);
  if (sketch === undefined) return noKey;
  switch (word.toLowerCase()) {
    case 'encoding':
      return new Status(sketch.dense ? 'dense' : 'sparse');
    case 'getreg':
      unfold(ctx, key, sketch);
      return [...sketch.registers()];
    case 'todense':
      return unfold(ctx, key, sketch) ? 1 : 0;
    case 'decode':
      return sketch.runs() ?? notSparse;
    default:
      return new ReplyError(`ERR Unknown PFDEBUG subcommand '${word}'`);
  }
}

function unfold(ctx: Context, key: string, sketch: Sketch): boolean {
  if (sketch.dense) return false;
  sketch.makeDense();
  saveSketch(ctx, key, sketch);
  return true;
}

/** Estimates may be off by so many standard errors of 16384 registers. */
const standardError = 1.04 / Math.sqrt(16_384);
const tolerated = 6;

/** Sketches of known sizes, made twice: sparse as long as it lasts, and dense from the start. */
function selfTest(): Reply {
  const grown = new Sketch();
  const dense = new Sketch();
  dense.makeDense();
  let size = 0;
  for (const step of [1, 9, 90, 900, 9000, 90_000]) {
    for (let end = size + step; size < end; size++) {
      grown.add(`element ${size}`);
      dense.add(`element ${size}`);
    }
    const [one, other] = [estimate([grown]), estimate([dense])];
    const off = Math.abs(one - size);
    if (one !== other || off > Math.max(1, size * standardError * tolerated)) {
      return new ReplyError(`ERR TESTFAILED ${size} elements are counted as ${one} and ${other}`);
    }
  }
  return OK;
}

export const hyperloglogDebugCommands: CommandGroup = {
  pfdebug: debug,
  pfselftest: selfTest,
};
