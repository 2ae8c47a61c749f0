// How long nodes take to answer PING, as an operator's machine sees it. The figures are pure.

import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, isReachable, type NodeAddress } from '../link/cluster-link.ts';

export interface LatencyFigures {
  readonly count: number;
  /** Milliseconds. */
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Counts by upper bound in milliseconds; the last bound is null: everything above. */
  readonly histogram: readonly { readonly below: number | null; readonly count: number }[];
}

/** An entry of LATENCY LATEST. */
export interface LatencySpike {
  readonly event: string;
  /** Seconds since 1970. */
  readonly at: number;
  readonly latestMs: number;
  readonly maxMs: number;
}

export interface NodeLatency {
  readonly node: string;
  readonly role: 'master' | 'replica';
  /** Null when the node did not answer. */
  readonly ping: LatencyFigures | null;
  readonly lost: number;
  /** Empty where latency-monitor-threshold is 0. */
  readonly spikes: readonly LatencySpike[];
}

const bounds = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** Of milliseconds; null of none. */
export function latencyFigures(samples: readonly number[]): LatencyFigures | null {
  if (samples.length === 0) return null;
  const sorted = samples.toSorted((one, other) => one - other);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]!;
  const counts = bounds.map((below, index) => {
    const above = index === 0 ? Number.NEGATIVE_INFINITY : bounds[index - 1]!;
    return { below, count: sorted.filter((one) => one >= above && one < below).length };
  });
  const rest = { below: null, count: sorted.filter((one) => one >= bounds.at(-1)!).length };
  return {
    count: sorted.length,
    min: sorted[0]!,
    mean: sorted.reduce((sum, one) => sum + one, 0) / sorted.length,
    p50: at(0.5),
    p99: at(0.99),
    max: sorted.at(-1)!,
    histogram: [...counts, rest],
  };
}

/** `[[event, seconds, latest, max], ...]`; what does not fit is left out. */
export function readSpikes(reply: unknown): LatencySpike[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((entry) => {
    if (!Array.isArray(entry) || entry.length < 4) return [];
    const [event, at, latestMs, maxMs] = entry as unknown[];
    return [{ event: String(event), at: Number(at), latestMs: Number(latestMs), maxMs: Number(maxMs) }];
  });
}

export interface ProbeOptions {
  /** PINGs for every node. Default 100. */
  readonly count?: number | undefined;
  /** Milliseconds between two PINGs to a node. Default 10. */
  readonly intervalMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  onProgress?(done: number, total: number): void;
}

const lane = 1002;

export async function probeLatency(link: ClusterLink, options: ProbeOptions = {}): Promise<NodeLatency[]> {
  const { count = 100 } = options;
  const view = await link.view();
  let done = 0;
  const total = view.length * count;
  const step = (): void => options.onProgress?.(++done, total);
  return Promise.all(
    view.map(async (line): Promise<NodeLatency> => {
      const samples = isReachable(line) ? await pings(link, line, options, step) : { times: [], lost: 0 };
      const reply = samples.times.length > 0 ? await spikesOf(link, line) : [];
      return {
        node: `${line.host}:${line.port}`,
        role: line.flags.includes('slave') ? 'replica' : 'master',
        ping: latencyFigures(samples.times),
        lost: samples.lost,
        spikes: readSpikes(reply),
      };
    }),
  );
}

async function spikesOf(link: ClusterLink, node: NodeAddress): Promise<unknown> {
  const [reply] = await link.exchange(node, [['LATENCY', 'LATEST']]).catch(() => [undefined]);
  return reply instanceof ReplyError ? undefined : reply;
}

/** A node that does not answer is not asked for long. */
const lossesAtMost = 3;

async function pings(
  link: ClusterLink,
  node: NodeAddress,
  { count = 100, intervalMs = 10, signal }: ProbeOptions,
  step: () => void,
): Promise<{ times: number[]; lost: number }> {
  const times: number[] = [];
  let lost = 0;
  // The first exchange dials; that is no latency of the server.
  await link.exchange(node, [['PING']], link.timeoutMs, lane).catch(() => undefined);
  for (let left = count; left > 0 && lost < lossesAtMost && signal?.aborted !== true; left--) {
    const started = link.world.now();
    const [reply] = await link.exchange(node, [['PING']], link.timeoutMs, lane).catch(() => [undefined]);
    if (reply === undefined) lost++;
    else times.push(link.world.now() - started);
    step();
    if (left > 1) await new Promise<void>((resolve) => void link.world.after(intervalMs, resolve, true));
  }
  return { times, lost };
}
