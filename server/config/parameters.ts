// The parameters of CONFIG: name, kind, whether CONFIG SET may change it, default (as redis-server 7.0.15 starts, except
// that a bundled server binds to loopback and saves nothing on its own; its addresses are fixed at start). Data only; what a change does is config.ts's.
// A line is: name kind[!] default. `!` = fixed at start. Kinds: b yes/no, n integer, m bytes (1k, 1mb, ...), s text,
// e:a,b,c one of the words, buffers, save and events their own grammars.

export const parameters: string = `
acl-pubsub-default e:allchannels,resetchannels resetchannels
aclfile s!
acllog-max-len n 128
active-defrag-cycle-max n 25
active-defrag-cycle-min n 1
active-defrag-ignore-bytes m 104857600
active-defrag-max-scan-fields n 1000
active-defrag-threshold-lower n 10
active-defrag-threshold-upper n 100
active-expire-effort n 1
activedefrag b no
activerehashing b yes
always-show-logo b! no
aof-disable-auto-gc b no
aof-load-truncated b yes
aof-rewrite-incremental-fsync b yes
aof-timestamp-enabled b no
aof-use-rdb-preamble b yes
aof_rewrite_cpulist s!
appenddirname s! appendonlydir
appendfilename s! appendonly.aof
appendfsync e:everysec,always,no everysec
appendonly b no
auto-aof-rewrite-min-size m 67108864
auto-aof-rewrite-percentage n 100
bgsave_cpulist s!
bind s 127.0.0.1
bind-source-addr s
bio_cpulist s!
busy-reply-threshold n 5000
client-output-buffer-limit buffers normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60
client-query-buffer-limit m 1073741824
cluster-allow-pubsubshard-when-down b yes
cluster-allow-reads-when-down b no
cluster-allow-replica-migration b yes
cluster-announce-bus-port n 0
cluster-announce-hostname s
cluster-announce-ip s
cluster-announce-port n 0
cluster-announce-tls-port n 0
cluster-config-file s! nodes.conf
cluster-enabled b! no
cluster-link-sendbuf-limit m 0
cluster-migration-barrier n 1
cluster-node-timeout n 15000
cluster-port n! 0
cluster-preferred-endpoint-type e:ip,hostname,unknown-endpoint ip
cluster-replica-no-failover b no
cluster-replica-validity-factor n 10
cluster-require-full-coverage b yes
cluster-slave-no-failover b no
cluster-slave-validity-factor n 10
crash-log-enabled b yes
crash-memcheck-enabled b yes
daemonize b! no
databases n! 16
dbfilename s dump.rdb
dir s
disable-thp b! yes
dynamic-hz b yes
enable-debug-command e:no,yes,local! no
enable-module-command e:no,yes,local! no
enable-protected-configs e:no,yes,local! no
hash-max-listpack-entries n 512
hash-max-listpack-value m 64
hash-max-ziplist-entries n 512
hash-max-ziplist-value m 64
hll-sparse-max-bytes m 3000
hz n 10
ignore-warnings s
io-threads n! 1
io-threads-do-reads b! no
jemalloc-bg-thread b yes
latency-monitor-threshold n 0
latency-tracking b yes
latency-tracking-info-percentiles s 50 99 99.9
lazyfree-lazy-eviction b no
lazyfree-lazy-expire b no
lazyfree-lazy-server-del b no
lazyfree-lazy-user-del b no
lazyfree-lazy-user-flush b no
lfu-decay-time n 1
lfu-log-factor n 10
list-compress-depth n 0
list-max-listpack-size n -2
list-max-ziplist-size n -2
logfile s!
loglevel e:debug,verbose,notice,warning notice
lua-time-limit n 5000
masterauth s
masteruser s
maxclients n 10000
maxmemory m 0
maxmemory-clients m 0
maxmemory-eviction-tenacity n 10
maxmemory-policy e:volatile-lru,volatile-lfu,volatile-random,volatile-ttl,allkeys-lru,allkeys-lfu,allkeys-random,noeviction noeviction
maxmemory-samples n 5
min-replicas-max-lag n 10
min-replicas-to-write n 0
min-slaves-max-lag n 10
min-slaves-to-write n 0
no-appendfsync-on-rewrite b no
notify-keyspace-events events
oom-score-adj e:no,yes,relative,absolute no
oom-score-adj-values s 0 200 800
pidfile s!
port n 6379
proc-title-template s {title} {listen-addr} {server-mode}
propagation-error-behavior e:ignore,panic,panic-on-replicas ignore
protected-mode b yes
proto-max-bulk-len m 536870912
rdb-del-sync-files b no
rdb-save-incremental-fsync b yes
rdbchecksum b! yes
rdbcompression b yes
repl-backlog-size m 1048576
repl-backlog-ttl n 3600
repl-disable-tcp-nodelay b no
repl-diskless-load e:disabled,on-empty-db,swapdb disabled
repl-diskless-sync b yes
repl-diskless-sync-delay n 5
repl-diskless-sync-max-replicas n 0
repl-ping-replica-period n 10
repl-ping-slave-period n 10
repl-timeout n 60
replica-announce-ip s
replica-announce-port n 0
replica-announced b yes
replica-ignore-disk-write-errors b no
replica-ignore-maxmemory b yes
replica-lazy-flush b no
replica-priority n 100
replica-read-only b yes
replica-serve-stale-data b yes
replicaof s
requirepass s
sanitize-dump-payload e:no,yes,clients no
save save
server_cpulist s!
set-max-intset-entries n 512
set-proc-title b! yes
shutdown-on-sigint s default
shutdown-on-sigterm s default
shutdown-timeout n 10
slave-announce-ip s
slave-announce-port n 0
slave-ignore-maxmemory b yes
slave-lazy-flush b no
slave-priority n 100
slave-read-only b yes
slave-serve-stale-data b yes
slaveof s
slowlog-log-slower-than n 10000
slowlog-max-len n 128
socket-mark-id n! 0
stop-writes-on-bgsave-error b yes
stream-node-max-bytes m 4096
stream-node-max-entries n 100
supervised e:upstart,systemd,auto,no! no
syslog-enabled b! no
syslog-facility s! local0
syslog-ident s! redis
tcp-backlog n! 511
tcp-keepalive n 300
timeout n 0
tls-auth-clients e:no,yes,optional yes
tls-ca-cert-dir s
tls-ca-cert-file s
tls-cert-file s
tls-ciphers s
tls-ciphersuites s
tls-client-cert-file s
tls-client-key-file s
tls-client-key-file-pass s
tls-cluster b! no
tls-dh-params-file s
tls-key-file s
tls-key-file-pass s
tls-port n 0
tls-prefer-server-ciphers b no
tls-protocols s
tls-replication b no
tls-session-cache-size n 20480
tls-session-cache-timeout n 300
tls-session-caching b yes
tracking-table-max-keys n 1000000
unixsocket s!
unixsocketperm n! 0
zset-max-listpack-entries n 128
zset-max-listpack-value m 64
zset-max-ziplist-entries n 128
zset-max-ziplist-value m 64
`;
