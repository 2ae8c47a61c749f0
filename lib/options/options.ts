// The options users write. Names, meanings and defaults follow ioredis 6; the defaults themselves are in defaults.ts, the
// checks in verify.ts, and derive.ts makes of them what the rooms below take.
// Owns: the types. Does not know: who reads which option.
// Invariant: an option that ioredis has means what it means there.

import type { ConnectionOptions } from 'node:tls';
import type { NearCacheOptions } from '../cache/near-cache.ts';
import type { Credentials, CredentialsProvider } from '../connection/credentials.ts';
import type { DNSLookupFunction } from '../connection/dial.ts';
import type { TlsOptionsFunction } from '../connection/reach.ts';
import type { ReadScaling } from '../router/read-policy.ts';
import type { RedirectAllow } from '../topology/allow.ts';
import type { DNSResolveSrvFunction } from '../topology/discovery.ts';
import type { NatMap, StartupNode } from '../topology/seeds.ts';
import type { HimportFieldset } from './fieldsets.ts';

export type {
  Credentials,
  CredentialsProvider,
  DNSLookupFunction,
  DNSResolveSrvFunction,
  NatMap,
  RedirectAllow,
  TlsOptionsFunction,
};

/** What `replyMapping` makes of the types that RESP3 alone has. */
export type ReplyMappingMode = 'legacy' | 'resp3';

/** A startup node: port, `host:port`, URL, or an object with host, port and credentials of its own. */
export type ClusterNode = StartupNode;

/** A Lua script that becomes a method of the client. */
export interface ScriptDefinition {
  /** The source. */
  lua: string;
  /** Omitted: the first argument of each call is the number of keys. */
  numberOfKeys?: number | undefined;
  /** May be asked of a replica. */
  readOnly?: boolean | undefined;
}

