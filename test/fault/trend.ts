// Whether memory grows: the slope of the second half of the samples, by least squares. Pure.

export interface Sample {
  /** Seconds. */
  readonly at: number;
  /** MiB. */
  readonly rss: number;
  /** Heap in use after a collection, with what lies outside it, MiB. */
  readonly heap: number;
}

export interface Trend {
  /** Undefined: too few samples. */
  readonly flat: boolean | undefined;
  /** MiB a minute. */
  readonly heapSlope: number;
  readonly rssSlope: number;
  readonly text: string;
}

/** Most growth of the heap that still counts as flat, MiB a minute. Noise of 1 MiB alone gives about 0.1 in 10 minutes. */
export const heapBound = 0.5;
/** The same for the resident set, which moves in steps with the collector's arenas. */
export const rssBound = 3;

function slopeOf(samples: readonly Sample[], pick: (sample: Sample) => number): number {
  const meanAt = samples.reduce((sum, { at }) => sum + at, 0) / samples.length;
  const mean = samples.reduce((sum, sample) => sum + pick(sample), 0) / samples.length;
  let above = 0;
  let below = 0;
  for (const sample of samples) {
    above += (sample.at - meanAt) * (pick(sample) - mean);
    below += (sample.at - meanAt) ** 2;
  }
  return below === 0 ? 0 : (above / below) * 60;
}

/** Three minutes at a sample every 10 s: before that the warming up of the heap looks like growth. */
export const fewest = 18;

export function verdictOf(samples: readonly Sample[]): Trend {
  const second = samples.slice(Math.floor(samples.length / 2));
  const heapSlope = slopeOf(second, ({ heap }) => heap);
  const rssSlope = slopeOf(second, ({ rss }) => rss);
  const flat = samples.length < fewest ? undefined : heapSlope <= heapBound && rssSlope <= rssBound;
  const verdict = flat === undefined ? 'too short to judge' : flat ? 'flat' : 'GROWS';
  const text = `second half: heap ${heapSlope.toFixed(3)} MiB/min (bound ${heapBound}), rss ${rssSlope.toFixed(3)} MiB/min (bound ${rssBound}): ${verdict}`;
  return { flat, heapSlope, rssSlope, text };
}
