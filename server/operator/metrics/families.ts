// The metrics of a cluster: names, types and labels, made of a sample. Pure; knows no text format and no HTTP.
// Names are those of redis_exporter where it has one, so that its dashboards and alerts go on working; what it does not
// know (the cluster as a whole, slots, lag in bytes) begins with lingcache_.
// Invariant: within a family no two series have the same labels, and a figure that a node does not give has no series.

import { numberOf } from '../link/info-text.ts';
import type { ClusterSample, NodeSample } from '../monitor/sample.ts';
import type { SlotLoad } from '../monitor/slot-counts.ts';

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly series: readonly Series[];
}

/** Slots and commands are named in labels: no more of them than this many. */
export interface SeriesLimits {
  /** Slots with series of their own, the busiest; 0: none. Default 100. */
  readonly slots?: number;
  /** Commands of each node, those called most. Default 200. */
  readonly commands?: number;
}

type Row = readonly [name: string, field: string, help: string, scale?: number];

/** Gauges that are fields of INFO: metric, field, help, and what the field is multiplied by. */
const infoGauges: readonly Row[] = [
  ['redis_uptime_in_seconds', 'uptime_in_seconds', 'Seconds since the server was started'],
  ['redis_connected_clients', 'connected_clients', 'Clients that are connected, replicas not counted'],
  ['redis_cluster_connections', 'cluster_connections', 'Sockets of the cluster bus'],
  ['redis_config_maxclients', 'maxclients', 'Clients that may be connected'],
  ['redis_blocked_clients', 'blocked_clients', 'Clients that wait in a blocking command'],
  ['redis_tracking_clients', 'tracking_clients', 'Clients with client-side caching'],
  ['redis_memory_used_bytes', 'used_memory', 'Bytes of memory in use'],
  ['redis_memory_used_rss_bytes', 'used_memory_rss', 'Bytes of memory as the system counts them'],
  ['redis_memory_used_peak_bytes', 'used_memory_peak', 'Most bytes of memory in use so far'],
  ['redis_memory_used_dataset_bytes', 'used_memory_dataset', 'Bytes of memory that data takes'],
  ['redis_memory_used_overhead_bytes', 'used_memory_overhead', 'Bytes of memory that is no data'],
  ['redis_memory_max_bytes', 'maxmemory', 'Bytes that maxmemory allows; 0: no limit'],
  ['redis_mem_fragmentation_ratio', 'mem_fragmentation_ratio', 'Memory of the system by memory in use'],
  ['redis_mem_clients_normal', 'mem_clients_normal', 'Bytes of memory of clients'],
  ['redis_mem_clients_slaves', 'mem_clients_slaves', 'Bytes of memory of replicas as clients'],
  ['redis_loading_dump_file', 'loading', '1 while a file is being loaded'],
  ['redis_rdb_changes_since_last_save', 'rdb_changes_since_last_save', 'Changes that no RDB file holds'],
  ['redis_rdb_bgsave_in_progress', 'rdb_bgsave_in_progress', '1 while an RDB file is being written'],
  ['redis_rdb_last_save_timestamp_seconds', 'rdb_last_save_time', 'When an RDB file was written last'],
  [
    'redis_rdb_last_bgsave_duration_sec',
    'rdb_last_bgsave_time_sec',
    'Seconds that the last RDB file took; -1: none yet',
  ],
  ['redis_aof_enabled', 'aof_enabled', '1 with an append only file'],
  ['redis_aof_rewrite_in_progress', 'aof_rewrite_in_progress', '1 while the append only file is being rewritten'],
  ['redis_aof_current_size_bytes', 'aof_current_size', 'Bytes of the append only file'],
  ['redis_pubsub_channels', 'pubsub_channels', 'Channels with subscribers'],
  ['redis_pubsub_patterns', 'pubsub_patterns', 'Patterns that are subscribed to'],
  ['redis_latest_fork_seconds', 'latest_fork_usec', 'Seconds that the last fork took', 1e-6],
  ['redis_instantaneous_ops_per_sec', 'instantaneous_ops_per_sec', 'Commands per second as the server reckons them'],
  ['redis_connected_slaves', 'connected_slaves', 'Replicas that are connected'],
  ['redis_master_repl_offset', 'master_repl_offset', "Bytes of the node's replication stream"],
  ['redis_slave_repl_offset', 'slave_repl_offset', "Bytes of its master's stream that a replica has applied"],
  ['redis_slave_priority', 'slave_priority', 'Priority of a replica in a failover'],
  ['redis_master_last_io_seconds_ago', 'master_last_io_seconds_ago', 'Seconds since a replica heard its master'],
  // Counts without _total in the name, as redis_exporter has them: OpenMetrics would rename a counter.
  ['redis_replica_resyncs_full', 'sync_full', 'Full copies given to replicas'],
  ['redis_replica_partial_resync_accepted', 'sync_partial_ok', 'Replicas that went on where they were'],
  ['redis_replica_partial_resync_denied', 'sync_partial_err', 'Replicas that wanted to go on and could not'],
  ['redis_unexpected_error_replies', 'unexpected_error_replies', 'Error replies of unexpected kinds'],
  ['redis_total_error_replies', 'total_error_replies', 'Error replies'],
  ['redis_master_sync_in_progress', 'master_sync_in_progress', '1 while a replica takes a full copy'],
];

