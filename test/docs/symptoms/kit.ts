// What the symptoms of the troubleshooting page are produced with.
// Owns: the servers and clients of one symptom; they end with it.
// Does not know: any symptom.

import { Cluster, type ClusterOptions, Redis, type RedisOptions } from '../../../lib/index.ts';
import {
  type BundledCluster,
  type BundledNode,
  type ClusterOptions as ServersOptions,
  startCluster,
  startNode,
} from '../../../server/index.ts';

/** Produces the symptom, shows that the cure helps, and resolves to what the user got to read. */
export type Produce = (ward: Ward) => Promise<string>;

type Seeds = readonly { readonly host: string; readonly port: number }[];

export class Ward {
  readonly #ends: (() => unknown)[] = [];

  /** A bundled cluster in this process; failed masters are replaced soon. */
  async cluster(options: ServersOptions = {}): Promise<BundledCluster> {
    const made = await startCluster({ ...options, config: { 'cluster-node-timeout': '500', ...options.config } });
    this.afterwards(() => made.close());
    return made;
  }

  /** A bundled server without cluster mode. */
  async server(): Promise<BundledNode> {
    const made = await startNode();
    this.afterwards(() => made.kill());
    return made;
  }

  client(seeds: Seeds | readonly string[], options: ClusterOptions = {}): Cluster {
    const client = new Cluster([...(seeds as Seeds)], options);
    client.on('error', () => undefined);
    this.afterwards(() => client.disconnect());
    return client;
  }

  redis({ host, port }: Seeds[number], options: RedisOptions = {}): Redis {
    const client = new Redis({ host, port, ...options });
    client.on('error', () => undefined);
    this.afterwards(() => client.disconnect());
    return client;
  }

  afterwards(end: () => unknown): void {
    this.#ends.push(end);
  }

  async close(): Promise<void> {
    for (const end of this.#ends.reverse()) await end();
  }
}

/** How a promise was rejected; throws when it was not. */
export async function refusalOf(promise: Promise<unknown>): Promise<Error & { code?: string; hint?: string }> {
  const value = await promise.then(
    (result) => ({ result }),
    (error: Error) => error,
  );
  if (value instanceof Error) return value;
  throw new Error(`it was not refused, the result is ${JSON.stringify(value.result)}`);
}

/** Message, code, hint and the causes, which the page advises to look at. */
export function readable(error: unknown): string {
  const { message, code, hint, cause } = error as Error & { code?: string; hint?: string };
  return [message, code, hint, cause === undefined ? '' : readable(cause)]
    .filter((text) => text !== '' && text !== undefined)
    .join('\n');
}
