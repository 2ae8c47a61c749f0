// What goes on in a cluster, for the log of a process, in the words of redis-server that operators search it for.
// An embedded node has one log for what needs attention: its user did not ask to hear of every election.

import type { NotingWorld, World } from '../../lib/base/world.ts';

export function progress(world: World, line: string): void {
  if ('note' in world) (world as NotingWorld).note(line);
}
