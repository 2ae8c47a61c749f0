// INFO: what a server says of itself, section by section, in the words that tools look for.

import { arch, release, type } from 'node:os';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import { serverVersion } from '../engine/version.ts';
import { memoryLines } from './info-memory.ts';

type Lines = readonly string[];

function serverLines(engine: Engine): Lines {
  const seconds = Math.floor((engine.world.now() - engine.started) / 1000);
  return [
    `redis_version:${serverVersion}`,
    'redis_git_sha1:00000000',
    'redis_git_dirty:0',
    'redis_build_id:0000000000000000',
    `redis_mode:${engine.clusterEnabled ? 'cluster' : 'standalone'}`,
    `os:${type()} ${release()} ${arch() === 'x64' ? 'x86_64' : arch()}`,
    'arch_bits:64',
    'monotonic_clock:POSIX clock_gettime',
    'multiplexing_api:libuv',
    'atomicvar_api:none',
    'gcc_version:0.0.0',
    `process_id:${process.pid}`,
    'process_supervised:no',
    `run_id:${engine.runId}`,
    `tcp_port:${engine.config.get('port')}`,
    `server_time_usec:${Math.floor(engine.world.wallClock() * 1000)}`,
    `uptime_in_seconds:${seconds}`,
    `uptime_in_days:${Math.floor(seconds / 86400)}`,
    `hz:${engine.config.get('hz')}`,
    `configured_hz:${engine.config.get('hz')}`,
    `lru_clock:${Math.floor(engine.world.wallClock() / 1000) & 0xffffff}`,
    `executable:${process.execPath}`,
    `config_file:${engine.node?.configFile ?? ''}`,
    'io_threads_active:0',
    'server_name:lingcache',
    ...shutdownLines(engine),
  ];
}

function shutdownLines(engine: Engine): Lines {
  const ms = engine.node?.shutdownMs;
  return ms === undefined ? [] : [`shutdown_in_milliseconds:${ms}`];
}

function clientLines(engine: Engine): Lines {
  let blocked = 0;
  let replicas = 0;
  for (const client of engine.clients.values()) {
    if (client.blocked !== undefined) blocked++;
    if (client.replicaLink) replicas++;
  }
  return [
    `connected_clients:${engine.clients.size - replicas}`,
    'cluster_connections:0',
    `maxclients:${engine.config.get('maxclients')}`,
    'client_recent_max_input_buffer:0',
    'client_recent_max_output_buffer:0',
    `blocked_clients:${blocked}`,
    `tracking_clients:${engine.tracking.clients}`,
    'clients_in_timeout_table:0',
  ];
}

function persistenceLines(engine: Engine): Lines {
  const lines = engine.persistence?.info(engine.replication?.copying ?? false);
  if (lines !== undefined) return lines;
  return [
    `loading:${engine.loading || engine.copying || engine.takingCopy ? 1 : 0}`,
    `async_loading:${engine.copyingBeside ? 1 : 0}`,
    `rdb_changes_since_last_save:${engine.databases.dirty}`,
    'rdb_bgsave_in_progress:0',
    `rdb_last_save_time:${Math.floor(engine.started / 1000)}`,
    'rdb_last_bgsave_status:ok',
    `aof_enabled:${engine.config.flag('appendonly') ? 1 : 0}`,
    'aof_rewrite_in_progress:0',
    'aof_last_write_status:ok',
  ];
}

function statsLines(engine: Engine): Lines {
  const { stats, databases, pubsub, tracking } = engine;
  const exceeded = engine.memory.exceededMs;
  return [
    `total_connections_received:${stats.connections}`,
    `total_commands_processed:${stats.commands}`,
    `instantaneous_ops_per_sec:${engine.rates.commands}`,
    `total_net_input_bytes:${stats.input}`,
    `total_net_output_bytes:${stats.output}`,
    'total_net_repl_input_bytes:0',
    'total_net_repl_output_bytes:0',
    `instantaneous_input_kbps:${engine.rates.inputKb.toFixed(2)}`,
    `instantaneous_output_kbps:${engine.rates.outputKb.toFixed(2)}`,
    'instantaneous_input_repl_kbps:0.00',
    'instantaneous_output_repl_kbps:0.00',
    `rejected_connections:${stats.rejectedConnections}`,
    ...(engine.replication?.counts() ?? ['sync_full:0', 'sync_partial_ok:0', 'sync_partial_err:0']),
    `expired_keys:${databases.expired}`,
    'expired_stale_perc:0.00',
    'expired_time_cap_reached_count:0',
    'expire_cycle_cpu_milliseconds:0',
    `evicted_keys:${engine.memory.evicted}`,
    `evicted_clients:${engine.clientMemory.evicted}`,
    `total_eviction_exceeded_time:${Math.floor(exceeded.total)}`,
    `current_eviction_exceeded_time:${Math.floor(exceeded.current)}`,
    `keyspace_hits:${databases.hits}`,
    `keyspace_misses:${databases.misses}`,
    `pubsub_channels:${pubsub.channels.size}`,
    `pubsub_patterns:${pubsub.patterns.size}`,
    `pubsubshard_channels:${pubsub.shardChannels.size}`,
    'latest_fork_usec:0',
    `total_forks:${(engine.persistence?.begun ?? 0) + (engine.replication?.copiesBegun ?? 0)}`,
    `migrate_cached_sockets:${engine.node?.migrateLinks ?? 0}`,
    `slave_expires_tracked_keys:${databases.stores.reduce((sum, store) => sum + store.ownDeadlines, 0)}`,
    'active_defrag_hits:0',
    'active_defrag_misses:0',
    'active_defrag_key_hits:0',
    'active_defrag_key_misses:0',
    'total_active_defrag_time:0',
    'current_active_defrag_time:0',
    `client_query_buffer_limit_disconnections:${stats.queryLimitClosings}`,
    `client_output_buffer_limit_disconnections:${stats.outputLimitClosings}`,
    `tracking_total_keys:${tracking.counts.keys}`,
    `tracking_total_items:${tracking.counts.items}`,
    `tracking_total_prefixes:${tracking.counts.prefixes}`,
    'unexpected_error_replies:0',
    `total_error_replies:${stats.errors}`,
    'dump_payload_sanitizations:0',
    `total_reads_processed:${stats.reads}`,
    `total_writes_processed:${stats.writes}`,
    'io_threaded_reads_processed:0',
    'io_threaded_writes_processed:0',
    'reply_buffer_shrinks:0',
    'reply_buffer_expands:0',
    ...denialLines(engine),
  ];
}

