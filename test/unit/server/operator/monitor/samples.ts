// Samples of clusters that exist in a test alone.

import { parseNodes } from '../../../../../lib/wire/cluster-nodes.ts';
import type { NodeAnswers } from '../../../../../server/operator/monitor/metrics.ts';
import { type ClusterSample, clusterSample } from '../../../../../server/operator/monitor/sample.ts';

const ids: readonly string[] = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(40));

export interface FakeNode {
  /** Index of its master; undefined: it is one. */
  readonly follows?: number;
  readonly slots?: string;
  readonly flags?: string;
  /** Lines of INFO besides run_id; undefined: it does not answer. */
  readonly info?: readonly string[] | undefined;
  readonly run?: string;
}

/** `clock`: milliseconds. Node `at` is 127.0.0.1:7000 + at. */
export function sampleOf(nodes: readonly FakeNode[], clock: number): ClusterSample {
  const text = (me: number): string =>
    nodes
      .map(({ follows, slots = '', flags = '' }, at) => {
        const words = [at === me ? 'myself' : '', follows === undefined ? 'master' : 'slave', flags].filter(Boolean);
        const master = follows === undefined ? '-' : ids[follows];
        const port = 7000 + at;
        return `${ids[at]} 127.0.0.1:${port}@1${port} ${words.join(',')} ${master} 0 0 ${at + 1} connected ${slots}`;
      })
      .join('\n');
  const answers = new Map<string, NodeAnswers>();
  for (const [at, { info, run = 'first' }] of nodes.entries()) {
    if (info === undefined) continue;
    const lines = [`run_id:${run}${at}`, ...info].join('\r\n');
    answers.set(ids[at]!, { latencyMs: 1, info: lines, clusterInfo: 'cluster_state:ok', view: parseNodes(text(at)) });
  }
  return clusterSample(parseNodes(text(0)), answers, { at: 1_700_000_000_000 + clock, clock });
}
