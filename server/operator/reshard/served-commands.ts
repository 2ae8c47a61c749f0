// How many commands the clients of a cluster are served in a second, and how busy its masters are, by their counters
// (INFO commandstats and cpu).
// Owns: the counters of the last look.
// Invariant: what an operator sends, what masters send each other for moves, and what was answered by a redirection are
// no commands of clients; a counter that began anew gives no figure for its interval.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, isMaster, isReachable } from '../link/cluster-link.ts';
import { numberOf, numbersByName, parseInfo } from '../link/info-text.ts';
import type { Served } from './throughput-control.ts';

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
const timeArgv = ['TIME'];
const statsArgv = ['INFO', 'commandstats'];
const loadArgv = ['INFO', 'cpu'];

interface Count {
  /** Milliseconds of the node's own clock: an answer may be long under way. */
  readonly at: number;
  readonly calls: number;
  /** Seconds of processor time. */
  readonly cpu: number;
}

export class ServedCommands {
  readonly #link: ClusterLink;
  #masters: { readonly at: number; readonly nodes: readonly NodeLine[] } | undefined;
  #last = new Map<string, Count>();

  constructor(link: ClusterLink) {
    this.#link = link;
  }

  /**
   * The commands of all masters together, and the load of the busiest; undefined for the first look, and when no counter
   * can be compared.
   */
  async look(): Promise<Served | undefined> {
    const rates = [...(await this.rates()).values()];
    if (rates.length === 0) return undefined;
    return {
      commands: rates.reduce((sum, { commands }) => sum + commands, 0),
      load: Math.max(...rates.map(({ load }) => load)),
    };
  }

  /**
   * What each master, by node id, has served since the last look, of those that can be compared: none for the first look.
   * Rejects when no master answers.
   */
  async rates(): Promise<Map<string, Served>> {
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
    const rates = new Map<string, Served>();
    for (const [id, { at, calls, cpu }] of counts) {
      const old = this.#last.get(id);
      if (old === undefined || calls < old.calls || at <= old.at) continue;
      const seconds = (at - old.at) / 1000;
      rates.set(id, { commands: (calls - old.calls) / seconds, load: Math.max(0, cpu - old.cpu) / seconds });
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
    const questions = [timeArgv, statsArgv, loadArgv];
    const replies = await this.#link.exchange(node, questions, this.#link.timeoutMs, lane);
    for (const [at, reply] of replies.entries()) {
      if (reply instanceof ReplyError)
        throw new Error(`${node.host}:${node.port}: ${questions[at]![0]}: ${reply.message}`);
    }
    const [time, stats, load] = replies;
    const [seconds, usec] = (time as unknown[]).map(Number) as [number, number];
    return { at: seconds * 1000 + usec / 1000, calls: callsOfClients(String(stats)), cpu: cpuOf(String(load)) };
  }
}

/** Sum of the calls in `cmdstat_NAME:calls=N,...` lines that are of clients. */
export function callsOfClients(text: string): number {
  let sum = 0;
  for (const [name, figures] of numbersByName(parseInfo(text), 'cmdstat_')) {
    if (!notOfClients.has(name.split('|', 1)[0]!)) sum += figures.get('calls') ?? 0;
  }
  return sum;
}

/** Processor time of the thread that executes commands; of the process, before Redis 6.2, which does not count it. */
export function cpuOf(text: string): number {
  const info = parseInfo(text);
  const of = (kind: 'sys' | 'user'): number =>
    numberOf(info, `used_cpu_${kind}_main_thread`) ?? numberOf(info, `used_cpu_${kind}`) ?? 0;
  return of('sys') + of('user');
}
