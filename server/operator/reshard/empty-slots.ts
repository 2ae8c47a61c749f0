// The last look before a slot is given away: is it still open towards its new node, and empty in every database?
// A target that claims a slot makes the source drop whatever it still has of it, so nothing is announced before this.

import { parseNodes } from '../../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, type MovingNode, ownerIn, RefusedError } from '../link/cluster-link.ts';
import { countArgv, type SlotRoute } from './slot-commands.ts';

/** For each route why its slot may not be given away yet; undefined: it may. `routes` have `source` in common. */
export async function notGivable(
  link: ClusterLink,
  source: MovingNode,
  routes: readonly SlotRoute[],
): Promise<(Error | undefined)[]> {
  const counts = await countSlots(
    link,
    source,
    routes.map(({ slot }) => slot),
  );
  // Looked at last: were the slot closed in between, keys could have come since they were counted.
  const view = parseNodes(await link.ask(source, ['CLUSTER', 'NODES']));
  const mine = view.find(({ flags }) => flags.includes('myself'));
  return routes.map(({ slot, to }, at) => {
    const keys = counts[at]!;
    if (keys > 0) return new Error(`${source.host}:${source.port} still has ${keys} keys of slot ${slot}`);
    const peer = mine?.migrating.get(slot);
    if (mine !== undefined && ownerIn(view, slot) === mine.id && peer === to.id) return undefined;
    const state = peer === undefined ? 'is not open there any more' : `is open towards ${peer}`;
    return new Error(`slot ${slot} is not given away by ${source.host}:${source.port}: it ${state}`);
  });
}

/** Keys of each slot in all databases of the node. */
export async function countSlots(link: ClusterLink, node: MovingNode, slots: readonly number[]): Promise<number[]> {
  const databases = await link.databasesOf(node);
  const commands = slots.map(countArgv);
  const answers = await Promise.all(
    Array.from({ length: databases }, (_, database) => link.exchange(node, commands, link.timeoutMs, 0, database)),
  );
  return slots.map((_slot, at) =>
    answers.reduce((sum, replies) => {
      const count = replies[at];
      if (count instanceof ReplyError) throw new RefusedError(node, commands[at]!, count.message);
      return sum + Number(count);
    }, 0),
  );
}

/** Why `target` cannot take what the source has: keys in databases that it does not have. Undefined: it can. */
export async function tooFewDatabases(
  link: ClusterLink,
  source: MovingNode,
  target: MovingNode,
): Promise<string | undefined> {
  const [here, there] = await Promise.all([link.databasesOf(source), link.databasesOf(target)]);
  if (here <= there) return undefined;
  const keyspace = String(await link.ask(source, ['INFO', 'keyspace']));
  const used = [...keyspace.matchAll(/^db(\d+):keys=/gm)].map(([, number]) => Number(number));
  const beyond = used.filter((database) => database >= there);
  if (beyond.length === 0) return undefined;
  const names = `${target.host}:${target.port} has ${there === 1 ? 'one database' : `${there} databases`}`;
  return `${names}, and ${source.host}:${source.port} has keys in database ${beyond.join(', ')}: nothing was moved`;
}