/** How a connection is made, kept and used: for a `Redis` of one's own, and in `redisOptions` for every node of a `Cluster`. */
export interface CommonRedisOptions {
  /** Milliseconds until a call is rejected with "Command timed out", queueing, redirects and retries included. Default: none. */
  commandTimeout?: number | undefined;
  /** Milliseconds until a socket must be open; 0: no limit. Default 10000. */
  connectTimeout?: number | undefined;
  /** Milliseconds of silence before TCP keep-alive probes; 0 or false turns them off, true is the default. Default 30000. */
  keepAlive?: number | boolean | undefined;
  /** TCP_NODELAY: small writes leave at once. Default true. */
  noDelay?: boolean | undefined;
  /** 4 or 6 forces an address family. Default 0: either. */
  family?: number | undefined;
  /** User of the server's ACL. Default: the user `default`. */
  username?: string | undefined;
  /** Password of AUTH, said by every connection. Default: none. */
  password?: string | undefined;
  /**
   * Gives username and password instead of the options of that name, and perhaps when they expire: asked at each connect
   * (connections made within a second share an answer), and again before they expire, when every live connection
   * authenticates anew. What it throws, an answer later than `connectTimeout` and refusals of AUTH are reported (`error`
   * event, `code` ERR_CREDENTIALS or the server's) and tried again after growing pauses. Default: none.
   */
  credentialsProvider?: CredentialsProvider | null | undefined;
  /** CLIENT SETNAME of every connection. */
  connectionName?: string | undefined;
  /**
   * Database, selected on every connection. A cluster has 0 only, unless its servers are Valkey 9 with
   * `cluster-databases`: connecting fails with an error that says so. Default 0.
   */
  db?: number | undefined;
  /**
   * TLS with these options of node:tls, or true for its defaults; false: no TLS. A function is asked at each connect, so
   * that renewed certificates are used; it may give a promise. The host name of each node is its server name.
   */
  tls?: ConnectionOptions | TlsOptionsFunction | boolean | undefined;
  /** 3 (default) asks for RESP3 and falls back; 2 never asks. */
  protocol?: 2 | 3 | undefined;
  /**
   * What RESP3 types become. "legacy" (default): what RESP2 has (maps are flat arrays, doubles text, booleans 1 or 0).
   * "resp3": plain objects, numbers and booleans; needs protocol 3, and old servers give legacy shapes.
   */
  replyMapping?: ReplyMappingMode | undefined;
  /** Integers come as text, exact beyond 2^53. Default false. */
  stringNumbers?: boolean | undefined;
  /** Put before every key of a command; not before patterns, channels and keys of modules' commands. Default: none. */
  keyPrefix?: string | Buffer | undefined;
  /** Milliseconds of silence, while commands wait for an answer, after which the socket is dropped. Default: never. */
  socketTimeout?: number | undefined;
  /**
   * Milliseconds after which a blocking command without a timeout of its own gives null. Set, it also limits those
   * that have one, by `blockingTimeoutGrace` beyond it. Default: none.
   */
  blockingTimeout?: number | undefined;
  /** Milliseconds that a blocking command with a timeout of its own may be late, with `blockingTimeout`. Default 100. */
  blockingTimeoutGrace?: number | undefined;
  /** Asked for every error reply: true or 1 reconnects, 2 reconnects and sends the command again. Default: never. */
  reconnectOnError?: ((error: Error) => boolean | 0 | 1 | 2) | null | undefined;
  /** Milliseconds that LOADING is waited for, and most between two looks at a server that loads. Default 10000. */
  maxLoadingRetryTime?: number | undefined;
  /** Milliseconds that a server has to answer what was written, and to close, after disconnect(). Default 2000. */
  disconnectTimeout?: number | undefined;
  /**
   * Milliseconds that quit() waits for the answers to what was sent before; then it closes all the same, and what has no
   * answer is rejected with an AbortError whose `code` is ERR_QUIT_TIMEOUT. 0: as long as it takes. Default 3000.
   */
  quitTimeout?: number | undefined;
  /** Reconnections after which waiting commands of a single node are rejected; null or Infinity: never. In a cluster deadlines count. Default 20. */
  maxRetriesPerRequest?: number | null | undefined;
  /** Do not announce the library and its version by CLIENT SETINFO (Redis 7.2 and later). Default false. */
  disableClientInfo?: boolean | undefined;
  /** Announce the library as `lingcache(tag)`. */
  clientInfoTag?: string | undefined;
  /** Hold commands until the connection is ready. Default true. */
  enableOfflineQueue?: boolean | undefined;
  /** Default true: wait for LOADING to end (node) or a cluster state of ok (cluster). */
  enableReadyCheck?: boolean | undefined;
  /** Send again what was written and not answered when a connection was lost. Default true. */
  autoResendUnfulfilledCommands?: boolean | undefined;
  /**
   * What happens to commands that were written when their connection was lost, so that nobody knows whether they ran:
   * "all" (default) sends them again, "readonly" only those that change nothing; the others are rejected
   * with the connection's error. ioredis does the same, but for the rest of a pipeline that was answered in part, which it
   * gives up; so does `Redis` here, and a `Cluster` does not. Refused commands (MOVED, TRYAGAIN, ...) did not run and are always sent again. What this
   * client itself gave up (an unreadable reply, a node silent beyond `retryDeadline`) is never sent again, reads apart.
   */
  resend?: 'all' | 'readonly' | undefined;
  /**
   * How often one command is sent again because its connection was lost after it was written (`resend`), with growing
   * pauses. An error after that has `attempts` and `writes`. Default: `maxRetriesPerRequest` if that is a number, else
   * 20 (Redis) or 16 (Cluster).
   */
  maxResends?: number | undefined;
  /** Subscribe again after a reconnection. Default true. */
  autoResubscribe?: boolean | undefined;
  /** Do not connect before the first command or connect(). Default false. */
  lazyConnect?: boolean | undefined;
  /** Rejections show the line that made the call. Default false. */
  showFriendlyErrorStack?: boolean | undefined;
  /**
   * Most commands that wait: for the client to be ready, for a connection, to be tried again, for a socket that is
   * behind. More are rejected with ERR_QUEUE_FULL. In `redisOptions` of a Cluster: for each node by itself. Default:
   * no limit.
   */
  maxQueueLength?: number | undefined;
  /** Most bytes of the commands that wait, as `maxQueueLength` counts them. Default: no limit. */
  maxQueueBytes?: number | undefined;
  /** Longest bulk accepted from a server, bytes. Default 512 MiB. */
  maxBulkLength?: number | undefined;
  /** Accepted for ioredis's sake: commands of one tick always share one write. */
  enableAutoPipelining?: boolean | undefined;
  /** Accepted for ioredis's sake: there is nothing to leave out, see `enableAutoPipelining`. */
  autoPipeliningIgnoredCommands?: string[] | undefined;
  /** Custom commands: name -> Lua script. */
  scripts?: Record<string, ScriptDefinition> | undefined;
}

