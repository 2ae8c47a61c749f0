import { Cluster } from 'iovalkey';
import type { BenchNode } from '../cluster/cluster.ts';
import { type ClusterFace, openShaped, seedsOf } from './ioredis-shaped.ts';
import type { Peer } from './peer.ts';

export const open = (nodes: readonly BenchNode[]): Promise<Peer> =>
  openShaped(new Cluster(seedsOf(nodes)) as unknown as ClusterFace, nodes, false);
