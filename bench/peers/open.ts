import type { BenchNode } from '../cluster/cluster.ts';
import type { ClientName } from './names.ts';
import type { Peer } from './peer.ts';

/** Loads one client's package and nothing of the others. */
export async function openPeer(name: ClientName, nodes: readonly BenchNode[]): Promise<Peer> {
  switch (name) {
    case 'lingcache':
      return (await import('./lingcache.ts')).open(nodes);
    case 'ioredis':
      return (await import('./ioredis.ts')).open(nodes);
    case 'ioredis-auto':
      return (await import('./ioredis.ts')).openAuto(nodes);
    case 'iovalkey':
      return (await import('./iovalkey.ts')).open(nodes);
    case 'node-redis':
      return (await import('./node-redis.ts')).open(nodes);
    case 'glide':
      return (await import('./glide.ts')).open(nodes);
    case 'floor':
      throw new Error('the floor is no client');
  }
}
