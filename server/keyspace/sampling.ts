// Random picks without repeats, for SRANDMEMBER, SPOP, HRANDFIELD and ZRANDMEMBER.

import type { World } from '../../lib/base/world.ts';

/** `count` of the `size` members, each subset equally likely, in the members' own order. */
export function distinctSamples(members: Iterable<string>, count: number, size: number, world: World): string[] {
  const picked: string[] = [];
  let left = size;
  for (const member of members) {
    if (picked.length === count) break;
    // Selection sampling: take each with the chance (still wanted) / (still to come).
    if (world.random() * left < count - picked.length) picked.push(member);
    left -= 1;
  }
  return picked;
}
