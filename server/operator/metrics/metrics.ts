// The metrics endpoint: /metrics for a scraper, /healthz for a supervisor.
// Owns: the HTTP server, and the samples that it takes when somebody asks.
// Does not know: what the metrics are (families.ts) nor how they are written (exposition.ts).
// Invariant: however many ask, the cluster is asked at most once in `leastIntervalMs`, and only when somebody asks.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClusterLink } from '../link/cluster-link.ts';
import { ClusterSampler } from '../monitor/sampler.ts';
import { readSlotCounts, type SlotCountsSample, type SlotLoad, slotLoads } from '../monitor/slot-counts.ts';
import { expose, formatFor } from './exposition.ts';
import { clusterFamilies, type Family, type SeriesLimits } from './families.ts';

export interface MetricsOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** Port; 0: a free one. Default 9121, redis_exporter's. */
  readonly port?: number;
  readonly limits?: SeriesLimits;
  /** Milliseconds for which an answer is given again. Default 1000. */
  readonly leastIntervalMs?: number;
}

/** Serves the figures of a cluster to Prometheus, or whatever reads OpenMetrics. */
export class MetricsEndpoint {
  readonly #link: ClusterLink;
  readonly #options: MetricsOptions;
  readonly #sampler: ClusterSampler;
  readonly #server: Server;
  #slots: SlotCountsSample | undefined;
  #families: Family[] = [];
  #takenAt = Number.NEGATIVE_INFINITY;
  #taking: Promise<Family[]> | undefined;
  #scrapes = 0;
  #failures = 0;

  constructor(link: ClusterLink, options: MetricsOptions = {}) {
    this.#link = link;
    this.#options = options;
    this.#sampler = new ClusterSampler(link);
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.headersTimeout = 10_000;
    this.#server.maxConnections = 64;
  }

  /** Resolves to the address of /metrics. Rejects when the port is taken. */
  async listen(): Promise<string> {
    const { host = '127.0.0.1', port = 9121 } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve());
    });
    const { port: bound } = this.#server.address() as AddressInfo;
    return `http://${host.includes(':') ? `[${host}]` : host}:${bound}/metrics`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'only GET\n');
    if (path === '/healthz') return this.#answerHealth(response);
    if (path === '/') return send(response, 200, 'metrics of a cluster: /metrics; its health: /healthz\n');
    if (path !== '/metrics') return send(response, 404, 'not here: /metrics, /healthz\n');
    this.#scrapes++;
    try {
      const families = [...(await this.#current()), ...this.#own()];
      const { text, contentType } = await expose(families, formatFor(request.headers.accept));
      send(response, 200, text, contentType);
    } catch (error) {
      this.#failures++;
      send(response, 503, `${(error as Error).message}\n`);
    }
  }

  /** 200 while a node of the cluster answers and none of its slots is without an owner that serves. */
  async #answerHealth(response: ServerResponse): Promise<void> {
    try {
      await this.#current();
      const health = this.#sampler.latest?.health;
      const text = JSON.stringify({ state: health?.state, problems: health?.problems });
      send(response, health?.state === 'degraded' ? 503 : 200, `${text}\n`, 'application/json');
    } catch (error) {
      send(response, 503, `${JSON.stringify({ state: 'unreachable', problems: [(error as Error).message] })}\n`);
    }
  }

  #current(): Promise<Family[]> {
    const { leastIntervalMs = 1000 } = this.#options;
    if (this.#link.world.now() - this.#takenAt < leastIntervalMs) return Promise.resolve(this.#families);
    this.#taking ??= this.#take().finally(() => {
      this.#taking = undefined;
    });
    return this.#taking;
  }

  async #take(): Promise<Family[]> {
    const { limits = {} } = this.#options;
    const { sample } = await this.#sampler.take();
    const slots = limits.slots === 0 ? undefined : await this.#slotLoads();
    this.#families = clusterFamilies({ sample, slots, limits });
    this.#takenAt = this.#link.world.now();
    return this.#families;
  }

  async #slotLoads(): Promise<SlotLoad[] | undefined> {
    const before = this.#slots;
    const now = await readSlotCounts(this.#link).catch(() => undefined);
    this.#slots = now;
    return before === undefined || now === undefined ? undefined : slotLoads(before, now);
  }

  /** About this endpoint itself. */
  #own(): Family[] {
    const one = (name: string, help: string, value: number): Family => ({
      name,
      help,
      type: 'counter',
      series: [{ labels: {}, value }],
    });
    return [
      one('lingcache_exporter_scrapes_total', 'Times that the metrics were asked for', this.#scrapes),
      one('lingcache_exporter_failures_total', 'Times that no node of the cluster answered', this.#failures),
    ];
  }
}

function send(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}
