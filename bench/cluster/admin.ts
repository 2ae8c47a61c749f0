// The hand that prepares a cluster and reads its counters, over one plain connection a node; never the client that is
// measured. Keys are loaded straight into their owners.

import { Redis } from 'ioredis';
import { slotOf } from '../../lib/wire/slot.ts';
import { type BenchNode, ownersOf } from './cluster.ts';

type SlotsReply = readonly (readonly [number, number, readonly [string, number, string]])[];

/** Port of a master -> its first and last slot, for a cluster where each has one range. */
export async function readOwners(node: {
  host: string;
  port: number;
}): Promise<Map<number, readonly [number, number]>> {
  const admin = new Redis({ host: node.host, port: node.port, maxRetriesPerRequest: 20 });
  try {
    const reply = (await admin.call('CLUSTER', 'SLOTS')) as SlotsReply;
    return new Map(reply.map(([first, last, [, port]]) => [port, [first, last] as const]));
  } finally {
    admin.disconnect();
  }
}

export class Admin {
  readonly #links: readonly Redis[];
  readonly owners: Uint8Array;
  /** CLUSTER SLOTS sent by views(); whoever counts the client's leaves these out. */
  mapsAsked = 0;

  constructor(nodes: readonly BenchNode[]) {
    this.#links = nodes.map(({ host, port }) => new Redis({ host, port, maxRetriesPerRequest: 20 }));
    for (const link of this.#links) link.on('error', () => undefined);
    this.owners = ownersOf(nodes);
  }

  close(): void {
    for (const link of this.#links) link.disconnect();
  }

  /** Runs commands on node `index`, pipelined in order; any error reply throws, unless `lenient`. */
  async run(index: number, commands: readonly (readonly string[])[], lenient = false): Promise<unknown[]> {
    const chunk = 4000;
    const replies: unknown[] = [];
    for (let at = 0; at < commands.length; at += chunk) {
      const pipeline = this.#links[index]!.pipeline();
      for (const [name, ...args] of commands.slice(at, at + chunk)) pipeline.call(name!, ...args);
      for (const [error, reply] of (await pipeline.exec()) ?? []) {
        if (error !== null && !lenient) throw error;
        replies.push(reply);
      }
    }
    return replies;
  }

  /** SET of every key on the node that owns it. */
  async load(keys: readonly string[], values: readonly string[]): Promise<void> {
    const commands: string[][][] = this.#links.map(() => []);
    keys.forEach((key, index) => {
      commands[this.owners[slotOf(key)]!]!.push(['SET', key, values[index]!]);
    });
    await Promise.all(commands.map((list, index) => this.run(index, list)));
  }

  /** slot -> port of its owner, as each node sees it. */
  views(): Promise<Int32Array[]> {
    this.mapsAsked += this.#links.length;
    return Promise.all(
      this.#links.map(async (link) => {
        const view = new Int32Array(16384);
        for (const [first, last, [, port]] of (await link.call('CLUSTER', 'SLOTS')) as SlotsReply) {
          view.fill(port, first, last + 1);
        }
        return view;
      }),
    );
  }

  async info(...sections: string[]): Promise<string[]> {
    const texts = await Promise.all(this.#links.map((link) => link.call('INFO', ...sections)));
    return texts.map(String);
  }

  /** Seconds of processor time that all nodes have used so far. */
  async cpuSeconds(): Promise<number> {
    const used = (await this.info('cpu')).flatMap((text) => [...text.matchAll(/^used_cpu_(?:sys|user):([\d.]+)/gm)]);
    return used.reduce((sum, [, seconds]) => sum + Number(seconds), 0);
  }
}