/** Counters that are fields of INFO; they begin anew when the server does. */
const infoCounters: readonly Row[] = [
  ['redis_connections_received_total', 'total_connections_received', 'Connections accepted'],
  ['redis_commands_processed_total', 'total_commands_processed', 'Commands carried out'],
  ['redis_rejected_connections_total', 'rejected_connections', 'Connections refused because of maxclients'],
  ['redis_net_input_bytes_total', 'total_net_input_bytes', 'Bytes received'],
  ['redis_net_output_bytes_total', 'total_net_output_bytes', 'Bytes sent'],
  ['redis_expired_keys_total', 'expired_keys', 'Keys that expired'],
  ['redis_evicted_keys_total', 'evicted_keys', 'Keys evicted because of maxmemory'],
  ['redis_keyspace_hits_total', 'keyspace_hits', 'Look-ups that found a key'],
  ['redis_keyspace_misses_total', 'keyspace_misses', 'Look-ups that found none'],
  ['redis_cpu_sys_seconds_total', 'used_cpu_sys', 'CPU seconds in the system'],
  ['redis_cpu_user_seconds_total', 'used_cpu_user', 'CPU seconds of the server'],
];

/** Of CLUSTER INFO. */
const clusterGauges: readonly Row[] = [
  ['redis_cluster_slots_assigned', 'cluster_slots_assigned', 'Slots with an owner, in the view of the node'],
  ['redis_cluster_slots_ok', 'cluster_slots_ok', 'Slots whose owner is well'],
  ['redis_cluster_slots_pfail', 'cluster_slots_pfail', 'Slots whose owner is suspected'],
  ['redis_cluster_slots_fail', 'cluster_slots_fail', 'Slots whose owner has failed'],
  ['redis_cluster_known_nodes', 'cluster_known_nodes', 'Nodes that the node knows'],
  ['redis_cluster_size', 'cluster_size', 'Masters with slots'],
  ['redis_cluster_current_epoch', 'cluster_current_epoch', 'Current epoch'],
  ['redis_cluster_my_epoch', 'cluster_my_epoch', 'Config epoch of the node'],
];
const clusterCounters: readonly Row[] = [
  ['redis_cluster_messages_sent_total', 'cluster_stats_messages_sent', 'Messages sent on the cluster bus'],
  ['redis_cluster_messages_received_total', 'cluster_stats_messages_received', 'Messages received on the cluster bus'],
];

export interface MetricsInput {
  readonly sample: ClusterSample;
  /** Busiest slots; undefined: the servers count none, or nobody wants them. */
  readonly slots?: readonly SlotLoad[] | undefined;
  readonly limits?: SeriesLimits | undefined;
}

export function clusterFamilies({ sample, slots, limits = {} }: MetricsInput): Family[] {
  const { nodes } = sample;
  const families = [
    ...upFamilies(nodes),
    ...infoGauges.map((row) => rowFamily(row, 'gauge', nodes, ({ info }) => info)),
    ...infoCounters.map((row) => rowFamily(row, 'counter', nodes, ({ info }) => info)),
    ...clusterGauges.map((row) => rowFamily(row, 'gauge', nodes, ({ clusterInfo }) => clusterInfo)),
    ...clusterCounters.map((row) => rowFamily(row, 'counter', nodes, ({ clusterInfo }) => clusterInfo)),
    ...stateFamilies(nodes),
    ...keyFamilies(nodes),
    ...commandFamilies(nodes, limits.commands ?? 200),
    ...wholeFamilies(sample),
    ...slotFamilies(sample, slots ?? [], limits.slots ?? 100),
  ];
  return families.filter(({ series }) => series.length > 0);
}

