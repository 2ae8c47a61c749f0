// The dashboard: a page on loopback that shows a cluster as it lives.
// Owns: the HTTP server, the pages that are connected, the figures of the last minutes.
// Does not know: how a cluster is asked (monitor), how slots are moved (it is given actions), what the page draws.
// Invariant: nothing about the cluster leaves without the token, and nothing in it is changed without actions, which are
// given only to who asked for them; a page that reads slowly misses frames and costs no memory.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClusterLink } from '../link/cluster-link.ts';
import { ClusterSampler, type SampledCluster } from '../monitor/sampler.ts';
import { readSlotCounts, type SlotCountsSample, type SlotLoad, slotLoads } from '../monitor/slot-counts.ts';
import { frameOf, heatDigits } from './frames.ts';
import { loadPage, type Page } from './page.ts';
import type { EventRow, Heat, Hello, MoveRow, Totals, Trouble } from './protocol.ts';

/** What the page may have done, where that was asked for. */
export interface DashboardActions {
  /** Makes a replica take over from its master. */
  failover(nodeId: string): Promise<void>;
  /** Begins to move a slot; how far it is shows in `moves`. */
  move(slot: number, targetId: string): Promise<void>;
  moves(): readonly MoveRow[];
}

export interface DashboardOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Port; 0: a free one. Default 7379. */
  readonly port?: number | undefined;
  /** Milliseconds between two samples. Default 1000. */
  readonly intervalMs?: number | undefined;
  /** Default: the page only shows. */
  readonly actions?: DashboardActions | undefined;
}

const pagesAtMost = 32;
const historyLength = 600;
const eventsKept = 300;
/** Bytes that wait for a page before it misses frames. */
const backlogLimit = 2_000_000;
const bodyLimit = 10_000;
/** Milliseconds between two looks at single slots, where servers have SLOT-STATS. */
const slotsEveryMs = 5000;

export class Dashboard {
  readonly #link: ClusterLink;
  readonly #options: DashboardOptions;
  readonly #server: Server;
  readonly #page: Page;
  readonly #token = randomBytes(24).toString('base64url');
  readonly #pages = new Set<ServerResponse>();
  readonly #ended = new AbortController();
  readonly #history: Totals[] = [];
  #events: EventRow[] = [];
  #slots: SlotCountsSample | undefined;
  #loads: SlotLoad[] = [];
  #heat: Heat | undefined;
  #lastFrame: string | undefined;

  /** Throws an Error where the page was not built. */
  constructor(link: ClusterLink, options: DashboardOptions = {}) {
    this.#link = link;
    this.#options = options;
    this.#page = loadPage();
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.headersTimeout = 10_000;
    this.#server.maxConnections = 4 * pagesAtMost;
  }

