// Which slots can be opened without another look: those that both ends take for the source's, and neither for open.

import { type NodeLine, ownersIn } from '../../../lib/wire/cluster-nodes.ts';
import type { ClusterLink } from '../link/cluster-link.ts';

type Look = (slot: number) => { readonly owner: string | undefined; readonly open: boolean };

export type ClosedTest = (slot: number, source: string, target: string) => boolean;

/** Asks the nodes `ids` of `view`. Whoever cannot be asked makes the test fail. */
export async function closedSlots(
  link: ClusterLink,
  view: readonly NodeLine[],
  ids: ReadonlySet<string>,
): Promise<ClosedTest> {
  const looks = new Map<string, Look>();
  const ask = async (node: NodeLine): Promise<void> => {
    looks.set(node.id, lookUp(await link.viewOf(node).catch(() => [])));
  };
  await Promise.all(view.filter(({ id }) => ids.has(id)).map(ask));
  return (slot, source, target) =>
    [source, target].every((id) => {
      const seen = looks.get(id)?.(slot);
      return seen?.owner === source && !seen.open;
    });
}

function lookUp(lines: readonly NodeLine[]): Look {
  const owners = ownersIn(lines);
  const mine = lines.find(({ flags }) => flags.includes('myself'));
  return (slot) => ({
    owner: owners[slot]?.id,
    open: mine?.migrating.has(slot) === true || mine?.importing.has(slot) === true,
  });
}
