// What a stretch of work cost this process: CPU of all its threads (process.cpuUsage), memory peak, and bytes that
// the garbage collector freed. Freed bytes are the drop of V8's used heap plus external memory over every collection
// of the stretch (v8.GCProfiler), from one forced full collection to another, so that nothing is left uncounted; the
// forced ones are outside the clock. Needs --expose-gc.

import { readFileSync, writeFileSync } from 'node:fs';
import { GCProfiler } from 'node:v8';

export interface Cost {
  readonly seconds: number;
  readonly cpuMicros: number;
  readonly gcBytes: number;
  /** Time in collections, in microseconds; part of cpuMicros. */
  readonly gcMicros: number;
  /** Bytes; of this stretch on Linux, of the process's life elsewhere. */
  readonly peakRss: number;
}

interface GcStatistic {
  readonly cost: number;
  readonly beforeGC: { readonly heapStatistics: HeapFigures };
  readonly afterGC: { readonly heapStatistics: HeapFigures };
}

interface HeapFigures {
  readonly usedHeapSize: number;
  readonly externalMemory: number;
}

const collect = (globalThis as { gc?: () => void }).gc;

/** Runs `work` and says what it cost beside what it returns. */
export async function metered<T>(work: () => Promise<T>): Promise<{ value: T; cost: Cost }> {
  collect?.();
  const peakIsOurs = resetPeak();
  const profiler = new GCProfiler();
  profiler.start();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const value = await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const peakRss = peakIsOurs ? readPeak() : process.resourceUsage().maxRSS * 1024;
  collect?.();
  const collections = profiler.stop().statistics as unknown as readonly GcStatistic[];
  const forced = collect === undefined ? 0 : 1;
  return {
    value,
    cost: {
      seconds,
      cpuMicros: user + system,
      peakRss,
      gcBytes: collections.reduce((sum, one) => sum + freed(one), 0),
      gcMicros: collections.slice(0, collections.length - forced).reduce((sum, one) => sum + one.cost, 0),
    },
  };
}

function freed(one: GcStatistic): number {
  const before = one.beforeGC.heapStatistics;
  const after = one.afterGC.heapStatistics;
  return Math.max(0, before.usedHeapSize + before.externalMemory - after.usedHeapSize - after.externalMemory);
}

// Linux only: writing 5 makes VmHWM start again from the present size.
function resetPeak(): boolean {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
    return true;
  } catch {
    return false;
  }
}

function readPeak(): number {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(line?.[1] ?? 0) * 1024;
}
