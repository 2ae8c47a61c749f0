// The contenders by name. `floor` is no client: prepared bytes on raw sockets, the limit that nobody can beat by much.

export const clientNames = [
  'floor',
  'lingcache',
  'ioredis-auto',
  'ioredis',
  'iovalkey',
  'node-redis',
  'glide',
] as const;
export type ClientName = (typeof clientNames)[number];

export const packageOf: Record<ClientName, string | undefined> = {
  floor: undefined,
  lingcache: undefined,
  'ioredis-auto': 'ioredis',
  ioredis: 'ioredis',
  iovalkey: 'iovalkey',
  'node-redis': 'redis',
  glide: '@valkey/valkey-glide',
};

/** What a reader of the table must know about a contender. */
export const noteOf: Record<ClientName, string> = {
  floor: 'raw sockets, prepared bytes, counts reply bytes and decodes nothing',
  lingcache: 'defaults; batches are pipeline() over all slots',
  'ioredis-auto': 'enableAutoPipelining; batches are grouped by node by hand, one pipeline() a node',
  ioredis: 'defaults; batches are grouped by node by hand, one pipeline() a node',
  iovalkey: 'defaults; batches are grouped by node by hand, one pipeline() a node',
  'node-redis': 'defaults; batches are grouped by node by hand, one multi().execAsPipeline() a node',
  glide: 'inflightRequestsLimit 10000, requestTimeout 10 s; batches are a non-atomic ClusterBatch over all slots',
};
