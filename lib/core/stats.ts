// stats() of a cluster client: counters and gauges gathered from the rooms that keep them.

import type { CacheStats } from '../cache/near-cache.ts';
import type { ReconnectingState } from '../connection/reconnecting-connection.ts';
import type { Latencies } from '../router/latency.ts';
import type { RefreshReason } from '../topology/refresher.ts';
import type { ClusterCore } from './cluster-core.ts';

/** What `cluster.stats()` gives: counts since the client was made, and how things stand now. */
export interface ClusterStats {
  /** MOVED and ASK followed, and calls tried again for any other reason. */
  readonly redirects: { readonly moved: number; readonly ask: number; readonly retried: number };
  /** CLUSTER SLOTS rounds by what caused them. */
  readonly refreshes: Readonly<Partial<Record<RefreshReason, number>>>;
  /** Calls held until the client is ready, or waiting to be tried again. */
  readonly waiting: number;
  /** What `maxQueueLength` and `maxQueueBytes` bound: everything that waits, sockets that are behind included. */
  readonly queue: { readonly calls: number; readonly bytes: number };
  /** One a node that there is a connection for, or will be. */
  readonly nodes: readonly {
    /** `host:port`. */
    readonly key: string;
    /** By the slot map. */
    readonly role: 'master' | 'slave';
    /** Of its connection; `backoff`: waits to be dialed again. */
    readonly state: ReconnectingState;
    /** Calls sent and unanswered, or queued for this node's connection. */
    readonly inFlight: number;
    /** Smoothed round trip in milliseconds; with scaleReads, once measured. */
    readonly roundTrip: number | undefined;
    /** Milliseconds from call to reply since the node joined; blocking calls and transactions are not counted. */
    readonly latency: Latencies | undefined;
    /** Its availability zone, once the server has reported it; with scaleReads. */
    readonly zone: string | undefined;
  }[];
  /** Undefined without `clientSideCache`. */
  readonly cache: CacheStats | undefined;
}

/** @internal What a client's parts know; not in the typings, which then need not name the parts. */
export function statsOf(
  { router, refresher, pool, lifecycle, reads, backlog }: ClusterCore,
  cache: CacheStats | undefined,
): ClusterStats {
  return {
    redirects: { ...router.counts },
    refreshes: { ...refresher.counts },
    waiting: lifecycle.held + router.retrying,
    queue: { calls: backlog.calls, bytes: backlog.bytes },
    nodes: [...pool.all()].map(({ key, role, connection }) => ({
      key,
      role,
      state: connection.state,
      inFlight: connection.load,
      roundTrip: reads?.roundTrip(key),
      zone: reads?.zoneOf(key),
      latency: router.latencies.of(key),
    })),
    cache: cache,
  };
}