/** As later servers have it; 7.0 does not count them. */
function denialLines(engine: Engine): Lines {
  const { denied } = engine.access.acl;
  return [
    `acl_access_denied_auth:${denied.auth}`,
    `acl_access_denied_cmd:${denied.command}`,
    `acl_access_denied_key:${denied.key}`,
    `acl_access_denied_channel:${denied.channel}`,
  ];
}

function replicationLines(engine: Engine): Lines {
  const lines = engine.replication?.info();
  if (lines !== undefined) return lines;
  return [
    'role:master',
    'connected_slaves:0',
    'master_failover_state:no-failover',
    `master_replid:${engine.runId}`,
    'master_replid2:0000000000000000000000000000000000000000',
    'master_repl_offset:0',
    'second_repl_offset:-1',
    'repl_backlog_active:0',
    `repl_backlog_size:${engine.config.get('repl-backlog-size')}`,
    'repl_backlog_first_byte_offset:0',
    'repl_backlog_histlen:0',
  ];
}

function cpuLines(): Lines {
  const { user, system } = process.cpuUsage();
  const [inSystem, inUser] = [(system / 1e6).toFixed(6), (user / 1e6).toFixed(6)];
  return [
    `used_cpu_sys:${inSystem}`,
    `used_cpu_user:${inUser}`,
    'used_cpu_sys_children:0.000000',
    'used_cpu_user_children:0.000000',
    `used_cpu_sys_main_thread:${inSystem}`,
    `used_cpu_user_main_thread:${inUser}`,
  ];
}

function commandLines(engine: Engine): Lines {
  const lines: string[] = [];
  for (const { row, calls, spent, rejected, failed } of engine.registry.all()) {
    if (calls + rejected === 0) continue;
    const usec = Math.round(spent * 1000);
    const perCall = calls === 0 ? 0 : usec / calls;
    lines.push(
      `cmdstat_${row.name}:calls=${calls},usec=${usec},usec_per_call=${perCall.toFixed(2)},rejected_calls=${rejected},failed_calls=${failed}`,
    );
  }
  return lines;
}

function latencyLines(engine: Engine): Lines {
  const text = engine.config.get('latency-tracking-info-percentiles');
  const percents = text === '' ? [] : text.split(' ');
  const lines: string[] = [];
  for (const { row, histogram } of engine.registry.all()) {
    if (histogram === undefined) continue;
    const values = percents.map((percent) => `p${percent}=${histogram.percentile(Number(percent)).toFixed(3)}`);
    lines.push(`latency_percentiles_usec_${row.name}:${values.join(',')}`);
  }
  return lines;
}

function errorLines(engine: Engine): Lines {
  return [...engine.errorCodes].sort().map(([code, count]) => `errorstat_${code}:count=${count}`);
}

function keyspaceLines(engine: Engine): Lines {
  return engine.databases.stores
    .filter((store) => store.size > 0)
    .map((store) => `db${store.index}:keys=${store.size},expires=${store.expires},avg_ttl=${store.averageTtl}`);
}

const sections: readonly (readonly [string, (engine: Engine) => Lines])[] = [
  ['Server', serverLines],
  ['Clients', clientLines],
  ['Memory', memoryLines],
  ['Persistence', persistenceLines],
  ['Stats', statsLines],
  ['Replication', replicationLines],
  ['CPU', cpuLines],
  ['Modules', () => []],
  ['Commandstats', commandLines],
  ['Errorstats', errorLines],
  ['Latencystats', latencyLines],
  ['Cluster', (engine) => [`cluster_enabled:${engine.clusterEnabled ? 1 : 0}`]],
  ['Keyspace', keyspaceLines],
];

const onlyWhenAsked = new Set(['commandstats', 'latencystats']);

/** The text of INFO for the sections named in `asked` (none: the default ones). */
export function info(engine: Engine, _client: Client, asked: readonly string[]): string {
  const names = new Set(asked.map((name) => name.toLowerCase()));
  const everything = names.has('all') || names.has('everything');
  const defaults = names.size === 0 || names.has('default');
  const parts: string[] = [];
  for (const [name, lines] of sections) {
    const key = name.toLowerCase();
    if (!everything && !names.has(key) && !(defaults && !onlyWhenAsked.has(key))) continue;
    parts.push(
      `# ${name}\r\n${lines(engine)
        .map((line) => `${line}\r\n`)
        .join('')}`,
    );
  }
  return parts.join('\r\n');
}