/** Labels of every series of a node. */
function labelsOf({ address, role, shard }: NodeSample): Record<string, string> {
  return { node: address, role, shard };
}

function gauge(name: string, help: string, series: readonly Series[]): Family {
  return { name, help, type: 'gauge', series };
}

function counter(name: string, help: string, series: readonly Series[]): Family {
  return { name, help, type: 'counter', series };
}

/** A figure of every node; null: no series. */
function perNode(nodes: readonly NodeSample[], figure: (node: NodeSample) => number | null): Series[] {
  return nodes.flatMap((node) => {
    const value = figure(node);
    return value === null ? [] : [{ labels: labelsOf(node), value }];
  });
}

function rowFamily(
  [name, field, help, scale = 1]: Row,
  type: Family['type'],
  nodes: readonly NodeSample[],
  textOf: (node: NodeSample) => NodeSample['info'],
): Family {
  const series = perNode(nodes, (node) => {
    const value = numberOf(textOf(node), field);
    return value === null ? null : value * scale;
  });
  return { name, help, type, series };
}

const answered = (node: NodeSample): boolean => node.info.size > 0;

function upFamilies(nodes: readonly NodeSample[]): Family[] {
  const instances = nodes.filter(answered).map((node) => ({
    labels: {
      ...labelsOf(node),
      redis_version: node.info.get('redis_version') ?? '',
      server: node.server,
      os: node.info.get('os') ?? '',
      redis_mode: node.info.get('redis_mode') ?? node.info.get('server_mode') ?? '',
      maxmemory_policy: node.info.get('maxmemory_policy') ?? '',
    },
    value: 1,
  }));
  return [
    gauge(
      'redis_up',
      'Whether the node answered',
      perNode(nodes, (node) => (answered(node) ? 1 : 0)),
    ),
    gauge('redis_instance_info', 'What the node is, in labels', instances),
    gauge(
      'redis_ping_seconds',
      'Seconds that the node took to answer PING',
      perNode(nodes, ({ latencyMs }) => (latencyMs === null ? null : latencyMs / 1000)),
    ),
  ];
}

function stateFamilies(nodes: readonly NodeSample[]): Family[] {
  const isOk = (node: NodeSample, field: string): number | null => {
    const text = node.info.get(field);
    return text === undefined ? null : text === 'ok' ? 1 : 0;
  };
  const flag = (value: boolean | null): number | null => (value === null ? null : Number(value));
  const rows: [string, string, (node: NodeSample) => number | null][] = [
    [
      'redis_cluster_state',
      '1 when the node serves, in its own view',
      ({ clusterInfo }) => (clusterInfo.size === 0 ? null : Number(clusterInfo.get('cluster_state') === 'ok')),
    ],
    ['redis_master_link_up', '1 while a replica hears its master', ({ linkUp }) => flag(linkUp)],
    [
      'redis_rdb_last_bgsave_status',
      '1 when the last BGSAVE went well',
      (node) => isOk(node, 'rdb_last_bgsave_status'),
    ],
    [
      'redis_aof_last_write_status',
      '1 when the last write to the log went well',
      (node) => isOk(node, 'aof_last_write_status'),
    ],
    [
      'lingcache_node_online',
      '1 when nobody suspects the node and it answers',
      ({ status }) => Number(status === 'online'),
    ],
    ['lingcache_node_slots', 'Slots that the node owns', ({ slots }) => slots],
    [
      'lingcache_replica_lag_bytes',
      "Bytes of its master's stream that a replica has not applied",
      ({ lagBytes }) => lagBytes,
    ],
    [
      'lingcache_node_config_epoch',
      'Config epoch in the view of the node asked first',
      ({ configEpoch }) => configEpoch,
    ],
  ];
  return rows.map(([name, help, figure]) => gauge(name, help, perNode(nodes, figure)));
}

