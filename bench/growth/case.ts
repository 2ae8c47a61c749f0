// What a growth benchmark measures: the same thing done to more and more items. What grows faster than its items is
// found by the time that one of them takes.

/** One run of a case; anything but the measured time is its own business. */
export interface Run {
  /** Milliseconds for all items. */
  readonly ms: number;
  /** Milliseconds that this process was at work meanwhile: what others do on the machine does not count. */
  readonly cpu: number;
  /** Longest time that the event loop stood still, in milliseconds; undefined where nobody looked. */
  readonly stall?: number;
}

export interface GrowthCase {
  readonly name: string;
  /** Numbers of items, rising. */
  readonly sizes: readonly number[];
  run(size: number): Promise<Run> | Run;
  /** The same by ioredis, where it has the thing. */
  peer?(size: number): Promise<Run> | Run;
  /** Size at which the peer must not be faster. */
  readonly match?: number;
}

export const thousands: readonly number[] = [1000, 10_000, 100_000];

export async function timed(act: () => Promise<unknown> | unknown): Promise<Run> {
  const start = performance.now();
  const before = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(before);
  return { ms: performance.now() - start, cpu: (user + system) / 1000 };
}

/** As timed(), with a look at the event loop every millisecond. */
export async function watched(act: () => Promise<unknown>): Promise<Run> {
  let last = performance.now();
  let stall = 0;
  const look = (): void => {
    const now = performance.now();
    stall = Math.max(stall, now - last - 1);
    last = now;
  };
  const timer = setInterval(look, 1);
  try {
    const run = await timed(act);
    look();
    return { ...run, stall };
  } finally {
    clearInterval(timer);
  }
}

export interface Figure {
  readonly size: number;
  /** Best of the rounds. */
  readonly ms: number;
  /** Median of the rounds. */
  readonly cpu: number;
  readonly stall: number | undefined;
  readonly peerMs: number | undefined;
}

/**
 * Times as much work for one item at the largest size as at the one before it. Not as at the smallest: what a thousand
 * items make dies young, what ten thousand make at once does not, and the collector's part of the work doubles with it
 * for every client.
 */
export function growthOf(figures: readonly Figure[]): number {
  const [before, last] = figures.slice(-2).map(({ cpu, size }) => cpu / size);
  return last! / before!;
}

/** What one item may take more when there are ten times as many. */
const mostGrowth = 2;
/** A peer this much faster is not distinguished from one that is as fast. */
const noise = 1.15;

/** The bars that a case misses, in words. */
export function misses({ name, match }: GrowthCase, figures: readonly Figure[]): string[] {
  const missed: string[] = [];
  const growth = growthOf(figures);
  if (growth > mostGrowth) missed.push(`${name}: an item takes ${growth.toFixed(1)} times as long at the largest size`);
  const matched = figures.find(({ size }) => size === match);
  if (matched?.peerMs !== undefined && matched.ms > matched.peerMs * noise) {
    missed.push(`${name}: ${matched.ms.toFixed(1)} ms at ${match}, ioredis ${matched.peerMs.toFixed(1)}`);
  }
  return missed;
}
