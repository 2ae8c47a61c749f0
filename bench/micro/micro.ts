// The micro suite: single rooms of the client, without sockets, in this process.

import type { BenchOptions, MicroName } from '../options.ts';
import { short, table } from '../report/text.ts';
import { cacheCases } from './cache.ts';
import { decodeCases } from './decode.ts';
import { encodeCases } from './encode.ts';
import { routeCases } from './route.ts';
import { slotCases } from './slot.ts';
import { type MicroCase, type MicroFigures, sunk, timeCase } from './stopwatch.ts';

const casesOf: Record<MicroName, () => MicroCase[]> = {
  encode: encodeCases,
  decode: decodeCases,
  slot: slotCases,
  route: routeCases,
  cache: cacheCases,
};

export interface MicroResult {
  readonly room: MicroName;
  readonly figures: readonly MicroFigures[];
}

export function runMicro(
  rooms: readonly MicroName[],
  options: BenchOptions,
): { lines: string[]; data: readonly MicroResult[] } {
  const sliceMs = options.quick ? 10 : 100;
  const slices = options.quick ? 5 : 15;
  const data = rooms.map((room) => ({
    room,
    figures: casesOf[room]().map((one) => timeCase(one, slices, sliceMs)),
  }));
  const lines = data.flatMap(({ room, figures }) => [...microTable(room, figures), '']);
  lines.push(
    `node ${process.version}; ns of one operation, median and best of ${slices} slices of ${sliceMs} ms [${sunk()}]`,
  );
  return { lines, data };
}

function microTable(room: string, figures: readonly MicroFigures[]): string[] {
  const rows = figures.map((one) => [
    one.name,
    short(one.nsPerOp),
    short(one.best),
    one.megabytesPerSecond === 0 ? '' : short(one.megabytesPerSecond),
  ]);
  return table([room, 'ns/op', 'best', 'MB/s'], rows);
}