function keyFamilies(nodes: readonly NodeSample[]): Family[] {
  const perDatabase = (figure: 'keys' | 'expires'): Series[] =>
    nodes.flatMap((node) =>
      [...node.databases].map(([index, counts]) => ({
        labels: { ...labelsOf(node), db: `db${index}` },
        value: counts[figure],
      })),
    );
  return [
    gauge('redis_db_keys', 'Keys by database', perDatabase('keys')),
    gauge('redis_db_keys_expiring', 'Keys with a time to live, by database', perDatabase('expires')),
  ];
}

function commandFamilies(nodes: readonly NodeSample[], most: number): Family[] {
  const chosen = nodes.map((node) => ({
    node,
    commands: [...node.commands].sort(([, one], [, other]) => other.calls - one.calls).slice(0, most),
  }));
  const series = (figure: (counts: { calls: number; usec: number; rejected: number; failed: number }) => number) =>
    chosen.flatMap(({ node, commands }) =>
      commands.map(([cmd, counts]) => ({ labels: { ...labelsOf(node), cmd }, value: figure(counts) })),
    );
  const errors = nodes.flatMap((node) =>
    [...node.errorReplies].slice(0, most).map(([err, value]) => ({ labels: { ...labelsOf(node), err }, value })),
  );
  return [
    counter(
      'redis_commands_total',
      'Calls by command',
      series(({ calls }) => calls),
    ),
    counter(
      'redis_commands_duration_seconds_total',
      'Seconds spent by command',
      series(({ usec }) => usec / 1e6),
    ),
    counter(
      'redis_commands_rejected_calls_total',
      'Calls refused before they ran',
      series(({ rejected }) => rejected),
    ),
    counter(
      'redis_commands_failed_calls_total',
      'Calls that ended in an error',
      series(({ failed }) => failed),
    ),
    counter('redis_errors_total', 'Error replies by their first word', errors),
    counter(
      'lingcache_node_redirects_total',
      'MOVED and ASK replies',
      perNode(nodes, ({ redirects }) => redirects),
    ),
  ];
}

function wholeFamilies({ metrics, health }: ClusterSample): Family[] {
  const one = (name: string, help: string, value: number): Family => gauge(name, help, [{ labels: {}, value }]);
  const open = (state: string) => metrics.openSlots.filter((slot) => slot.state === state).length;
  const states = (['ok', 'migrating', 'degraded'] as const).map((state) => ({
    labels: { state },
    value: Number(health.state === state),
  }));
  return [
    gauge('lingcache_cluster_health', '1 for the state that the cluster is in', states),
    one('lingcache_cluster_problems', 'What is not as it should be: lines of `lingcache stat`', health.problems.length),
    one('lingcache_cluster_masters', 'Masters', metrics.masterNodes),
    one('lingcache_cluster_replicas', 'Replicas', metrics.replicaNodes),
    one('lingcache_cluster_slots_assigned', 'Slots with an owner', metrics.assignedSlots),
    one('lingcache_cluster_slots_unassigned', 'Slots without an owner', metrics.unassignedSlots),
    one('lingcache_cluster_views_agree', '1 when all nodes give every slot to the same owner', Number(metrics.agreed)),
    one('lingcache_cluster_keys', 'Keys on masters, database 0', metrics.totalKeys),
    gauge('lingcache_cluster_open_slots', 'Slots that are open, by their state', [
      { labels: { state: 'migrating' }, value: open('migrating') },
      { labels: { state: 'importing' }, value: open('importing') },
    ]),
  ];
}

function slotFamilies({ nodes, owners }: ClusterSample, slots: readonly SlotLoad[], most: number): Family[] {
  const chosen = slots.slice(0, most).flatMap((load) => {
    const owner = nodes[owners[load.slot] ?? -1];
    return owner === undefined ? [] : [{ load, labels: { ...labelsOf(owner), slot: String(load.slot) } }];
  });
  const series = (figure: (load: SlotLoad) => number) =>
    chosen.map(({ load, labels }) => ({ labels, value: figure(load) }));
  return [
    gauge(
      'lingcache_slot_keys',
      'Keys of the busiest slots',
      series(({ keys }) => keys),
    ),
    gauge(
      'lingcache_slot_cpu_share',
      "Share of a thread's time that the slot takes",
      series(({ busy }) => busy),
    ),
    gauge(
      'lingcache_slot_bytes_per_second',
      'Bytes in and out of the slot',
      series((load) => load.bytesPerSecond),
    ),
  ];
}
