// The parameters of CONFIG: name, kind with its range, whether CONFIG SET may change it, default (as redis-server 7.0.15
// starts, except that a bundled server binds to loopback and saves nothing on its own; its addresses are fixed at start).
// Data only; how the kinds read texts is values.ts's, what a change does is config.ts's.
// A line is: name kind[marks] default, or: name =other (an older name of the same parameter).
// Marks: `!` fixed at start, `#` protected (see enable-protected-configs), `?` not shown by patterns.
// Kinds: b yes/no; n:least:most an integer; m:... bytes (1k, 1mb, ...); p:... bytes or a percentage; nu, mu the same
// with unsigned arithmetic; o:... octal; s text; e:a,b,c one of the words; flags:a,b,c some of them; save, buffers,
// events, scores, bind, master, percentiles grammars of their own.

export const parameters: string = `
acl-pubsub-default e:allchannels,resetchannels resetchannels
aclfile s!
acllog-max-len n:0:9223372036854775807 128
active-defrag-cycle-max n:1:99 25
active-defrag-cycle-min n:1:99 1
active-defrag-ignore-bytes mu:1:9223372036854775807 104857600
active-defrag-max-scan-fields n:1:9223372036854775807 1000
active-defrag-threshold-lower n:0:1000 10
active-defrag-threshold-upper n:0:1000 100
active-expire-effort n:1:10 1
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
auto-aof-rewrite-min-size m:0:9223372036854775807 67108864
auto-aof-rewrite-percentage n:0:2147483647 100
bgsave_cpulist s!
bind bind 127.0.0.1
bind-source-addr s
bio_cpulist s!
busy-reply-threshold n:0:9223372036854775807 5000
client-output-buffer-limit buffers normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60
client-query-buffer-limit mu:1048576:9223372036854775807 1073741824
cluster-allow-pubsubshard-when-down b yes
cluster-allow-reads-when-down b no
cluster-allow-replica-migration b yes
cluster-announce-bus-port n:0:65535 0
cluster-announce-hostname s
cluster-announce-ip s
cluster-announce-port n:0:65535 0
cluster-announce-tls-port n:0:65535 0
cluster-config-file s! nodes.conf
cluster-enabled b! no
cluster-link-sendbuf-limit mu:0:18446744073709551615 0
cluster-migration-barrier n:0:2147483647 1
cluster-node-timeout n:0:9223372036854775807 15000
cluster-port n:0:65535! 0
cluster-preferred-endpoint-type e:ip,hostname,unknown-endpoint ip
cluster-replica-no-failover b no
cluster-replica-validity-factor n:0:2147483647 10
cluster-require-full-coverage b yes
cluster-slave-no-failover =cluster-replica-no-failover
cluster-slave-validity-factor =cluster-replica-validity-factor
crash-log-enabled b yes
crash-memcheck-enabled b yes
daemonize b! no
databases n:1:2147483647! 16
dbfilename s# dump.rdb
dir s#
disable-thp b! yes
dynamic-hz b yes
enable-debug-command e:no,yes,local! no
enable-module-command e:no,yes,local! no
enable-protected-configs e:no,yes,local! no
hash-max-listpack-entries nu:0:9223372036854775807 512
hash-max-listpack-value mu:0:9223372036854775807 64
hash-max-ziplist-entries =hash-max-listpack-entries
hash-max-ziplist-value =hash-max-listpack-value
hll-sparse-max-bytes mu:0:9223372036854775807 3000
hz n:0:2147483647 10
ignore-warnings s
io-threads n:1:128! 1
io-threads-do-reads b! no
jemalloc-bg-thread b yes
key-load-delay n:-2147483648:2147483647? 0
latency-monitor-threshold n:0:9223372036854775807 0
latency-tracking b yes
latency-tracking-info-percentiles percentiles 50 99 99.9
lazyfree-lazy-eviction b no
lazyfree-lazy-expire b no
lazyfree-lazy-server-del b no
lazyfree-lazy-user-del b no
lazyfree-lazy-user-flush b no
lfu-decay-time n:0:2147483647 1
lfu-log-factor n:0:2147483647 10
list-compress-depth n:0:2147483647 0
list-max-listpack-size n:-2147483648:2147483647 -2
list-max-ziplist-size =list-max-listpack-size
loading-process-events-interval-bytes n:1024:2147483647? 2097152
logfile s!
loglevel e:debug,verbose,notice,warning notice
lua-enable-deprecated-api b!? no
lua-time-limit =busy-reply-threshold
masterauth s
masteruser s
maxclients nu:1:4294967295 10000
maxmemory mu:0:18446744073709551615 0
maxmemory-clients p:-100:9223372036854775807 0
maxmemory-eviction-tenacity n:0:100 10
maxmemory-policy e:volatile-lru,volatile-lfu,volatile-random,volatile-ttl,allkeys-lru,allkeys-lfu,allkeys-random,noeviction noeviction
maxmemory-samples n:1:2147483647 5
min-replicas-max-lag n:0:2147483647 10
min-replicas-to-write n:0:2147483647 0
min-slaves-max-lag =min-replicas-max-lag
min-slaves-to-write =min-replicas-to-write
no-appendfsync-on-rewrite b no
notify-keyspace-events events
oom-score-adj e:no,yes,relative=yes,absolute no
oom-score-adj-values scores 0 200 800
pidfile s!
port n:0:65535 6379
proc-title-template s {title} {listen-addr} {server-mode}
propagation-error-behavior e:ignore,panic,panic-on-replicas ignore
protected-mode b yes
proto-max-bulk-len m:1048576:9223372036854775807 536870912
rdb-del-sync-files b no
rdb-key-save-delay n:-2147483648:2147483647? 0
rdb-save-incremental-fsync b yes
rdbchecksum b! yes
rdbcompression b yes
repl-backlog-size m:1:9223372036854775807 1048576
repl-backlog-ttl n:0:9223372036854775807 3600
repl-disable-tcp-nodelay b no
repl-diskless-load e:disabled,on-empty-db,swapdb disabled
repl-diskless-sync b yes
repl-diskless-sync-delay n:0:2147483647 5
repl-diskless-sync-max-replicas n:0:2147483647 0
repl-ping-replica-period n:1:2147483647 10
repl-ping-slave-period =repl-ping-replica-period
repl-timeout n:1:2147483647 60
replica-announce-ip s
replica-announce-port n:0:65535 0
replica-announced b yes
replica-ignore-disk-write-errors b no
replica-ignore-maxmemory b yes
replica-lazy-flush b no
replica-priority n:0:2147483647 100
replica-read-only b yes
replica-serve-stale-data b yes
replicaof master!
requirepass s
sanitize-dump-payload e:no,yes,clients no
save save
server_cpulist s!
set-max-intset-entries nu:0:9223372036854775807 512
set-proc-title b! yes
shutdown-on-sigint flags:default,save,nosave,now,force default
shutdown-on-sigterm flags:default,save,nosave,now,force default
shutdown-timeout n:0:2147483647 10
slave-announce-ip =replica-announce-ip
slave-announce-port =replica-announce-port
slave-ignore-maxmemory =replica-ignore-maxmemory
slave-lazy-flush =replica-lazy-flush
slave-priority =replica-priority
slave-read-only =replica-read-only
slave-serve-stale-data =replica-serve-stale-data
slaveof =replicaof
slowlog-log-slower-than n:-1:9223372036854775807 10000
slowlog-max-len n:0:9223372036854775807 128
socket-mark-id nu:0:4294967295! 0
stop-writes-on-bgsave-error b yes
stream-node-max-bytes mu:0:9223372036854775807 4096
stream-node-max-entries n:0:9223372036854775807 100
supervised e:upstart,systemd,auto,no! no
syslog-enabled b! no
syslog-facility e:user,local0,local1,local2,local3,local4,local5,local6,local7! local0
syslog-ident s! redis
tcp-backlog n:0:2147483647! 511
tcp-keepalive n:0:2147483647 300
timeout n:0:2147483647 0
tls-auth-clients e:no,yes,optional yes
tls-ca-cert-dir s
tls-ca-cert-file s
tls-cert-file s
tls-ciphers s
tls-ciphersuites s
tls-client-cert-file s
tls-client-key-file s
tls-client-key-file-pass s
tls-cluster b no
tls-dh-params-file s
tls-key-file s
tls-key-file-pass s
tls-port n:0:65535 0
tls-prefer-server-ciphers b no
tls-protocols s
tls-replication b no
tls-session-cache-size n:0:2147483647 20480
tls-session-cache-timeout n:0:2147483647 300
tls-session-caching b yes
tracking-table-max-keys nu:0:9223372036854775807 1000000
unixsocket s!
unixsocketperm o:0:511! 0
use-exit-on-panic b? no
watchdog-period n:0:2147483647? 0
zset-max-listpack-entries nu:0:9223372036854775807 128
zset-max-listpack-value mu:0:9223372036854775807 64
zset-max-ziplist-entries =zset-max-listpack-entries
zset-max-ziplist-value =zset-max-listpack-value
`;
