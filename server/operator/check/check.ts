// Is a cluster whole, and what is wrong with it: asks all its nodes and judges their answers.
// Owns: nothing; each check is a look of its own.
// Does not know: how what it finds is mended (fix.ts).
// Invariant: nothing is changed.

import type { ClusterLink } from '../link/cluster-link.ts';
import type { Finding } from './finding.ts';
import { findingsOf } from './findings.ts';
import { type SlotFacts, unusualSlots } from './slot-facts.ts';
import { addressOf, type ClusterSurvey, isMasterNode, ownLine, surveyNodes } from './survey.ts';

export interface CheckedNode {
  readonly id: string;
  readonly address: string;
  readonly role: 'master' | 'replica';
  readonly masterId: string | null;
  readonly slots: readonly (readonly [start: number, end: number])[];
  readonly reachable: boolean;
  readonly keys: number;
  readonly version: string;
  readonly configEpoch: number;
}

export interface CheckReport {
  /** No finding but notes. */
  readonly healthy: boolean;
  readonly nodes: readonly CheckedNode[];
  readonly findings: readonly Finding[];
}

/** What a check knows beside its report. */
export interface CheckDetails {
  readonly report: CheckReport;
  readonly survey: ClusterSurvey;
  readonly slots: readonly SlotFacts[];
}

/** Looks at the whole cluster. Rejects with an UnreachableError when no node can be asked. */
export async function checkCluster(link: ClusterLink): Promise<CheckReport> {
  return (await checkInDetail(link)).report;
}

export async function checkInDetail(link: ClusterLink): Promise<CheckDetails> {
  const survey = await surveyNodes(link);
  const slots = await unusualSlots(link, survey);
  const findings = findingsOf(survey, slots);
  const nodes = survey.nodes.map((node): CheckedNode => {
    const line = ownLine(node) ?? node.line;
    const keyspace = [...node.info].filter(([name]) => /^db\d+$/.test(name));
    return {
      id: node.id,
      address: addressOf(node),
      role: isMasterNode(node) ? 'master' : 'replica',
      masterId: line.master,
      slots: line.ranges,
      reachable: node.unreachable === undefined,
      keys: keyspace.reduce((sum, [, text]) => sum + Number(/keys=(\d+)/.exec(text)?.[1] ?? 0), 0),
      version: node.info.get('valkey_version') ?? node.info.get('redis_version') ?? '',
      configEpoch: line.configEpoch,
    };
  });
  const healthy = findings.every(({ severity }) => severity === 'note');
  return { report: { healthy, nodes, findings }, survey, slots };
}
