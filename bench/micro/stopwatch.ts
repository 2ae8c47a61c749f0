// Nanoseconds of one small operation: as many repetitions as fill a slice of time, several slices, the median.

import { median } from '../measure/times.ts';

export interface MicroCase {
  readonly name: string;
  /** Operations that one call of `run` does. */
  readonly operations: number;
  /** Bytes that one call of `run` handles, for MB/s; 0 when that means nothing. */
  readonly bytes: number;
  /** Returns something that depends on its work, so that the work cannot be optimised away. */
  run(): number;
  /** Throws when the operation gives a wrong result. Called before and after the clock. */
  check(): void;
}

export interface MicroFigures {
  readonly name: string;
  readonly nsPerOp: number;
  readonly best: number;
  readonly megabytesPerSecond: number;
}

let sink = 0;

export function timeCase(one: MicroCase, slices: number, sliceMs: number): MicroFigures {
  one.check();
  const calls = calibrate(one, sliceMs);
  const times: number[] = [];
  for (let slice = 0; slice < slices; slice++) times.push((repeat(one, calls) * 1e6) / (calls * one.operations));
  one.check();
  const nsPerOp = median(times);
  return {
    name: one.name,
    nsPerOp,
    best: Math.min(...times),
    megabytesPerSecond: one.bytes === 0 ? 0 : (one.bytes / one.operations / nsPerOp) * 1000,
  };
}

/** Everything that the cases returned, folded; printing it keeps the work alive. */
export const sunk = (): number => sink;

function repeat(one: MicroCase, calls: number): number {
  let folded = 0;
  const start = performance.now();
  for (let call = 0; call < calls; call++) folded ^= one.run();
  const ms = performance.now() - start;
  sink ^= folded;
  return ms;
}

// Doubles until one slice is filled; this is the warm-up too.
function calibrate(one: MicroCase, sliceMs: number): number {
  for (let calls = 1; ; calls *= 2) {
    const ms = repeat(one, calls);
    if (ms >= sliceMs / 2 || calls >= 2 ** 30) return Math.max(1, Math.round((calls * sliceMs) / Math.max(ms, 0.001)));
  }
}
