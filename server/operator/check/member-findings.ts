// What is wrong with the members and who follows whom: out of reach, unknown, failing, without a replica, behind. Pure.

import type { Finding, Severity } from './finding.ts';
import {
  addressOf,
  type ClusterSurvey,
  isMasterNode,
  type NodeSurvey,
  nameOf,
  ownLine,
  reachableIn,
  slotsOf,
} from './survey.ts';

const lagBytes = 1 << 20;
/** A master without writes says something every `repl-ping-replica-period`, 10 s by default. */
const lagSeconds = 25;

export function reachability(survey: ClusterSurvey): Finding[] {
  return survey.nodes.flatMap(({ unreachable, line, host, port }): Finding[] => {
    if (unreachable === undefined) return [];
    const slots = slotsOf(line);
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

export function membership(survey: ClusterSurvey): Finding[] {
  const all = new Set(survey.nodes.map(({ id }) => id));
  return [
    ...reachableIn(survey).flatMap((node) => viewFindings(node, all, survey)),
    ...survey.halfKnown.map((line) => {
      const todo = 'it comes or goes within a minute; if it stays, lingcache forget it';
      return finding(
        'note',
        'half-known-node',
        `a node is ${line.flags.join(', ')}`,
        `${line.id} ${addressOf(line)}`,
        todo,
      );
    }),
  ];
}

/** What one node does not know, takes for failing, or has no bus connection to. */
function viewFindings(node: NodeSurvey, all: ReadonlySet<string>, survey: ClusterSurvey): Finding[] {
  const known = new Set(node.view.map(({ id }) => id));
  const unknown = [...all].filter((id) => !known.has(id)).map((id) => nameOf(survey, id));
  const suspects = node.view
    .filter(({ flags }) => flags.includes('fail') || flags.includes('fail?'))
    .map((line) => `${addressOf(line)} (${line.flags.includes('fail') ? 'fail' : 'fail?'})`);
  const cut = node.view
    .filter(({ connected, flags }) => !connected && !flags.includes('myself') && !flags.includes('fail'))
    .map(addressOf);
  const rows: readonly (readonly [string, string, readonly string[], string])[] = [
    [
      'unknown-node',
      'does not know',
      unknown,
      'wait for gossip; if it stays: CLUSTER MEET at that node (lingcache call ADDRESS CLUSTER MEET host port)',
    ],
    [
      'failing-node',
      'takes for failing:',
      suspects,
      'start the node again, or lingcache forget it when it is gone for good',
    ],
    [
      'bus-link',
      'has no bus connection to',
      cut,
      'the bus ports (port + 10000 by default) have to be open between all nodes',
    ],
  ];
  return rows
    .filter(([, , names]) => names.length > 0)
    .map(([kind, what, names, todo]) => finding('warning', kind, `${what} ${names.join(', ')}`, addressOf(node), todo));
}

function finding(severity: Severity, kind: string, what: string, where: string, todo: string): Finding {
  return { severity, kind, what, where: [where], todo, fixable: false };
}

export function replicas(survey: ClusterSurvey): Finding[] {
  const findings: Finding[] = [];
  const nodes = reachableIn(survey);
  const masters = nodes.filter((node) => isMasterNode(node) && slotsOf(ownLine(node) ?? node.line) > 0);
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
  const warn = (kind: string, what: string, todo: string): Finding[] => [
    finding('warning', kind, what, addressOf(node), todo),
  ];
  if (master === undefined) {
    const todo = 'lingcache call it CLUSTER REPLICATE with the right id';
    return warn('wrong-master', 'follows a node that is no member', todo);
  }
  if (!isMasterNode(master)) {
    const what = `follows ${addressOf(master)}, which is a replica itself`;
    return warn('wrong-master', what, 'CLUSTER REPLICATE it to the master');
  }
  if (!replicatesFrom(node, master, survey)) {
    const source = `${node.info.get('master_host')}:${node.info.get('master_port')}`;
    const what = `replicates from ${source}, and the cluster has ${addressOf(master)} for its master`;
    return warn('wrong-master', what, 'restart the replica, or CLUSTER REPLICATE once more');
  }
  if (node.info.get('master_link_status') === 'down') {
    const what = `has lost its master ${addressOf(master)}`;
    return warn('replica-link', what, 'see the logs of both: network, masterauth, output buffer limits');
  }
  const lag = lagOf(node, master);
  if (lag === undefined) return [];
  const todo = 'a network or a disk is too slow for what is written';
  return warn('replica-lag', `is ${lag} behind ${addressOf(master)}`, todo);
}

/** Whether the replica's own master_port is one of the master that it has in the cluster, as far as it shows one. */
function replicatesFrom(node: NodeSurvey, master: NodeSurvey, { nodes }: ClusterSurvey): boolean {
  const port = node.info.get('master_port');
  if (port === undefined || Number(port) === master.port) return true;
  return nodes.some((one) => one.id === master.id && String(one.line.port) === port);
}

/** How far a replica is behind, where that is too far. */
function lagOf(node: NodeSurvey, master: NodeSurvey): string | undefined {
  const behind = Number(master.info.get('master_repl_offset') ?? 0) - Number(node.info.get('slave_repl_offset') ?? 0);
  if (behind > lagBytes) return `${behind} bytes`;
  const silent = Number(node.info.get('master_last_io_seconds_ago') ?? 0);
  return silent > lagSeconds ? `${silent} seconds` : undefined;
}
