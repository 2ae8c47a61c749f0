// lingcache, ioredis and iovalkey have one face; what differs is whether a pipeline may leave a node.

import type { BenchNode } from '../cluster/cluster.ts';
import { ByNode } from './by-node.ts';
import type { Answers, Peer } from './peer.ts';

type Result = [error: Error | null, value?: unknown];

interface Chain {
  get(key: string): unknown;
  set(key: string, value: string): unknown;
  exec(): Promise<Result[] | null>;
}

export interface ClusterFace {
  get(key: string): Promise<unknown>;
  set(key: string, value: string): Promise<unknown>;
  pipeline(): Chain;
  disconnect(): void;
  on(event: string, run: (...args: never[]) => void): unknown;
}

const timeoutMs = 10_000;

class IoredisShaped implements Peer {
  readonly #cluster: ClusterFace;
  readonly #byNode: ByNode | undefined;

  constructor(cluster: ClusterFace, byNode: ByNode | undefined) {
    this.#cluster = cluster;
    this.#byNode = byNode;
  }

  get(key: string): Promise<unknown> {
    return this.#cluster.get(key);
  }

  set(key: string, value: string): Promise<unknown> {
    return this.#cluster.set(key, value);
  }

  getMany(keys: readonly string[]): Promise<Answers> {
    if (this.#byNode !== undefined) {
      return this.#byNode.run(keys, (group) => {
        const chain = this.#cluster.pipeline();
        for (const index of group) chain.get(keys[index]!);
        return results(chain);
      });
    }
    const chain = this.#cluster.pipeline();
    for (const key of keys) chain.get(key);
    return results(chain);
  }

  setMany(keys: readonly string[], values: readonly string[]): Promise<Answers> {
    if (this.#byNode !== undefined) {
      return this.#byNode.run(keys, (group) => {
        const chain = this.#cluster.pipeline();
        for (const index of group) chain.set(keys[index]!, values[index]!);
        return results(chain);
      });
    }
    const chain = this.#cluster.pipeline();
    for (let index = 0; index < keys.length; index++) chain.set(keys[index]!, values[index]!);
    return results(chain);
  }

  close(): Promise<void> {
    this.#cluster.disconnect();
    return Promise.resolve();
  }
}

// exec() gives pairs, and a user reads them where they are.
class Pairs implements Answers {
  readonly #pairs: readonly Result[];

  constructor(pairs: readonly Result[]) {
    this.#pairs = pairs;
  }

  at(index: number): unknown {
    const pair = this.#pairs[index]!;
    return pair[0] ?? pair[1];
  }
}

async function results(chain: Chain): Promise<Answers> {
  const pairs = await chain.exec();
  if (pairs === null) throw new Error('exec() gave no results');
  return new Pairs(pairs);
}

/** Waits for `ready`. */
export async function openShaped(
  cluster: ClusterFace,
  nodes: readonly BenchNode[],
  crossesSlots: boolean,
): Promise<Peer> {
  let last: Error | undefined;
  cluster.on('error', (error: Error) => {
    last = error;
  });
  let timer: NodeJS.Timeout | undefined;
  const ready = new Promise<void>((resolve, reject) => {
    cluster.on('ready', resolve);
    timer = setTimeout(() => reject(last ?? new Error(`not ready within ${timeoutMs} ms`)), timeoutMs);
  });
  await ready.finally(() => clearTimeout(timer));
  return new IoredisShaped(cluster, crossesSlots ? undefined : new ByNode(nodes));
}

export const seedsOf = (nodes: readonly BenchNode[]): { host: string; port: number }[] =>
  nodes.map(({ host, port }) => ({ host, port }));
