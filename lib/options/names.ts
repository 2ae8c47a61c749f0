// Which options there are, so that a slip of the pen is distinguished from what a framework adds for itself. A name close to one
// of ours is refused: it was meant, and would do nothing. Any other unknown name is warned of once a process and left
// alone, because ioredis ignores it too; so is a known option in the wrong place.

import { OptionError } from '../base/errors.ts';

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Options of a connection, ioredis's typings included (node:net's come with them, and have no effect there either). */
const nodeNames: ReadonlySet<string> = new Set(
  words(`
    autoPipeliningIgnoredCommands autoResendUnfulfilledCommands autoResubscribe blockingTimeout blockingTimeoutGrace
    clientInfoTag commandQueue commandTimeout connectTimeout connectionName Connector credentialsProvider db disableClientInfo
    disconnectTimeout enableAutoPipelining enableOfflineQueue enableReadyCheck enableTLSForSentinelMode
    failoverDetector family followRedirects himportFieldsets host keepAlive keyPrefix lazyConnect maxBulkLength maxLoadingRetryTime
    maxQueueBytes maxQueueLength maxResends maxRetriesPerRequest monitor name natMap noDelay offlineQueue password path port
    preferredSlaves protocol quitTimeout readOnly reconnectOnError replyMapping resend retryStrategy role scripts
    sentinelCommandTimeout sentinelMaxConnections sentinelPassword sentinelReconnectStrategy sentinelRetryStrategy
    sentinelTLS sentinelUsername sentinels showFriendlyErrorStack socketTimeout stringNumbers tls updateSentinels
    username
    allowHalfOpen autoSelectFamily autoSelectFamilyAttemptTimeout blockList fd hints keepAliveInitialDelay localAddress
    localPort lookup onread readable signal timeout typeOfService writable`),
);

const clusterNames: ReadonlySet<string> = new Set(
  words(`
    autoPipeliningIgnoredCommands availabilityZone clientSideCache clusterNodeRetryStrategy clusterRetryStrategy
    crossSlot db dnsLookup enableAutoPipelining enableOfflineQueue enableReadyCheck fanOut himportFieldsets keyPrefix
    lazyConnect maxBlockingConnections maxQueueBytes maxQueueLength maxRedirections maxResends natMap quitTimeout
    redirectAllow redisOptions replicaCheckInterval resend resolveSrv retryDeadline retryDelayOnClusterDown retryDelayOnFailover
    retryDelayOnMoved retryDelayOnTryAgain scaleReads scripts shardedSubscribers showFriendlyErrorStack
    silenceTimeout slotsRefreshInterval slotsRefreshTimeout useSRVRecords`),
);

/** What other clients call it. */
const elsewhere: Readonly<Record<string, string>> = {
  address: 'host and port',
  addresses: 'the startup nodes of a Cluster',
  database: 'db',
  hostname: 'host',
  pass: 'password',
  rootNodes: 'the startup nodes of a Cluster',
  servers: 'the startup nodes of a Cluster',
  socket: 'host and port',
  ssl: 'tls',
  url: 'the URL itself, as a string',
  user: 'username',
};

const warned = new Set<string>();

/** Throws OptionError for a name that is nearly one of ours, warns of others. `where`: whose options these are. */
export function checkNames(options: object, where: 'redis' | 'node' | 'cluster'): void {
  const [known, others] = where === 'cluster' ? [clusterNames, nodeNames] : [nodeNames, clusterNames];
  for (const name of Object.keys(options)) {
    if (known.has(name) || (options as Record<string, unknown>)[name] === undefined) continue;
    if (others.has(name)) {
      warn(misplaced(name, where));
      continue;
    }
    const meant = [...known].find((one) => isNear(name, one));
    if (meant !== undefined) {
      throw new OptionError(name, `Unknown option ${name}: did you mean \`${meant}\`?`);
    }
    const advice = Object.hasOwn(elsewhere, name) ? `: here it is ${elsewhere[name]}` : '';
    warn(`Unknown option ${name} is ignored${advice}.`);
  }
}

function misplaced(name: string, where: 'redis' | 'node' | 'cluster'): string {
  if (where === 'cluster') return `Option ${name} of a Cluster is ignored: it belongs in redisOptions.`;
  if (where === 'redis') return `Option ${name} is ignored: it is one of Cluster's.`;
  return `Option ${name} in redisOptions is ignored: it belongs beside redisOptions.`;
}

function warn(text: string): void {
  if (warned.has(text)) return;
  warned.add(text);
  process.emitWarning(text, { type: 'LingcacheWarning', code: 'LINGCACHE_OPTION' });
}

/** One slip in a short name, two in a longer one; names of three letters resemble too much. */
function isNear(name: string, known: string): boolean {
  if (name.length < 4 || Math.abs(name.length - known.length) > 2) return false;
  const [one, other] = [name.toLowerCase(), known.toLowerCase()];
  return distance(one, other) <= (Math.min(name.length, known.length) < 8 ? 1 : 2);
}

/** Letters added, dropped, replaced or swapped with their neighbour (optimal string alignment). */
function distance(one: string, other: string): number {
  let before: number[] = [];
  let above = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let at = 1; at <= other.length; at++) {
      const same = one[row - 1] === other[at - 1] ? 0 : 1;
      let least = Math.min(above[at]! + 1, current[at - 1]! + 1, above[at - 1]! + same);
      const swapped = row > 1 && at > 1 && one[row - 1] === other[at - 2] && one[row - 2] === other[at - 1];
      if (swapped) least = Math.min(least, before[at - 2]! + 1);
      current.push(least);
    }
    before = above;
    above = current;
  }
  return above[other.length]!;
}
