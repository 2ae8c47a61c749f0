// The names that nodes give themselves: node ids and replication ids, 40 hex digits.
// Pure but for the chance of the world it is given.

import type { World } from '../../lib/base/world.ts';

export function randomId(world: World): string {
  let id = '';
  while (id.length < 40) id += Math.floor(world.random() * 16).toString(16);
  return id;
}
