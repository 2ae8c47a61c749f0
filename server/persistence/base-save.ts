// The base of the append only file as a save in the background. Knows bases and savers.

import { dirname, join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { SavePace } from '../engine/save-pace.ts';
import type { BaseOrder } from './aof/base.ts';
import { writeCommands } from './aof/base-commands.ts';
import { printTime } from './aof/commands.ts';
import { type RdbPiece, rdbPieces } from './rdb/file-writer.ts';
import type { SaveRequest } from './saver/saver.ts';

/** With the parameters and the pace of this moment. */
export function baseRequest(order: BaseOrder, config: Pick<Config, 'flag'>, pace: SavePace | undefined): SaveRequest {
  const { path, rdb, content } = order;
  return {
    kind: 'aof',
    rdb,
    checksum: config.flag('rdbchecksum'),
    target: { path, before: join(dirname(path), 'temp-rewriteaof-bg-'), after: '.aof' },
    content,
    pieces: basePieces(order, config.flag('rdbcompression'), pace?.chunkBytes),
    pace,
  };
}

function* basePieces(
  { content, rdb, at }: BaseOrder,
  compress: boolean,
  chunkBytes: number | undefined,
): Generator<RdbPiece, void, undefined> {
  if (rdb) {
    yield* rdbPieces(content, compress ? 'later' : 'never', chunkBytes);
    return;
  }
  if (at !== undefined) yield { bytes: Buffer.from(printTime(Math.floor(at / 1000))), strings: [] };
  for (const bytes of writeCommands(content, chunkBytes)) yield { bytes, strings: [] };
}
