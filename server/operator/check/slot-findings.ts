// What is wrong with who owns which slot: nobody, two, an open move, views that differ, epochs that collide. Pure.

import { ownersIn } from '../../../lib/wire/cluster-nodes.ts';
import { slotCount } from '../../../lib/wire/slot.ts';
import { type Finding, rangeTexts } from './finding.ts';
import type { SlotFacts } from './slot-facts.ts';
import { addressOf, type ClusterSurvey, nameOf, ownLine, reachableIn } from './survey.ts';

/** `slots`: the facts of every slot that is not simply served by one owner. */
export function slotFindings(survey: ClusterSurvey, slots: readonly SlotFacts[]): Finding[] {
  return [...coverage(survey), ...unusual(slots), ...disagreement(survey, slots), ...epochs(survey)];
}

function coverage(survey: ClusterSurvey): Finding[] {
  const owned = new Set<number>();
  for (const node of reachableIn(survey)) {
    for (const { ranges } of node.view) {
      for (const [start, end] of ranges) for (let slot = start; slot <= end; slot++) owned.add(slot);
    }
  }
  const missing = Array.from({ length: slotCount }, (_, slot) => slot).filter((slot) => !owned.has(slot));
  const states = reachableIn(survey).filter(({ clusterInfo }) => clusterInfo.get('cluster_state') !== 'ok');
  const findings: Finding[] = [];
  if (missing.length > 0) {
    findings.push({
      severity: 'critical',
      kind: 'uncovered-slots',
      what: `${missing.length} slots belong to nobody`,
      where: rangeTexts(missing),
      todo: 'lingcache fix gives them to the masters that have their keys, or to the smallest ones',
      fixable: true,
    });
  }
  if (states.length > 0) {
    findings.push({
      severity: 'critical',
      kind: 'cluster-down',
      what: 'nodes say that the cluster is down',
      where: states.map(addressOf),
      todo: 'see the other findings: slots that belong to nobody, or a majority of masters that cannot be reached',
      fixable: false,
    });
  }
  return findings;
}

function unusual(slots: readonly SlotFacts[]): Finding[] {
  return slots.flatMap((facts): Finding[] => {
    const marks = facts.nodes.flatMap(({ address, migrating, importing, keys, claims }) => {
      const state = migrating !== undefined ? 'migrating' : importing !== undefined ? 'importing' : '';
      if (state === '' && keys === 0 && !claims) return [];
      return [`${address} (${[claims ? 'owner' : '', state, `${keys} keys`].filter((one) => one !== '').join(', ')})`];
    });
    const claims = facts.nodes.filter((node) => node.claims).length;
    const open = facts.nodes.some(({ migrating, importing }) => migrating !== undefined || importing !== undefined);
    if (claims > 1) {
      return [
        {
          severity: 'critical',
          kind: 'slot-claimed-twice',
          what: `slot ${facts.slot} is claimed by ${claims} masters`,
          where: marks,
          todo: 'lingcache fix gives it to the one with the most keys, and the keys of the others with it',
          fixable: true,
        },
      ];
    }
    if (!open) return [];
    return [
      {
        severity: 'warning',
        kind: 'open-slot',
        what: `slot ${facts.slot} is open`,
        where: marks,
        todo: 'a move is under way, or was broken off: lingcache fix ends it',
        fixable: true,
      },
    ];
  });
}

/** Who gives slots to whom otherwise than most do. */
function disagreement(survey: ClusterSurvey, slots: readonly SlotFacts[]): Finding[] {
  const handled = new Set(
    slots.filter(({ nodes }) => nodes.filter(({ claims }) => claims).length > 1).map((f) => f.slot),
  );
  const views = reachableIn(survey).map((node) => ({ node, owners: ownersIn(node.view) }));
  const bySlots = new Map<string, number[]>();
  for (let slot = 0; slot < slotCount; slot++) {
    if (handled.has(slot)) continue;
    const votes = new Map<string, string[]>();
    for (const { node, owners } of views) {
      const id = owners[slot]?.id ?? '';
      const voters = votes.get(id);
      if (voters === undefined) votes.set(id, [addressOf(node)]);
      else voters.push(addressOf(node));
    }
    if (votes.size < 2) continue;
    const text = [...votes].map(([id, voters]) => `${voters.join(', ')}: ${nameOf(survey, id)}`).join('; ');
    const list = bySlots.get(text);
    if (list === undefined) bySlots.set(text, [slot]);
    else list.push(slot);
  }
  return [...bySlots].map(([text, list]) => ({
    severity: 'critical',
    kind: 'nodes-disagree',
    what: `nodes do not agree on the owner of ${list.length} slots: ${text}`,
    where: rangeTexts(list),
    todo: 'wait some seconds, for gossip may end it; if it stays, lingcache fix announces it to all',
    fixable: true,
  }));
}

function epochs(survey: ClusterSurvey): Finding[] {
  const byEpoch = new Map<number, string[]>();
  for (const node of reachableIn(survey)) {
    const line = ownLine(node);
    if (line === undefined || !line.flags.includes('master') || line.ranges.length === 0) continue;
    byEpoch.set(line.configEpoch, [...(byEpoch.get(line.configEpoch) ?? []), addressOf(node)]);
  }
  return [...byEpoch]
    .filter(([, nodes]) => nodes.length > 1)
    .map(([epoch, where]) => ({
      severity: 'warning',
      kind: 'epoch-collision',
      what: `${where.length} masters have the same configuration epoch ${epoch}`,
      where,
      todo: 'nodes settle that among themselves within seconds; if it stays, lingcache fix bumps the epochs',
      fixable: true,
    }));
}