/** The options of `new Redis(...)`. */
export interface RedisOptions extends CommonRedisOptions {
  /** Default localhost. */
  host?: string | undefined;
  /** Default 6379. */
  port?: number | undefined;
  /** A unix socket instead of host and port. */
  path?: string | undefined;
  /** Milliseconds before reconnection `times` (from 1), or anything else to stop. Default min(2^(times-1) * 50, 5000) and up to 200 more. */
  retryStrategy?: ((times: number) => number | null | undefined | void) | null | undefined;
  /** Only MONITOR, on a connection of its own; see `redis.monitor()`. Default false. */
  monitor?: boolean | undefined;
  /** Send READONLY: a replica answers reads. Default false. */
  readOnly?: boolean | undefined;
  /**
   * A replica that is asked for what is its primary's names it (CLIENT CAPA redirect, Valkey 8 and later), and the client
   * goes there, reads included: the connection is made anew, and what was refused is sent again on it. When that primary
   * cannot be reached, host and port of the options are asked again. Credentials go to whatever address is named. Other
   * servers know nothing of it. Default false.
   */
  followRedirects?: boolean | undefined;
  /** Fieldsets that are defined on every connection, for HIMPORT SET. Experimental: Redis 8.10. */
  himportFieldsets?: readonly HimportFieldset[] | undefined;
}

/** Where one node is, and how to reach it. */
export type StandaloneConnectionOptions = Pick<
  RedisOptions,
  'host' | 'port' | 'path' | 'family' | 'tls' | 'disconnectTimeout'
>;

