// What is wrong with the places and settings of nodes: hosts, memory, clocks, versions, parameters. Pure.

import type { Finding } from './finding.ts';
import { addressOf, type ClusterSurvey, comparedParameters, type NodeSurvey, reachableIn } from './survey.ts';

const nearLimit = 0.9;
const clockMs = 1000;

export function places(survey: ClusterSurvey): Finding[] {
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

export function memory(survey: ClusterSurvey): Finding[] {
  return reachableIn(survey).flatMap((node): Finding[] => {
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

export function clocks(survey: ClusterSurvey): Finding[] {
  const known = reachableIn(survey).flatMap((node) => (node.clockMs === undefined ? [] : [{ node, ms: node.clockMs }]));
  if (known.length < 2) return [];
  const middle = known.map(({ ms }) => ms).sort((a, b) => a - b)[Math.floor(known.length / 2)]!;
  const apart = known.filter(({ ms }) => Math.abs(ms - middle) > clockMs);
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
export function differences(survey: ClusterSurvey): Finding[] {
  const nodes = reachableIn(survey);
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
