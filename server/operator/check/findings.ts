// What is wrong with a cluster, judged from a survey of its nodes. Pure: no node is asked here.
// Each finding says what, where, and what to do about it.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { slotCount } from '../../../lib/wire/slot.ts';
import { rangesOf } from '../reshard/slot-commands.ts';
import type { SlotFacts } from './slot-facts.ts';
import { type ClusterSurvey, comparedParameters, type NodeSurvey } from './survey.ts';

/** `critical`: requests fail, or data is in danger. `warning`: they will when something else goes wrong. */
export type Severity = 'critical' | 'warning' | 'note';

export interface Finding {
  readonly severity: Severity;
  /** One word for the kind: `uncovered-slots`, `open-slot`, `epoch-collision`, ... */
  readonly kind: string;
  readonly what: string;
  /** Addresses or slots. */
  readonly where: readonly string[];
  readonly todo: string;
  /** `lingcache fix` does it. */
  readonly fixable: boolean;
}

const lagBytes = 1 << 20;
/** A master without writes says something every `repl-ping-replica-period`, 10 s by default. */
const lagSeconds = 25;
const nearLimit = 0.9;
const clockMs = 1000;

/** The worst first. `slots`: the facts of every slot that is not simply served by one owner. */
export function findingsOf(survey: ClusterSurvey, slots: readonly SlotFacts[]): Finding[] {
  const found = [
    ...reachability(survey),
    ...coverage(survey),
    ...slotFindings(slots),
    ...disagreement(survey, slots),
    ...epochs(survey),
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

export const addressOf = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  `${host}:${port}`;

const asked = ({ nodes }: ClusterSurvey): NodeSurvey[] => nodes.filter((node) => node.unreachable === undefined);

export function ownLine({ view }: NodeSurvey): NodeLine | undefined {
  return view.find(({ flags }) => flags.includes('myself'));
}

export function isMasterNode(node: NodeSurvey): boolean {
  return (ownLine(node) ?? node.line).flags.includes('master');
}

const owns = (line: NodeLine): number => line.ranges.reduce((sum, [start, end]) => sum + end - start + 1, 0);

function reachability(survey: ClusterSurvey): Finding[] {
  return survey.nodes.flatMap(({ unreachable, line, host, port }): Finding[] => {
    if (unreachable === undefined) return [];
    const slots = owns(line);
    const what = `the node does not answer at the address that it announces (${unreachable})`;
    const role = line.flags.includes('master') ? 'master' : 'replica';
    return [
      {
        severity: slots > 0 ? 'critical' : 'warning',
        kind: 'unreachable',
        what: `${role}${slots > 0 ? ` of ${slots} slots` : ''}: ${what}`,
        where: [addressOf({ host, port })],
        todo: 'start it, correct cluster-announce-ip and -port, or use --nat-map; if it is gone for good: lingcache forget',
        fixable: false,
      },
    ];
  });
}

function coverage(survey: ClusterSurvey): Finding[] {
  const owned = new Set<number>();
  for (const node of asked(survey)) {
    for (const { ranges } of node.view) {
      for (const [start, end] of ranges) for (let slot = start; slot <= end; slot++) owned.add(slot);
    }
  }
  const missing = Array.from({ length: slotCount }, (_, slot) => slot).filter((slot) => !owned.has(slot));
  const states = asked(survey).filter(({ clusterInfo }) => clusterInfo.get('cluster_state') !== 'ok');
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

function rangeTexts(slots: readonly number[]): string[] {
  return rangesOf(slots).map(([start, end]) => (start === end ? String(start) : `${start}-${end}`));
}

function slotFindings(slots: readonly SlotFacts[]): Finding[] {
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
  const views = asked(survey).map((node) => ({ node, owners: ownersIn(node.view) }));
  const bySlots = new Map<string, number[]>();
  for (let slot = 0; slot < slotCount; slot++) {
    if (handled.has(slot)) continue;
    const votes = new Map<string, string[]>();
    for (const { node, owners } of views) {
      const id = owners[slot] ?? '';
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
    todo: 'wait some seconds, for gossip may end it; if it stays, lingcache fix tells them all',
    fixable: true,
  }));
}

export function ownersIn(view: readonly NodeLine[]): (string | undefined)[] {
  const owners = new Array<string | undefined>(slotCount).fill(undefined);
  for (const { id, ranges } of view) for (const [start, end] of ranges) owners.fill(id, start, end + 1);
  return owners;
}

function nameOf({ nodes }: ClusterSurvey, id: string): string {
  if (id === '') return 'nobody';
  const node = nodes.find((one) => one.id === id);
  return node === undefined ? id : addressOf(node);
}

function epochs(survey: ClusterSurvey): Finding[] {
  const byEpoch = new Map<number, string[]>();
  for (const node of asked(survey)) {
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

function membership(survey: ClusterSurvey): Finding[] {
  const findings: Finding[] = [];
  const all = new Set(survey.nodes.map(({ id }) => id));
  for (const node of asked(survey)) {
    const known = new Set(node.view.map(({ id }) => id));
    const unknown = [...all].filter((id) => !known.has(id)).map((id) => nameOf(survey, id));
    const suspects = node.view.filter(({ flags }) => flags.includes('fail') || flags.includes('fail?'));
    const cut = node.view.filter(
      ({ connected, flags }) => !connected && !flags.includes('myself') && !flags.includes('fail'),
    );
    const where = [addressOf(node)];
    if (unknown.length > 0) {
      const todo =
        'wait for gossip; if it stays: CLUSTER MEET at that node (lingcache call ADDRESS CLUSTER MEET host port)';
      findings.push({
        severity: 'warning',
        kind: 'unknown-node',
        what: `does not know ${unknown.join(', ')}`,
        where,
        todo,
        fixable: false,
      });
    }
    if (suspects.length > 0) {
      const names = suspects.map((line) => `${addressOf(line)} (${line.flags.includes('fail') ? 'fail' : 'fail?'})`);
      const todo = 'start the node again, or lingcache forget it when it is gone for good';
      findings.push({
        severity: 'warning',
        kind: 'failing-node',
        what: `takes for failing: ${names.join(', ')}`,
        where,
        todo,
        fixable: false,
      });
    }
    if (cut.length > 0) {
      const todo = 'the bus ports (port + 10000 by default) have to be open between all nodes';
      findings.push({
        severity: 'warning',
        kind: 'bus-link',
        what: `has no bus connection to ${cut.map(addressOf).join(', ')}`,
        where,
        todo,
        fixable: false,
      });
    }
  }
  for (const line of survey.halfKnown) {
    const todo = 'it comes or goes within a minute; if it stays, lingcache forget it';
    findings.push({
      severity: 'note',
      kind: 'half-known-node',
      what: `a node is ${line.flags.join(', ')}`,
      where: [`${line.id} ${addressOf(line)}`],
      todo,
      fixable: false,
    });
  }
  return findings;
}

function replicas(survey: ClusterSurvey): Finding[] {
  const findings: Finding[] = [];
  const nodes = asked(survey);
  const masters = nodes.filter((node) => isMasterNode(node) && owns(ownLine(node) ?? node.line) > 0);
  const followed = new Set<string>();
  for (const node of nodes.filter((one) => !isMasterNode(one))) {
    const masterId = ownLine(node)?.master ?? node.line.master ?? '';
    followed.add(masterId);
    const master = survey.nodes.find(({ id }) => id === masterId);
    findings.push(...replicaFindings(node, master, survey));
  }
  const bare = masters.filter(({ id }) => !followed.has(id));
  if (bare.length > 0) {
    findings.push({
      severity: bare.length < masters.length ? 'warning' : 'note',
      kind: 'no-replica',
      what: `${bare.length} of ${masters.length} masters have no replica`,
      where: bare.map(addressOf),
      todo: 'lingcache add-node NEW ADDRESS --replica-of ID',
      fixable: false,
    });
  }
  if (masters.length > 0 && masters.length < 3) {
    const todo = 'with fewer than three masters no failover can be voted for: add one';
    findings.push({
      severity: 'note',
      kind: 'few-masters',
      what: `only ${masters.length} masters have slots`,
      where: masters.map(addressOf),
      todo,
      fixable: false,
    });
  }
  return findings;
}

function replicaFindings(node: NodeSurvey, master: NodeSurvey | undefined, survey: ClusterSurvey): Finding[] {
  const where = [addressOf(node)];
  const finding = (severity: Severity, kind: string, what: string, todo: string): Finding => {
    return { severity, kind, what, where, todo, fixable: false };
  };
  if (master === undefined)
    return [
      finding(
        'warning',
        'wrong-master',
        'follows a node that is no member',
        'lingcache call it CLUSTER REPLICATE with the right id',
      ),
    ];
  if (!isMasterNode(master)) {
    return [
      finding(
        'warning',
        'wrong-master',
        `follows ${addressOf(master)}, which is a replica itself`,
        'CLUSTER REPLICATE it to the master',
      ),
    ];
  }
  const port = node.info.get('master_port');
  if (
    port !== undefined &&
    Number(port) !== master.port &&
    !survey.nodes.some((one) => one.id === master.id && String(one.line.port) === port)
  ) {
    return [
      finding(
        'warning',
        'wrong-master',
        `replicates from ${node.info.get('master_host')}:${port}, and the cluster has ${addressOf(master)} for its master`,
        'restart the replica, or CLUSTER REPLICATE once more',
      ),
    ];
  }
  if (node.info.get('master_link_status') === 'down') {
    return [
      finding(
        'warning',
        'replica-link',
        `has lost its master ${addressOf(master)}`,
        'see the logs of both: network, masterauth, output buffer limits',
      ),
    ];
  }
  const behind = Number(master.info.get('master_repl_offset') ?? 0) - Number(node.info.get('slave_repl_offset') ?? 0);
  const silent = Number(node.info.get('master_last_io_seconds_ago') ?? 0);
  if (behind > lagBytes || silent > lagSeconds) {
    const lag = behind > lagBytes ? `${behind} bytes` : `${silent} seconds`;
    return [
      finding(
        'warning',
        'replica-lag',
        `is ${lag} behind ${addressOf(master)}`,
        'a network or a disk is too slow for what is written',
      ),
    ];
  }
  return [];
}

function places(survey: ClusterSurvey): Finding[] {
  const hosts = new Set(survey.nodes.map(({ host }) => host));
  const shared = survey.nodes.filter((node) => {
    const master = survey.nodes.find(({ id }) => id === node.line.master);
    return master !== undefined && master.host === node.host;
  });
  if (shared.length === 0) return [];
  return [
    {
      // A cluster on one machine is somebody's workbench.
      severity: hosts.size === 1 ? 'note' : 'warning',
      kind: 'shared-host',
      what: hosts.size === 1 ? 'all nodes are on one host' : 'replicas are on the host of their master',
      where: hosts.size === 1 ? [...hosts] : shared.map(addressOf),
      todo: 'a replica that is to outlive its master belongs on another host',
      fixable: false,
    },
  ];
}

function memory(survey: ClusterSurvey): Finding[] {
  return asked(survey).flatMap((node): Finding[] => {
    const limit = Number(node.info.get('maxmemory') ?? 0);
    const used = Number(node.info.get('used_memory') ?? 0);
    if (limit === 0 || used < limit * nearLimit) return [];
    const policy = node.info.get('maxmemory_policy') ?? 'noeviction';
    return [
      {
        severity: used >= limit && policy === 'noeviction' ? 'critical' : 'warning',
        kind: 'memory',
        what: `uses ${Math.round((used / limit) * 100)} % of maxmemory (${policy})`,
        where: [addressOf(node)],
        todo:
          policy === 'noeviction'
            ? 'writes are refused at the limit: raise it, or move slots away'
            : 'keys are being evicted, or soon will be',
        fixable: false,
      },
    ];
  });
}

function clocks(survey: ClusterSurvey): Finding[] {
  const told = asked(survey).flatMap((node) => (node.clockMs === undefined ? [] : [{ node, ms: node.clockMs }]));
  if (told.length < 2) return [];
  const middle = told.map(({ ms }) => ms).sort((a, b) => a - b)[Math.floor(told.length / 2)]!;
  const apart = told.filter(({ ms }) => Math.abs(ms - middle) > clockMs);
  if (apart.length === 0) return [];
  return [
    {
      severity: 'warning',
      kind: 'clocks',
      what: 'clocks are apart, so keys expire at other times after a failover',
      where: apart.map(({ node, ms }) => `${addressOf(node)} (${((ms - middle) / 1000).toFixed(1)} s)`),
      todo: 'run NTP on the hosts',
      fixable: false,
    },
  ];
}

/** Versions and parameters that most nodes have alike. */
function differences(survey: ClusterSurvey): Finding[] {
  const nodes = asked(survey);
  const rows: { name: string; value: (node: NodeSurvey) => string | undefined }[] = [
    { name: 'version', value: ({ info }) => versionOf(info) },
    ...comparedParameters.map((name) => ({ name, value: ({ parameters }: NodeSurvey) => parameters.get(name) })),
  ];
  return rows.flatMap(({ name, value }): Finding[] => {
    const groups = new Map<string, string[]>();
    for (const node of nodes) {
      const one = value(node);
      if (one !== undefined) groups.set(one, [...(groups.get(one) ?? []), addressOf(node)]);
    }
    if (groups.size < 2) return [];
    const secret = name === 'requirepass';
    const where = [...groups].map(
      ([one, addresses]) => `${secret ? 'another value' : one === '' ? "''" : one}: ${addresses.join(', ')}`,
    );
    const todo =
      name === 'version'
        ? 'bring all to one version: lingcache rolling-restart'
        : `CONFIG SET ${name} alike, and in the files`;
    return [
      {
        severity: 'warning',
        kind: name === 'version' ? 'versions' : 'parameter',
        what: `${name} differs between nodes`,
        where,
        todo,
        fixable: false,
      },
    ];
  });
}

function versionOf(info: ReadonlyMap<string, string>): string | undefined {
  const valkey = info.get('valkey_version');
  return valkey === undefined ? info.get('redis_version') : `valkey ${valkey}`;
}