/** The options of `new Cluster(nodes, options)`; what every node connection is to have stands in `redisOptions`. */
export interface ClusterOptions {
  /** Milliseconds before attempt `times` to reach the cluster again; not a number: give up. Called on the cluster, whose `startupNodes` it may assign; null: one attempt only. Default min(100 + times * 2, 2000). */
  clusterRetryStrategy?: ((times: number, reason?: Error) => number | null | undefined | void) | null | undefined;
  /** Milliseconds before a node is dialed again. Default: at once, then 50 ms doubling to 2 s, with jitter. */
  clusterNodeRetryStrategy?: ((times: number) => number | null | undefined | void) | null | undefined;
  /** Hold commands until the slot map is known. Default true. */
  enableOfflineQueue?: boolean | undefined;
  /** Wait until CLUSTER INFO does not say fail. Default true. */
  enableReadyCheck?: boolean | undefined;
  /**
   * Who answers reads: "master" (default), "slave" (replicas), "all" (both), "nearest" (of both, the shortest measured
   * round trip), or a function of the shard's nodes (as nodes() gives them, master first) and the command that gives
   * one of them or several. A replica that is down, silent, loading or without its master is left for the master.
   */
  // biome-ignore lint/suspicious/noExplicitAny: users declare Redis and Command (ioredis: Function); naming them here would be an import cycle
  scaleReads?: ReadScaling | ((nodes: any[], command: any) => any) | undefined;
  /** With scaleReads: nodes whose INFO has this `availability_zone` answer first, then the others. */
  availabilityZone?: string | undefined;
  /** With scaleReads: milliseconds between looks at the nodes that answer reads; 0 = never. Default 1000. */
  replicaCheckInterval?: number | undefined;
  /** Accepted for ioredis's sake: SSUBSCRIBE always has a connection for each master concerned. */
  shardedSubscribers?: boolean | undefined;
  /**
   * How often one call is tried again that is redirected, refused (CLUSTERDOWN, TRYAGAIN, ...) or lost. 16, ioredis's
   * default, stands for no limit of its own: it is tried, with growing pauses, until `retryDeadline`.
   */
  maxRedirections?: number | undefined;
  /**
   * MGET, MSET, DEL, UNLINK, EXISTS and TOUCH with keys of several slots: "error" (default) is refused as Redis does,
   * "split" sends one command a slot and stitches the replies. Not atomic; PartialFailureError lists what failed.
   */
  crossSlot?: 'error' | 'split' | undefined;
  /**
   * true: FLUSHALL, DBSIZE, KEYS, CONFIG SET and their like go to every master and are joined. Default: those go to one
   * node, as with ioredis; what says which scripts and functions there are (SCRIPT LOAD, EXISTS and FLUSH; FUNCTION LOAD,
   * DELETE, FLUSH and RESTORE) goes to every master, and EVALSHA of a script that this client has loaded is answered by
   * nodes that do not know it as well. false: everything goes to one node.
   */
  fanOut?: boolean | undefined;
  /**
   * Keeps answers of read-only commands in this process until their server says that a key changed (CLIENT TRACKING);
   * `{}` for the defaults. Text and numbers are handed out as they are, lists, objects and Buffers as copies. Writes
   * through this client count before they are answered; those through `nodes()` when the server sends the invalidation. A hash field
   * that expires by itself is noticed when the server removes it. Default: off. With it, slotsRefreshInterval is
   * 5000 unless given.
   */
  clientSideCache?: NearCacheOptions | undefined;
  /** Milliseconds before a MOVED is followed. Default 0. */
  retryDelayOnMoved?: number | undefined;
  /** Milliseconds before a call lost with its node is tried again; 0: it is rejected. Default 100. */
  retryDelayOnFailover?: number | undefined;
  /** Milliseconds before a call refused by CLUSTERDOWN is tried again, growing; 0: it is rejected. Default 100. */
  retryDelayOnClusterDown?: number | undefined;
  /** Milliseconds before a call refused by TRYAGAIN is tried again, growing. Default 100. */
  retryDelayOnTryAgain?: number | undefined;
  /**
   * Milliseconds from a call's start (a blocking one's: from its first trouble) until a refused call is no longer tried,
   * or one that waits for the first map, for a reconnection or for a subscription is given up. Its error says what it
   * waited for. Default 15000.
   */
  retryDeadline?: number | undefined;
  /** As in `redisOptions`, for the cluster's own quit(). Default: that of `redisOptions`, or 3000. */
  quitTimeout?: number | undefined;
  /**
   * Milliseconds without a sign of life, while calls wait, after which a node is asked over a second connection and, until
   * it answers, given no new calls; others are asked for the map. What was sent stays where it is. 0 = never. Default 1000.
   */
  silenceTimeout?: number | undefined;
  /** Most connections a node for calls that block (BLPOP, XREAD BLOCK, ...). Default 64. */
  maxBlockingConnections?: number | undefined;
  /** Milliseconds for one node to answer CLUSTER SLOTS. Default 1000. */
  slotsRefreshTimeout?: number | undefined;
  /** Milliseconds between refreshes that nothing asked for. Default: off, and 5000 with scaleReads or clientSideCache. */
  slotsRefreshInterval?: number | undefined;
  /** Options of every node connection: credentials, TLS, timeouts. */
  redisOptions?:
    | Omit<RedisOptions, 'host' | 'port' | 'path' | 'retryStrategy' | 'readOnly' | 'himportFieldsets'>
    | undefined;
  /** As `redisOptions.db`; the path of a startup node's URL (`redis://host/3`) is the same. Default 0. */
  db?: number | undefined;
  /** Do not connect before the first command or connect(). Default false. */
  lazyConnect?: boolean | undefined;
  /** Looks host names up instead of dns.lookup; may give the name back to leave it to the system. TLS keeps the name. */
  dnsLookup?: DNSLookupFunction | undefined;
  /** Startup nodes that are names are SRV names: their records are the nodes, asked for at each attempt to connect. Default false. */
  useSRVRecords?: boolean | undefined;
  /** Looks SRV records up instead of dns.resolveSrv, with `useSRVRecords`. */
  resolveSrv?: DNSResolveSrvFunction | undefined;
  /**
   * Where nodes are reached whose own addresses cannot be: `{ '10.0.0.1:6379': { host: 'proxy', port: 7000 } }`, or a
   * function of `host:port`. Holds for the slot map, MOVED and ASK; what it does not name stays as it is. Default: none.
   */
  natMap?: NatMap | undefined;
  /**
   * Addresses that MOVED, ASK and the slot map may lead to, after natMap: networks (`10.0.0.0/8`), addresses, host
   * names and their suffixes (`.example.com`), or a function. A node is sent the password as soon as it is dialed, so
   * whoever can make a server name an address can have it sent there. A redirect to any other address is not followed
   * (ERR_REDIRECT_REFUSED), an entry of the map is left out. Startup nodes need no entry. Default: all.
   */
  redirectAllow?: RedirectAllow | undefined;
  /** Put before every key of a command; may stand in `redisOptions` instead. Default: none. */
  keyPrefix?: string | Buffer | undefined;
  /** Rejections show the line that made the call; costs a stack a call. Default false. */
  showFriendlyErrorStack?: boolean | undefined;
  /** Accepted for ioredis's sake: commands of one tick always share one write. */
  enableAutoPipelining?: boolean | undefined;
  /** Accepted for ioredis's sake: there is nothing to leave out, see `enableAutoPipelining`. */
  autoPipeliningIgnoredCommands?: string[] | undefined;
  /** Custom commands: name -> Lua script. */
  scripts?: Record<string, ScriptDefinition> | undefined;
  /**
   * Most commands that wait anywhere in this client: for the slot map, for nodes that are being dialed, to be tried
   * again, for sockets that are behind. More are rejected with ERR_QUEUE_FULL; a transaction counts as a whole.
   * `redisOptions` has the bound of each node. Default: no limit.
   */
  maxQueueLength?: number | undefined;
  /** Most bytes of the commands that wait, as `maxQueueLength` counts them. Default: no limit. */
  maxQueueBytes?: number | undefined;
  /** Fieldsets that are defined on every node, for HIMPORT SET. Experimental: Redis 8.10. */
  himportFieldsets?: readonly HimportFieldset[] | undefined;
  /** As in `redisOptions`: "all" (default) or "readonly". */
  resend?: 'all' | 'readonly' | undefined;
  /** As in `redisOptions`; default 16. */
  maxResends?: number | undefined;
}

/** Options whose `replyMapping` gives the client's replies their types. */
export type RedisOptionsWithReplyMapping<Mapping extends ReplyMappingMode> = RedisOptions & {
  replyMapping?: Mapping | undefined;
};
/** As RedisOptionsWithReplyMapping, of a cluster. */
export type ClusterOptionsWithReplyMapping<Mapping extends ReplyMappingMode> = ClusterOptions & {
  redisOptions?: (ClusterOptions['redisOptions'] & { replyMapping?: Mapping | undefined }) | undefined;
};

/** The mapping of a duplicate: that of the options on top, else its model's. */
export type ReplyMappingFromOptions<Current extends ReplyMappingMode, Options> = Options extends {
  replyMapping: infer Mapping extends ReplyMappingMode;
}
  ? Mapping
  : Current;
/** As ReplyMappingFromOptions, of a cluster. */
export type ReplyMappingFromClusterOptions<Current extends ReplyMappingMode, Options> = Options extends {
  redisOptions: infer NodeOptions;
}
  ? ReplyMappingFromOptions<Current, NodeOptions>
  : Current;
