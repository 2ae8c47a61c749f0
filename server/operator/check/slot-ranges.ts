// The slots of a cluster as ranges alike: same owner, same state. For people and scripts that look up where a slot is.

import { ownersIn } from '../../../lib/wire/cluster-nodes.ts';
import { slotCount } from '../../../lib/wire/slot.ts';
import { type ClusterLink, isMaster, isReachable } from '../link/cluster-link.ts';
import { countSlots } from '../reshard/empty-slots.ts';

export interface SlotRange {
  readonly start: number;
  readonly end: number;
  /** Id of its owner; null: nobody. */
  readonly owner: string | null;
  readonly address: string | null;
  /** Keys in all databases; null when slots were not asked for one by one. */
  readonly keys: number | null;
  readonly state: 'stable' | 'migrating' | 'unassigned';
}

/** `slots`: those alone, each with its keys. Default: all, as ranges. */
export async function slotsOfCluster(link: ClusterLink, slots?: readonly number[]): Promise<SlotRange[]> {
  const view = await link.view();
  const masters = view.filter(isMaster);
  const open = new Set<number>();
  await Promise.all(
    masters.filter(isReachable).map(async (node) => {
      const own = (await link.viewOf(node).catch(() => [])).find(({ flags }) => flags.includes('myself'));
      for (const slot of own?.migrating.keys() ?? []) open.add(slot);
    }),
  );
  const owners = ownersIn(masters);
  const one = (slot: number, keys: number | null): SlotRange => {
    const node = owners[slot];
    const state = node === undefined ? 'unassigned' : open.has(slot) ? 'migrating' : 'stable';
    const address = node === undefined ? null : `${node.host}:${node.port}`;
    return { start: slot, end: slot, owner: node?.id ?? null, address, keys, state };
  };
  if (slots !== undefined) {
    return Promise.all(
      slots.map(async (slot) => {
        const node = owners[slot];
        const keys = node === undefined ? null : ((await countSlots(link, node, [slot]).catch(() => []))[0] ?? null);
        return one(slot, keys);
      }),
    );
  }
  const ranges: SlotRange[] = [];
  for (let slot = 0; slot < slotCount; slot++) {
    const next = one(slot, null);
    const last = ranges.at(-1);
    if (last !== undefined && last.owner === next.owner && last.state === next.state) {
      ranges[ranges.length - 1] = { ...last, end: slot };
    } else ranges.push(next);
  }
  return ranges;
}
