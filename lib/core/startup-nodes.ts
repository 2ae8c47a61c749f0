// The startup nodes of a cluster client, and which addresses it may be led to. Owns the list of now: SRV records and
// clusterRetryStrategy may replace it at each attempt to connect.

import type { World } from '../base/world.ts';
import { adoptDatabase } from '../options/database.ts';
import type { ClusterOptions } from '../options/options.ts';
import { type AddressGuard, guardOf } from '../topology/allow.ts';
import { discoverSrv } from '../topology/discovery.ts';
import { parseSeeds, type Seed, type SeedOptions, type StartupNode } from '../topology/seeds.ts';

export class StartupNodes {
  /** Which addresses that nodes name may be dialed; undefined: all. */
  readonly guard: AddressGuard | undefined;
  #seeds: readonly Seed[];
  readonly #options: ClusterOptions;
  readonly #world: World;

  constructor(seeds: readonly Seed[], options: ClusterOptions, world: World) {
    this.#seeds = seeds;
    this.#options = options;
    this.#world = world;
    const guard = guardOf(options.redirectAllow);
    // Whoever made the client has named the startup nodes.
    if (guard !== undefined) this.guard = (host, port) => guard(host, port) || this.#names(host, port);
  }

  get seeds(): readonly Seed[] {
    return this.#seeds;
  }

  /** What a startup node's own entry says: user, password, TLS. */
  optionsOf(key: string): SeedOptions | undefined {
    return this.#seeds.find((seed) => seed.key === key)?.options;
  }

  /** Connections are TLS. */
  get tls(): boolean {
    return Boolean(this.#options.redisOptions?.tls) || this.#seeds.some(({ options }) => options.tls);
  }

  /**
   * Reads them anew, by SRV records where the options say so. True: none of those before is among them, so they name
   * another cluster. Throws OptionError for one that is none.
   */
  async locate(named: readonly StartupNode[]): Promise<boolean> {
    const seeds = parseSeeds(named);
    const { useSRVRecords, resolveSrv } = this.#options;
    const chance = (): number => this.#world.random();
    const found = useSRVRecords ? await discoverSrv(seeds, chance, resolveSrv ?? undefined) : seeds;
    const replaced = found.every(({ key }) => !this.#seeds.some((seed) => seed.key === key));
    this.#seeds = found;
    adoptDatabase(this.#options, found);
    return replaced;
  }

  #names(host: string, port: number): boolean {
    return this.#seeds.some((seed) => seed.host === host && seed.port === port);
  }
}
