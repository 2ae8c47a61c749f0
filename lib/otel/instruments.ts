// The metrics: how long operations and connects take, what goes round again, and the gauges of watched clients.

import {
  type Attributes,
  type BatchObservableResult,
  type Counter,
  type Histogram,
  type Meter,
  ValueType,
} from '@opentelemetry/api';
import type { CacheMessage, RedirectMessage, RefreshMessage } from '../core/diagnostics.ts';
import type { ClusterStats } from '../core/stats.ts';
import { errorAttributes } from './attributes.ts';

/** A client whose gauges can be read: a `Cluster`. */
export interface WatchedClient {
  stats(): ClusterStats;
}

/** Bounds in seconds that the conventions advise. */
const bounds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

export class Instruments {
  readonly #meter: Meter;
  readonly #operations: Histogram;
  readonly #connects: Histogram;
  readonly #redirects: Counter;
  readonly #refreshes: Counter;
  readonly #lookups: Counter;
  readonly #dropped: Counter;
  /** What is watched, and how to leave it. */
  readonly #watched = new Map<WatchedClient, () => void>();

  constructor(meter: Meter) {
    this.#meter = meter;
    const seconds = { unit: 's', valueType: ValueType.DOUBLE, advice: { explicitBucketBoundaries: bounds } };
    const count = (name: string, description: string, unit: string): Counter =>
      meter.createCounter(name, { description, unit, valueType: ValueType.INT });
    this.#operations = meter.createHistogram('db.client.operation.duration', {
      ...seconds,
      description: 'Commands and batches, from the call to its settling, redirects and retries included.',
    });
    this.#connects = meter.createHistogram('db.client.connection.create_time', {
      ...seconds,
      description: 'Attempts to reach a node, to the end of the handshake.',
    });
    this.#redirects = count('lingcache.redirects', 'Calls that went round again, by kind.', '{redirect}');
    this.#refreshes = count('lingcache.refreshes', 'Rounds of asking for the slot map, by reason.', '{refresh}');
    this.#lookups = count('lingcache.cache.lookups', 'Reads looked up in the near cache, by outcome.', '{lookup}');
    this.#dropped = count('lingcache.cache.dropped', 'Answers that the near cache dropped, by cause.', '{entry}');
  }

  /** The same with another meter; what is watched moves along. */
  moved(meter: Meter): Instruments {
    const other = new Instruments(meter);
    for (const client of [...this.#watched.keys()]) {
      this.unwatch(client);
      other.watch(client);
    }
    return other;
  }

  /** To be called at the end of an operation that begins now. */
  operation(attributes: Attributes): (error: unknown) => void {
    return timed(this.#operations, attributes);
  }

  connect(attributes: Attributes): (error: unknown) => void {
    return timed(this.#connects, attributes);
  }

  redirected({ kind }: RedirectMessage): void {
    this.#redirects.add(1, { 'lingcache.redirect.kind': kind });
  }

  refreshed({ reason, changed, error }: RefreshMessage): void {
    const failed = error === undefined ? {} : errorAttributes(error);
    this.#refreshes.add(1, { 'lingcache.refresh.reason': reason, 'lingcache.refresh.changed': changed, ...failed });
  }

  cached(message: CacheMessage): void {
    if ('outcome' in message) this.#lookups.add(1, { 'lingcache.cache.outcome': message.outcome });
    else this.#dropped.add(message.entries, { 'lingcache.cache.cause': message.cause });
  }

  /** Reports the client's gauges at each collection. Does nothing for one that is watched already. */
  watch(client: WatchedClient): void {
    if (this.#watched.has(client)) return;
    const meter = this.#meter;
    const gauge = (name: string, description: string, unit: string) =>
      meter.createObservableUpDownCounter(name, { description, unit, valueType: ValueType.INT });
    const connections = gauge('db.client.connection.count', 'Connections by their state.', '{connection}');
    const pending = gauge(
      'db.client.connection.pending_requests',
      'Unanswered or queued calls of a node.',
      '{request}',
    );
    const waiting = gauge('lingcache.waiting', 'Calls held until the client is ready, or to be tried again.', '{call}');
    const report = (result: BatchObservableResult): void => {
      const { nodes, waiting: calls } = client.stats();
      result.observe(waiting, calls);
      for (const { key, role, state, inFlight } of nodes) {
        const node = { 'db.client.connection.pool.name': key, 'lingcache.node.role': role };
        const used = state !== 'up' ? state : inFlight > 0 ? 'used' : 'idle';
        result.observe(connections, 1, { ...node, 'db.client.connection.state': used });
        result.observe(pending, inFlight, node);
      }
    };
    const all = [connections, pending, waiting];
    meter.addBatchObservableCallback(report, all);
    this.#watched.set(client, () => meter.removeBatchObservableCallback(report, all));
  }

  unwatch(client: WatchedClient): void {
    this.#watched.get(client)?.();
    this.#watched.delete(client);
  }
}

function timed(histogram: Histogram, attributes: Attributes): (error: unknown) => void {
  const started = performance.now();
  return (error) => {
    const failed = error === undefined ? {} : errorAttributes(error);
    histogram.record((performance.now() - started) / 1000, { ...attributes, ...failed });
  };
}