  /** Resolves to the address of the page, with the token behind the `#`, which browsers send to nobody. */
  async listen(): Promise<string> {
    const { host = '127.0.0.1', port = 7379 } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve());
    });
    void this.#watch();
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.#port}/#token=${this.#token}`;
  }

  async close(): Promise<void> {
    this.#ended.abort();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async #watch(): Promise<void> {
    const sampler = new ClusterSampler(this.#link);
    void this.#watchSlots();
    for await (const outcome of sampler.every(this.#options.intervalMs ?? 1000, this.#ended.signal)) {
      if (outcome instanceof Error) this.#send('trouble', { message: outcome.message } satisfies Trouble);
      else this.#show(outcome);
    }
  }

  #show(sampled: SampledCluster): void {
    const frame = frameOf(sampled, this.#loads, this.#options.actions?.moves() ?? []);
    this.#history.push(frame.totals);
    if (this.#history.length > historyLength) this.#history.shift();
    this.#events = [...this.#events, ...frame.events].slice(-eventsKept);
    this.#lastFrame = messageOf('frame', { ...frame, events: [] });
    this.#send('frame', frame);
  }

  /** Only where a node counts what slots do: elsewhere it would take a question for every slot. */
  async #watchSlots(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const counts = await this.#countSlots();
      if (counts !== undefined) {
        if (this.#slots !== undefined) this.#loads = slotLoads(this.#slots, counts);
        this.#slots = counts;
        this.#heat = { digits: heatDigits(counts) };
        this.#send('heat', this.#heat);
      }
      await new Promise<void>((resolve) => void this.#link.world.after(slotsEveryMs, resolve));
    }
  }

  async #countSlots(): Promise<SlotCountsSample | undefined> {
    try {
      await this.#link.askAny(['CLUSTER', 'SLOT-STATS', 'ORDERBY', 'key-count', 'LIMIT', '1']);
      return await readSlotCounts(this.#link);
    } catch {
      return undefined;
    }
  }

  #send(event: string, data: unknown): void {
    if (this.#pages.size === 0) return;
    const text = messageOf(event, data);
    for (const page of this.#pages) if (page.writableLength < backlogLimit) page.write(text);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0]!;
    if (!this.#isOwnHost(request.headers.host)) return end(response, 421, 'this address is not the dashboard\n');
    if (path === '/' && request.method === 'GET') return this.#answerPage(response);
    if (path === '/healthz' && request.method === 'GET') return end(response, 200, 'ok\n');
    if (!path.startsWith('/api/')) return end(response, 404, 'not here\n');
    if (!this.#isAllowed(request.headers.authorization)) return end(response, 401, 'the token is missing or wrong\n');
    if (path === '/api/events' && request.method === 'GET') return this.#answerEvents(response);
    const { actions } = this.#options;
    if (request.method !== 'POST') return end(response, 405, 'not so\n');
    if (actions === undefined) return end(response, 403, 'this dashboard only shows: start it with --operate\n');
    if (path !== '/api/failover' && path !== '/api/move') return end(response, 404, 'not here\n');
    try {
      const body = await readBody(request);
      if (path === '/api/failover') await actions.failover(textIn(body, 'node'));
      else await actions.move(slotIn(body), textIn(body, 'target'));
      end(response, 202, 'begun\n');
    } catch (error) {
      end(response, 400, `${(error as Error).message}\n`);
    }
  }

  /** A page of another name that resolves to this machine is not ours. */
  #isOwnHost(host: string | undefined): boolean {
    const { host: bound = '127.0.0.1' } = this.#options;
    const name = (host ?? '')
      .replace(/:\d+$/, '')
      .replace(/^\[|\]$/g, '')
      .toLowerCase();
    const loopback = ['127.0.0.1', 'localhost', '::1'];
    return loopback.includes(name) || name === bound.toLowerCase() || !loopback.includes(bound);
  }

  #isAllowed(header: string | undefined): boolean {
    const given = Buffer.from(/^Bearer (\S+)$/.exec(header ?? '')?.[1] ?? '');
    const wanted = Buffer.from(this.#token);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  #answerPage(response: ServerResponse): void {
    response.writeHead(200, {
      ...commonHeaders,
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': this.#page.policy,
    });
    response.end(this.#page.html);
  }

  #answerEvents(response: ServerResponse): void {
    if (this.#pages.size >= pagesAtMost) {
      end(response, 503, `${pagesAtMost} pages are open already\n`);
      return;
    }
    response.writeHead(200, { ...commonHeaders, 'content-type': 'text/event-stream; charset=utf-8' });
    const { intervalMs = 1000, actions } = this.#options;
    const hello: Hello = { operate: actions !== undefined, intervalMs, history: this.#history, events: this.#events };
    response.write(messageOf('hello', hello));
    if (this.#heat !== undefined) response.write(messageOf('heat', this.#heat));
    if (this.#lastFrame !== undefined) response.write(this.#lastFrame);
    this.#pages.add(response);
    response.on('close', () => void this.#pages.delete(response));
  }
}

const commonHeaders = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'x-frame-options': 'DENY',
};

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { ...commonHeaders, 'content-type': 'text/plain; charset=utf-8' });
  response.end(text);
}

function messageOf(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) throw new Error('JSON is wanted');
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > bodyLimit) throw new Error('too long');
  }
  const body: unknown = JSON.parse(text);
  if (typeof body !== 'object' || body === null) throw new Error('an object is wanted');
  return body as Record<string, unknown>;
}

function textIn(body: Record<string, unknown>, name: string): string {
  const value = body[name];
  if (typeof value === 'string' && /^[\da-f]{40}$/.test(value)) return value;
  throw new Error(`${name}: no id of a node`);
}

function slotIn({ slot }: Record<string, unknown>): number {
  if (typeof slot === 'number' && Number.isInteger(slot) && slot >= 0 && slot < 16_384) return slot;
  throw new Error('slot: not within 0..16383');
}
