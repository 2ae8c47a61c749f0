// Waiting for what nodes do by themselves: gossip that arrives, a replica that comes into step, a role that changes.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { type ClusterLink, isReachable, type NodeAddress } from '../link/cluster-link.ts';
import { type InfoFields, parseInfo } from '../link/info-text.ts';

const pollMs = 50;

export interface WaitOptions {
  /** Ends the wait with an Error. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait at most. */
  readonly limitMs?: number | undefined;
}

const defaultLimitMs = 30_000;

/** Resolves once `done` says so; what it throws counts as not yet, and is reported at the limit. */
export async function waitFor(
  link: ClusterLink,
  what: string,
  done: () => Promise<boolean>,
  { signal, limitMs = defaultLimitMs }: WaitOptions = {},
): Promise<void> {
  const end = link.world.now() + limitMs;
  let reason = '';
  for (;;) {
    if (signal?.aborted === true) throw new Error(`interrupted while waiting until ${what}`);
    const over = await done().catch((error: Error) => {
      reason = ` (${error.message})`;
      return false;
    });
    if (over) return;
    if (link.world.now() > end) throw new Error(`not within ${limitMs} ms: ${what}${reason}`);
    await new Promise<void>((resolve) => void link.world.after(pollMs, resolve, true));
  }
}

export async function infoOf(link: ClusterLink, node: NodeAddress, section: string): Promise<InfoFields> {
  return parseInfo(String(await link.ask(node, ['INFO', section])));
}

/** What each node that can be reached says of the cluster. */
export async function allViews(link: ClusterLink): Promise<{ node: NodeLine; view: NodeLine[] }[]> {
  const nodes = (await link.view()).filter(isReachable);
  return Promise.all(nodes.map(async (node) => ({ node, view: await link.viewOf(node) })));
}

export const addressOf = ({ host, port }: NodeAddress): string => `${host}:${port}`;

/** The node with this id, or a beginning of it that no other has, or this address. Throws an Error. */
export function findNode(view: readonly NodeLine[], name: string): NodeLine {
  const exact = view.find((node) => node.id === name || addressOf(node) === name);
  if (exact !== undefined) return exact;
  const found = name.length < 4 ? [] : view.filter(({ id }) => id.startsWith(name));
  if (found.length === 1) return found[0]!;
  const why = found.length > 1 ? `${found.length} nodes have ids that begin so` : 'no node has this id or address';
  throw new RangeError(`'${name}': ${why}`);
}
