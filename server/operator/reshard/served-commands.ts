// How many commands the clients of a cluster are served in a second, by the counters of its masters (INFO commandstats).
// Owns: the counters of the last look.
// Invariant: what an operator sends, what masters send each other for moves, and what was answered by a redirection are
// no commands of clients; a counter that began anew gives no figure for its interval.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, isMaster, isReachable } from '../link/cluster-link.ts';

/** Of operators, of moves and of replication, and what only goes along with a command. */
const notOfClients: ReadonlySet<string> = new Set(
  (
    'acl asking auth bgrewriteaof bgsave client cluster command config dbsize debug hello info lastsave latency memory ' +
    'migrate module monitor ping psync quit readonly readwrite replconf replicaof reset restore restore-asking role save ' +
    'select shutdown slaveof slowlog sync time'
  ).split(' '),
);

/** A connection of its own: figures must not wait behind keys. */
const lane = 65;
const mastersMs = 2000;
const timeWords = ['TIME'];
const statsWords = ['INFO', 'commandstats'];

interface Count {
  /** Milliseconds of the node's own clock: an answer may be long under way. */
  readonly at: number;
  readonly calls: number;
}

export class ServedCommands {
  readonly #link: ClusterLink;
  #masters: { readonly at: number; readonly nodes: readonly NodeLine[] } | undefined;
  #last = new Map<string, Count>();

  constructor(link: ClusterLink) {
    this.#link = link;
  }

  /** Of all masters together; undefined for the first look, and when no counter can be compared. */
  async look(): Promise<number | undefined> {
    const rates = await this.rates();
    return rates.size === 0 ? undefined : [...rates.values()].reduce((sum, rate) => sum + rate, 0);
  }

  /**
   * Commands a second since the last look by node id, of those that can be compared: none for the first look. Rejects
   * when no master answers.
   */
  async rates(): Promise<Map<string, number>> {
    const nodes = await this.#nodes();
    const counts = new Map<string, Count>();
    const reasons: string[] = [];
    await Promise.all(
      nodes.map(async (node) => {
        try {
          counts.set(node.id, await this.#count(node));
        } catch (error) {
          reasons.push((error as Error).message);
        }
      }),
    );
    if (counts.size === 0) throw new Error(reasons[0] ?? 'no master can be asked');
    if (reasons.length > 0) this.#masters = undefined;
    const rates = new Map<string, number>();
    for (const [id, { at, calls }] of counts) {
      const old = this.#last.get(id);
      if (old === undefined || calls < old.calls || at <= old.at) continue;
      rates.set(id, ((calls - old.calls) / (at - old.at)) * 1000);
    }
    this.#last = counts;
    return rates;
  }

  async #nodes(): Promise<readonly NodeLine[]> {
    const now = this.#link.world.now();
    if (this.#masters !== undefined && now - this.#masters.at <= mastersMs) return this.#masters.nodes;
    const nodes = (await this.#link.view()).filter((node) => isMaster(node) && isReachable(node));
    this.#masters = { at: now, nodes };
    return nodes;
  }

  async #count(node: NodeLine): Promise<Count> {
    const [time, stats] = await this.#link.exchange(node, [timeWords, statsWords], this.#link.timeoutMs, lane);
    for (const [name, reply] of [['TIME', time] as const, ['INFO', stats] as const]) {
      if (reply instanceof ReplyError) throw new Error(`${node.host}:${node.port}: ${name}: ${reply.message}`);
    }
    const [seconds, usec] = (time as unknown[]).map(Number) as [number, number];
    return { at: seconds * 1000 + usec / 1000, calls: callsOfClients(String(stats)) };
  }
}

/** Sum of the calls in `cmdstat_NAME:calls=N,...` lines that are of clients. */
export function callsOfClients(text: string): number {
  let sum = 0;
  for (const [, name, calls] of text.matchAll(/^cmdstat_([^|:\r\n]+)[^:\r\n]*:calls=(\d+)/gm)) {
    if (!notOfClients.has(name!)) sum += Number(calls);
  }
  return sum;
}
