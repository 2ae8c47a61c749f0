// What ioredis 6 has and we do not, each with its reason. An entry for something we do have fails the parity test.

/** `Class.member` (prototype) or `Class#static`, or an export's bare name -> why it is missing. */
export const deviations: Readonly<Record<string, string>> = {
  ...because('private to ioredis: the connect loop, queues and status have a room of their own here (lifecycle)', [
    'Cluster.clearNodesRefreshInterval',
    'Cluster.executeOfflineCommands',
    'Cluster.flushQueue',
    'Cluster.getInfoFromNode',
    'Cluster.handleCloseEvent',
    'Cluster.invokeReadyDelayedCallbacks',
    'Cluster.readyCheck',
    'Cluster.resetNodesRefreshInterval',
    'Cluster.resetOfflineQueue',
    'Cluster.setStatus',
    'Redis._readyCheck',
    'Redis.flushQueue',
    'Redis.parseOptions',
    'Redis.resetCommandQueue',
    'Redis.resetOfflineQueue',
    'Redis.setStatus',
    'Redis.silentEmit',
  ]),
  ...because('private to ioredis: addresses become nodes in topology/seeds', [
    'Cluster.dnsLookup',
    'Cluster.natMapper',
    'Cluster.resolveSrv',
    'Cluster.resolveStartupNodeHostnames',
  ]),
  ...because('semi-public in ioredis, for its own Pipeline: redirects are the one loop of router/router here', [
    'Cluster.handleError',
    'Pipeline.fillResult',
  ]),
  ...because('private to ioredis: sockets and their loss are connection/reconnecting-connection here', [
    'Redis._connect',
    'Redis.handleReconnection',
    'Redis.recoverFromFatalError',
    'Redis.setSocketTimeout',
  ]),
  ...because('private to ioredis: tracing is core/diagnostics here', [
    'Redis._buildBatchContext',
    'Redis._buildCommandContext',
    'Redis._getDescription',
    'Redis._getServerAddress',
  ]),
  ...because('private to ioredis: timeouts of blocking calls are core/blocking-timeout here', [
    'Redis.getBlockingTimeoutInMs',
    'Redis.getConfiguredBlockingTimeout',
  ]),
  ...because('private to ioredis: scan streams are made in scan/scan-stream', [
    'Cluster.createScanStream',
    'Redis.createScanStream',
  ]),
  ...because('private to ioredis: shard channels are pubsub/sharded here', ['Cluster.createShardedSubscriberGroup']),
  ...because('no other promise library can be set; ioredis only warns', ['Redis#Promise']),
  ...because("Sentinel and connectors of one's own are outside a cluster client", [
    'Redis#AbstractConnector',
    'Redis#SentinelConnector',
    'Redis#SentinelIterator',
    'AbstractConnector',
    'SentinelConnector',
    'SentinelIterator',
  ]),
  ...because('scripts are defined on the client; a chain has those of the client that made it', [
    'Pipeline.defineCommand',
  ]),
};

function because(reason: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, reason]));
}
