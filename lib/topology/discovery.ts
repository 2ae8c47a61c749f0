// Where the startup nodes' names lead when they are names of SRV records. Asked anew at each round, so a cluster that
// moved is found by its name. One name that leads nowhere does not spoil the rest.
// Source of the order of records: RFC 2782 (lowest priority first, then by chance in proportion to weight).

import { type SrvRecord, resolveSrv as systemResolveSrv } from 'node:dns';
import { ClusterAllFailedError, errorOfNode, lookupFailure } from '../base/errors.ts';
import { addressOf, type Seed } from './seeds.ts';

export type DNSResolveSrvFunction = (
  hostname: string,
  callback: (error: NodeJS.ErrnoException | null | undefined, records?: SrvRecord[]) => void,
) => void;

/**
 * The seeds that SRV records of the named ones stand for, best first; seeds that are addresses stay. Rejects with
 * ClusterAllFailedError, which holds every name's reason, when nothing is found at all.
 */
export async function discoverSrv(
  seeds: readonly Seed[],
  random: () => number,
  resolveSrv: DNSResolveSrvFunction = systemResolveSrv,
): Promise<Seed[]> {
  const errors: Error[] = [];
  const found = await Promise.all(
    seeds.map(async (seed) => {
      if (isAddress(seed.host)) return [seed];
      try {
        const records = inOrder(await recordsOf(seed.host, resolveSrv), random);
        if (records.length === 0) throw new Error('no SRV records');
        return records.map(({ name, port }) => ({
          ...addressOf(name, port),
          options: { ...seed.options, host: name, port },
        }));
      } catch (error) {
        errors.push(errorOfNode(seed.host, error instanceof Error ? lookupFailure(error) : error));
        return [];
      }
    }),
  );
  const unique = new Map(found.flat().map((seed) => [seed.key, seed]));
  if (unique.size === 0) throw new ClusterAllFailedError('Failed to refresh slots cache.', errors);
  return [...unique.values()];
}

function recordsOf(hostname: string, resolveSrv: DNSResolveSrvFunction): Promise<SrvRecord[]> {
  return new Promise((resolve, reject) => {
    resolveSrv(hostname, (error, records) => {
      if (error) reject(error);
      else resolve(records ?? []);
    });
  });
}

/** By priority; within one, drawn by weight. A weight of 0 has a small chance, as RFC 2782 wants it. */
function inOrder(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const drawn = records.map((record) => ({ record, at: -Math.log(1 - random()) / (record.weight + 0.001) }));
  drawn.sort((one, other) => one.record.priority - other.record.priority || one.at - other.at);
  return drawn.map(({ record }) => record);
}

function isAddress(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(':');
}
