// What is wrong with a cluster, judged from a survey of its nodes. Pure: no node is asked here.
// Invariant: each finding says what, where, and what to do about it.

import type { Finding, Severity } from './finding.ts';
import { clocks, differences, memory, places } from './host-findings.ts';
import { membership, reachability, replicas } from './member-findings.ts';
import type { SlotFacts } from './slot-facts.ts';
import { slotFindings } from './slot-findings.ts';
import type { ClusterSurvey } from './survey.ts';

/** The worst first. `slots`: the facts of every slot that is not simply served by one owner. */
export function findingsOf(survey: ClusterSurvey, slots: readonly SlotFacts[]): Finding[] {
  const found = [
    ...reachability(survey),
    ...slotFindings(survey, slots),
    ...membership(survey),
    ...replicas(survey),
    ...places(survey),
    ...memory(survey),
    ...clocks(survey),
    ...differences(survey),
  ];
  const order: readonly Severity[] = ['critical', 'warning', 'note'];
  return found.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}
