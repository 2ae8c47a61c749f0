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
  const findings: Finding[] = [];
  const all = new Set(survey.nodes.map(({ id }) => id));
  for (const node of reachableIn(survey)) {
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
