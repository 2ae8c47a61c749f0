// Two weights of lines in a node's log: World.log is for what somebody should look at, note() for what goes well.
// A world that cannot tell them apart gets both.

import type { World } from '../lib/base/world.ts';

export interface NotingWorld extends World {
  note(line: string): void;
}

export function note(world: World, line: string): void {
  if ('note' in world) (world as NotingWorld).note(line);
  else world.log(line);
}
