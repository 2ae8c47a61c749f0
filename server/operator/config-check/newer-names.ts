// Directives that Redis 7.0 does not know and later servers do, by CONFIG GET of Redis 8.0, Valkey 8.1 and Valkey 9.1.

const table: Readonly<Record<string, string>> = {
  'Redis 7.2 and Valkey 8': `aof-rewrite-cpulist bgsave-cpulist bio-cpulist cluster-announce-human-nodename
    hide-user-data-from-log locale-collate max-new-connections-per-cycle max-new-tls-connections-per-cycle
    server-cpulist set-max-listpack-entries set-max-listpack-value`,
  'Redis 8': 'cluster-compatibility-sample-ratio replica-full-sync-buffer-limit',
  'Valkey 8': `active-defrag-cycle-us availability-zone cluster-announce-client-ipv4 cluster-announce-client-ipv6
    cluster-blacklist-ttl cluster-manual-failover-timeout cluster-slot-stats-enabled commandlog-execution-slower-than
    commandlog-large-reply-max-len commandlog-large-request-max-len commandlog-reply-larger-than
    commandlog-request-larger-than commandlog-slow-execution-max-len dual-channel-replication-enabled
    extended-redis-compatibility import-mode log-format log-timestamp-format prefetch-batch-max-size primaryauth
    primaryuser rdb-version-check rdma-bind rdma-completion-vector rdma-port rdma-rx-size unixsocketgroup`,
  'Valkey 9': `cluster-announce-client-port cluster-announce-client-tls-port cluster-config-save-behavior
    cluster-databases cluster-slot-migration-log-max-len hash-seed mptcp repl-mptcp
    slot-migration-max-failover-repl-bytes tls-auth-clients-user tls-auto-reload-interval`,
};

const since: ReadonlyMap<string, string> = new Map(
  Object.entries(table).flatMap(([server, names]) => names.split(/\s+/).map((name) => [name, server] as const)),
);

/** The first servers that know it; undefined: none that is known here. */
export function knownSince(name: string): string | undefined {
  return since.get(name);
}

/** All names of it, for near misses. */
export const newerNames: readonly string[] = [...since.keys()];
