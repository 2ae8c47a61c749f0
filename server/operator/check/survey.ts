// Asks every node of a cluster what a check needs to know, all at once.
// Invariant: a node that cannot be asked is in the survey as one that could not, and stops nothing.

import { type NodeLine, parseNodes } from '../../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, isReachable, type NodeAddress } from '../link/cluster-link.ts';
import { parseInfo } from '../link/info-text.ts';

/** Parameters that nodes of one cluster have alike, unless somebody forgot one. */
export const comparedParameters = [
  'maxmemory',
  'maxmemory-policy',
  'cluster-node-timeout',
  'cluster-require-full-coverage',
  'cluster-allow-replica-migration',
  'appendonly',
  'appendfsync',
  'save',
  'requirepass',
] as const;

export interface NodeSurvey extends NodeAddress {
  readonly id: string;
  /** As the node that was asked first knows it. */
  readonly line: NodeLine;
  /** Why it could not be asked; then the rest is empty. */
  readonly unreachable: string | undefined;
  readonly view: readonly NodeLine[];
  readonly info: ReadonlyMap<string, string>;
  readonly clusterInfo: ReadonlyMap<string, string>;
  readonly parameters: ReadonlyMap<string, string>;
  /** Milliseconds that its clock is ahead of this one; undefined: it does not say. */
  readonly clockMs: number | undefined;
}

export interface ClusterSurvey {
  readonly nodes: readonly NodeSurvey[];
  /** Ids that a reachable node knows, in handshake or without address: members that are not whole. */
  readonly halfKnown: readonly NodeLine[];
}

/** Rejects with an UnreachableError when no node can be asked. */
export async function surveyNodes(link: ClusterLink): Promise<ClusterSurvey> {
  const view = await link.view();
  const whole = view.filter(
    ({ flags, host }) => host !== '' && !flags.includes('handshake') && !flags.includes('noaddr'),
  );
  const nodes = await Promise.all(whole.map((line) => surveyNode(link, line)));
  return { nodes, halfKnown: view.filter((line) => !whole.includes(line)) };
}

async function surveyNode(link: ClusterLink, line: NodeLine): Promise<NodeSurvey> {
  const { id, host, port } = line;
  const empty = new Map<string, string>();
  const blank = { id, host, port, line, view: [], info: empty, clusterInfo: empty, parameters: empty };
  try {
    const asked = link.world.wallClock();
    const [nodes, clusterInfo, info, time, ...settings] = await link.exchange(line, [
      ['CLUSTER', 'NODES'],
      ['CLUSTER', 'INFO'],
      ['INFO', 'everything'],
      ['TIME'],
      ...comparedParameters.map((name) => ['CONFIG', 'GET', name]),
    ]);
    const answered = link.world.wallClock();
    for (const reply of [nodes, clusterInfo, info]) if (reply instanceof ReplyError) throw reply;
    return {
      ...blank,
      unreachable: undefined,
      view: parseNodes(nodes),
      info: parseInfo(String(info)),
      clusterInfo: parseInfo(String(clusterInfo)),
      parameters: parametersOf(settings),
      clockMs: clockOf(time, (asked + answered) / 2),
    };
  } catch (error) {
    const reason = isReachable(line) ? (error as Error).message : `${host}:${port}: the cluster says it has failed`;
    return { ...blank, unreachable: reason, clockMs: undefined };
  }
}

function parametersOf(settings: readonly unknown[]): Map<string, string> {
  const pairs = settings.flatMap((reply) => (Array.isArray(reply) && reply.length >= 2 ? [reply.slice(0, 2)] : []));
  return new Map(pairs.map(([name, value]) => [String(name), String(value)]));
}

function clockOf(time: unknown, now: number): number | undefined {
  if (!Array.isArray(time)) return undefined;
  return Number(time[0]) * 1000 + Number(time[1]) / 1000 - now;
}

/** The nodes that could be asked. */
export function reachableIn({ nodes }: ClusterSurvey): NodeSurvey[] {
  return nodes.filter((node) => node.unreachable === undefined);
}

/** How many slots a line gives its node. */
export function slotsOf({ ranges }: NodeLine): number {
  return ranges.reduce((sum, [start, end]) => sum + end - start + 1, 0);
}

export function addressOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host}:${port}`;
}

/** `host:port` of a node by its id; the id where the survey has no such node. */
export function nameOf({ nodes }: ClusterSurvey, id: string): string {
  if (id === '') return 'nobody';
  const node = nodes.find((one) => one.id === id);
  return node === undefined ? id : addressOf(node);
}

/** What a node says of itself. */
export function ownLine({ view }: NodeSurvey): NodeLine | undefined {
  return view.find(({ flags }) => flags.includes('myself'));
}

export function isMasterNode(node: NodeSurvey): boolean {
  return (ownLine(node) ?? node.line).flags.includes('master');
}
