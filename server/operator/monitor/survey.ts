// Asks the nodes of a cluster what they know, all at once: for the monitor and the balancer.
// Invariant: a node that cannot be asked leaves a gap in the answers and stops nothing.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { parseNodes } from '../../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, isReachable } from '../link/cluster-link.ts';
import type { NodeAnswers } from './metrics.ts';

/** Slots asked for in one exchange. */
const slotsAtOnce = 2048;

export interface Survey {
  readonly view: readonly NodeLine[];
  readonly answers: ReadonlyMap<string, NodeAnswers>;
}

/** Nodes asked at the same time: a line of CLUSTER NODES for every node, from every node, is a lot at once. */
const nodesAtOnce = 64;

/** Rejects only when no node of the cluster can be asked. `timeoutMs`: for each exchange with a node. */
export async function surveyCluster(link: ClusterLink, timeoutMs: number = link.timeoutMs): Promise<Survey> {
  const view = await link.view();
  const answers = new Map<string, NodeAnswers>();
  const waiting = view.filter(isReachable).values();
  const askNext = async (): Promise<void> => {
    for (const line of waiting) {
      const found = await askNode(link, line, timeoutMs).catch(() => undefined);
      if (found !== undefined) answers.set(line.id, found);
    }
  };
  await Promise.all(Array.from({ length: nodesAtOnce }, askNext));
  return { view, answers };
}

async function askNode(link: ClusterLink, line: NodeLine, timeoutMs: number): Promise<NodeAnswers> {
  const started = link.world.now();
  await link.ask(line, ['PING'], timeoutMs);
  const latencyMs = link.world.now() - started;
  const questions = [
    ['INFO', 'everything'],
    ['CLUSTER', 'INFO'],
    ['CLUSTER', 'NODES'],
  ];
  const [info, clusterInfo, nodes] = await link.exchange(line, questions, timeoutMs);
  for (const reply of [info, clusterInfo, nodes]) if (reply instanceof ReplyError) throw reply;
  return { latencyMs, info: String(info), clusterInfo: String(clusterInfo), view: parseNodes(nodes) };
}

/** Keys of every slot that its owner can be asked for. */
export async function countSlotKeys(link: ClusterLink, masters: readonly NodeLine[]): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  await Promise.all(
    masters.map(async (node) => {
      const slots = slotsOf(node);
      for (let at = 0; at < slots.length; at += slotsAtOnce) {
        const some = slots.slice(at, at + slotsAtOnce);
        const commands = some.map((slot) => ['CLUSTER', 'COUNTKEYSINSLOT', String(slot)]);
        const replies = await link.exchange(node, commands);
        for (const [index, reply] of replies.entries()) if (typeof reply === 'number') counts.set(some[index]!, reply);
      }
    }),
  );
  return counts;
}

export function slotsOf({ ranges }: NodeLine): number[] {
  return ranges.flatMap(([start, end]) => Array.from({ length: end - start + 1 }, (_, at) => start + at));
}
