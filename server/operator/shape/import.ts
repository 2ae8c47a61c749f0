// Keys of a server that is no cluster come into the cluster: each to the master of its slot, handed over by the server
// itself (MIGRATE), in groups by master.

import { ownersIn } from '../../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { slotOfBinary } from '../../../lib/wire/slot.ts';
import { type ClusterLink, isMaster, isReachable, type MovingNode, RefusedError } from '../link/cluster-link.ts';

export interface ImportOptions {
  /** The server keeps its keys. */
  readonly copy?: boolean | undefined;
  /** Keys that the cluster has already are overwritten. */
  readonly replace?: boolean | undefined;
  readonly database?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface ImportResult {
  readonly imported: number;
  /** Keys that were there already; they are as they were, at both places. */
  readonly refused: number;
  readonly interrupted: boolean;
}

const batch = 100;
const exchangeMs = 10_000;

/** `source`: a link whose first seed is the server. Rejects at the first error that is not about a key that exists. */
export async function importKeys(
  cluster: ClusterLink,
  source: ClusterLink,
  options: ImportOptions = {},
): Promise<ImportResult> {
  const server = source.seeds[0]!;
  const { database = 0 } = options;
  const owners = ownersIn((await cluster.view()).filter((node) => isMaster(node) && isReachable(node)));
  const say = (argv: readonly string[]): Promise<unknown[]> =>
    source.exchange(server, [argv], exchangeMs * 2, 0, database);
  const total = Number((await say(['DBSIZE']))[0]);
  let [imported, refused, cursor] = [0, 0, '0'];
  // With `copy` the keys stay, and a scan may name one twice.
  const seen = new Set<string>();
  do {
    if (options.signal?.aborted === true) return { imported, refused, interrupted: true };
    const [reply] = await say(['SCAN', cursor, 'COUNT', String(batch)]);
    if (reply instanceof ReplyError) throw new RefusedError(server, ['SCAN'], reply.message);
    const [next, keys] = reply as [string, string[]];
    cursor = next;
    const fresh = [...new Set(keys)].filter((key) => !seen.has(key));
    for (const key of fresh) seen.add(key);
    for (const [owner, group] of groupByOwner(fresh, owners)) {
      const outcome = await handGroup(cluster, say, owner, group, options);
      imported += outcome.moved;
      refused += outcome.busy;
    }
    options.onProgress?.(imported + refused, total);
  } while (cursor !== '0');
  return { imported, refused, interrupted: false };
}

async function handGroup(
  cluster: ClusterLink,
  say: (argv: readonly string[]) => Promise<unknown[]>,
  owner: MovingNode,
  keys: readonly string[],
  { copy, replace }: ImportOptions,
): Promise<{ moved: number; busy: number }> {
  const head = ['MIGRATE', owner.host, String(owner.port), '', '0', String(exchangeMs)];
  const how = [...(copy === true ? ['COPY'] : []), ...(replace === true ? ['REPLACE'] : []), ...cluster.migrateAuth];
  // What was copied is busy the next time: keys that stay go one by one, so that none is counted as refused for that.
  const groups = copy === true && replace !== true ? keys.map((key) => [key]) : [keys];
  let [moved, busy] = [0, 0];
  for (const group of groups) {
    const [reply] = await say([...head, ...how, 'KEYS', ...group]);
    if (!(reply instanceof ReplyError)) moved += group.length;
    else if (!reply.message.includes('BUSYKEY')) {
      throw new Error(`MIGRATE to ${owner.host}:${owner.port}: ${reply.message}`);
    } else if (group.length === 1) busy++;
    else {
      // Those of the group that went are gone from the server: each by itself shows which is there already.
      for (const key of group) {
        const one = await handGroup(cluster, say, owner, [key], {});
        moved += one.moved;
        busy += one.busy;
      }
    }
  }
  return { moved, busy };
}

type Owners = readonly (MovingNode | undefined)[];

function groupByOwner(keys: readonly string[], owners: Owners): Map<MovingNode, string[]> {
  const groups = new Map<MovingNode, string[]>();
  for (const key of keys) {
    const slot = slotOfBinary(key);
    const owner = owners[slot];
    if (owner === undefined) throw new Error(`slot ${slot} belongs to nobody that can be reached: lingcache fix`);
    const group = groups.get(owner);
    if (group === undefined) groups.set(owner, [key]);
    else group.push(key);
  }
  return groups;
}
