// A CLUSTER SLOTS reply as one node gave it -> the slot map it means for this client: empty hosts stand for the node
// that answered, unknown ones are left out, and every address passes the NAT map.

import { parseSlots, type SlotNode } from '../wire/cluster-text.ts';
import { type NatMap, parseKey, translate } from './seeds.ts';
import { type OwnedRange, SlotMap } from './slot-map.ts';

/** Throws an Error that names the bad field, or says that the view owns no slot at all. */
export function readView(reply: unknown, from: string, natMap: NatMap | undefined): SlotMap {
  const answerer = parseKey(from).host;
  const keyOf = (node: SlotNode): string | undefined => {
    if (node.host === '?') return undefined;
    // The answerer was reached by an address that is already mapped.
    if (node.host === null || node.host === '') return `${answerer}:${node.port}`;
    return translate(node.host, node.port, natMap).key;
  };
  const ranges: OwnedRange[] = [];
  for (const range of parseSlots(reply)) {
    const [master, ...replicas] = range.nodes.map(keyOf);
    if (master === undefined) continue;
    ranges.push({
      start: range.start,
      end: range.end,
      master,
      replicas: replicas.filter((key): key is string => key !== undefined && key !== master),
    });
  }
  if (ranges.length === 0) throw new Error('CLUSTER SLOTS names no slot with a reachable owner');
  return SlotMap.of(ranges);
}
