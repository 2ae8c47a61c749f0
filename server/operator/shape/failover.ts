// A replica takes its master's place, asked for and seen through: until it is master and everybody says so.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { type ClusterLink, isMaster, isReachable } from '../link/cluster-link.ts';
import { addressOf, allViews, findNode, infoOf, type WaitOptions, waitFor } from './waiting.ts';

const askAgainMs = 6000;

export interface FailoverOptions extends WaitOptions {
  /** `force`: without the master's consent; `takeover`: without the other masters' votes, too. Default: neither. */
  readonly mode?: 'force' | 'takeover' | undefined;
}

export interface FailoverResult {
  readonly from: NodeLine;
  readonly to: NodeLine;
  /** Milliseconds until every reachable node knew. */
  readonly tookMs: number;
}

/** The replica that is meant by a name: itself, or of a master the one that is the least behind. */
export async function replicaFor(link: ClusterLink, name: string): Promise<{ replica: NodeLine; master: NodeLine }> {
  const view = await link.view();
  const named = findNode(view, name);
  if (!isMaster(named)) {
    const master = view.find(({ id }) => id === named.master);
    if (master === undefined) throw new Error(`${addressOf(named)} follows nobody`);
    return { replica: named, master };
  }
  const replicas = view.filter((line) => line.master === named.id && isReachable(line));
  const offsets = await Promise.all(
    replicas.map(async (replica) => {
      const info = await infoOf(link, replica, 'replication').catch(() => new Map<string, string>());
      const up = info.get('master_link_status') === 'up' ? 1 : 0;
      return { replica, up, offset: Number(info.get('slave_repl_offset') ?? -1) };
    }),
  );
  const best = offsets.sort((a, b) => b.up - a.up || b.offset - a.offset)[0];
  if (best === undefined) throw new Error(`${addressOf(named)} has no replica that can be reached`);
  return { replica: best.replica, master: named };
}

/** `name`: id or address of a replica, or of a master whose best replica takes over. */
export async function failOver(
  link: ClusterLink,
  name: string,
  options: FailoverOptions = {},
): Promise<FailoverResult> {
  const { replica, master } = await replicaFor(link, name);
  const started = link.world.now();
  const mode = options.mode === undefined ? [] : [options.mode.toUpperCase()];
  const ask = (): Promise<unknown> => link.ask(replica, ['CLUSTER', 'FAILOVER', ...mode]);
  await ask();
  let askedAt = started;
  await waitFor(
    link,
    `all nodes take ${addressOf(replica)} for the master`,
    async () => {
      const views = await allViews(link);
      // A node gives a failover up that is not over within five seconds.
      const own = views.find(({ node }) => node.id === replica.id)?.view.find(({ id }) => id === replica.id);
      if (own !== undefined && !isMaster(own) && link.world.now() - askedAt > askAgainMs) {
        askedAt = link.world.now();
        await ask();
      }
      return views.every(({ view }) => {
        const line = view.find(({ id }) => id === replica.id);
        const before = view.find(({ id }) => id === master.id);
        // Asked for with the master's consent, the master is there afterwards, and follows.
        const follows = options.mode !== undefined || before === undefined || before.master === replica.id;
        return (
          line !== undefined && isMaster(line) && follows && (line.ranges.length > 0 || master.ranges.length === 0)
        );
      });
    },
    options,
  );
  return { from: master, to: replica, tookMs: Math.round(link.world.now() - started) };
}
