// Whether the dashboard's page stays smooth with 1,000 nodes and ten updates a second: how long its frames and tasks take
// in a real browser. `npm run proof:dashboard -- --nodes 1000 --rate 10 --seconds 15`. Needs Chromium; the exit code is 1
// where the page draws fewer than 30 frames a second, falls behind, or a task takes more than 100 ms after the first second.

import { existsSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { loadPage } from '../../server/operator/dashboard/page.ts';
import type { Frame, Hello, NodeRow } from '../../server/operator/dashboard/protocol.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '15' },
    picture: { type: 'string' },
  },
});
const [nodeCount, rate, seconds] = [values.nodes, values.rate, values.seconds].map(Number) as [number, number, number];
const masters = nodeCount >> 1;
const slotCount = 16_384;
const executable = [process.env['LINGCACHE_CHROMIUM'] ?? '', '/usr/bin/chromium'].find(
  (path) => path !== '' && existsSync(path),
);
if (executable === undefined) throw new Error('Chromium is missing: set LINGCACHE_CHROMIUM');

const idOf = (at: number): string => at.toString(16).padStart(40, '0');
const addressOf = (at: number): string => `10.0.${at >> 8}.${at & 255}:6379`;

function rowOf(at: number, tick: number): NodeRow {
  const isMaster = at < masters;
  const wave = Math.sin(at + tick / 5) + 1.2;
  return {
    id: idOf(at),
    address: addressOf(at),
    role: isMaster ? 'master' : 'replica',
    shard: idOf(at % masters),
    status: 'online',
    server: 'redis 7.0.15',
    slots: isMaster ? Math.floor(slotCount / masters) : 0,
    keys: Math.floor(10_000 * wave),
    memory: Math.floor(5e7 * wave),
    maxMemory: 1e8,
    clients: Math.floor(50 * wave),
    pingMs: wave / 2,
    lagBytes: isMaster ? null : Math.floor(1000 * wave),
    linkUp: isMaster ? null : true,
    ops: Math.floor(20_000 * wave),
    cpu: wave / 4,
    redirects: wave,
  };
}

/** Slots go round the masters by threes: thousands of ranges, and some change with every update. */
function frameAt(tick: number): Frame {
  const owners = Array.from({ length: Math.ceil(slotCount / 3) }, (_, at): [number, number, number] => [
    3 * at,
    Math.min(3 * at + 2, slotCount - 1),
    (at + (at % 50 === tick % 50 ? tick : 0)) % masters,
  ]);
  const nodes = Array.from({ length: nodeCount }, (_, at) => rowOf(at, tick));
  const sum = (of: (row: NodeRow) => number | null): number => nodes.reduce((all, row) => all + (of(row) ?? 0), 0);
  return {
    health: 'ok',
    problems: [],
    nodes,
    owners,
    open: Array.from({ length: 20 }, (_, at) => ({
      slot: (tick + at * 700) % slotCount,
      state: 'migrating' as const,
      node: addressOf(at),
      peer: addressOf(at + 1),
    })),
    hot: [],
    totals: {
      at: Date.now(),
      ops: sum(({ ops }) => ops),
      keys: sum(({ keys }) => keys),
      memory: sum(({ memory }) => memory),
      clients: sum(({ clients }) => clients),
      redirects: sum(({ redirects }) => redirects),
      bytesIn: 1e6,
      bytesOut: 1e7,
      errors: 0,
    },
    events:
      tick % 10 === 0
        ? [
            {
              at: Date.now(),
              kind: 'failover',
              severity: 'info',
              node: addressOf(tick % nodeCount),
              text: 'a failover',
            },
          ]
        : [],
    moves: [],
    viewsAgree: true,
    epoch: tick,
  };
}

const message = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

const page = loadPage();
const streams = new Set<ServerResponse>();
const server = createServer((request, response) => {
  if (request.url?.startsWith('/api/events') !== true) {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': page.policy });
    response.end(page.html);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.write(
    message('hello', { operate: false, intervalMs: 1000 / rate, history: [], events: [] } satisfies Hello),
  );
  streams.add(response);
  response.on('close', () => streams.delete(response));
});
await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
let [tick, bytes, most] = [0, 0, 0];
const sending = setInterval(() => {
  const text = message('frame', frameAt(tick++));
  for (const stream of streams) {
    stream.write(text);
    bytes = text.length;
    most = Math.max(most, stream.writableLength);
  }
}, 1000 / rate);

interface Seen {
  readonly frames: number;
  readonly worstMs: number;
  readonly p99Ms: number;
  readonly longest: number;
}

/** A page that blocks for 150 ms: what the watcher sees of it shows that it would see the dashboard block. */
const blocking = `setTimeout(() => { for (const end = performance.now() + 150; performance.now() < end; ); }, 300)`;

const watcherFor = (seconds: number): string => `new Promise((resolve) => {
  const gaps = [];
  let longest = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
  }).observe({ entryTypes: ['longtask'] });
  let last = performance.now();
  const end = last + ${seconds * 1000};
  const look = (now) => {
    gaps.push(now - last);
    last = now;
    if (now < end) return requestAnimationFrame(look);
    gaps.sort((a, b) => a - b);
    resolve({ frames: gaps.length, worstMs: gaps.at(-1), p99Ms: gaps[Math.floor(gaps.length * 0.99)], longest });
  };
  requestAnimationFrame(look);
})`;

const browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const tab = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  const errors: string[] = [];
  tab.on('pageerror', (error) => errors.push(error.message));
  await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/#token=none`);
  await tab.waitForSelector('#health.ok', { timeout: 30_000 });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await tab.evaluate(blocking);
  const blocked = (await tab.evaluate(watcherFor(1))) as Seen;
  if (blocked.longest < 100 || blocked.worstMs < 100) throw new Error('a task of 150 ms was not seen');
  const seen = (await tab.evaluate(watcherFor(seconds))) as Seen;
  const perSecond = seen.frames / seconds;
  const title = await tab.textContent('#nodes-title');
  if (values.picture !== undefined) await tab.screenshot({ path: values.picture });
  console.log(
    `${nodeCount} nodes, ${rate} updates a second of ${Math.round(bytes / 1024)} KiB (${title}): ` +
      `${perSecond.toFixed(0)} frames a second, p99 ${seen.p99Ms.toFixed(0)} ms, worst ${seen.worstMs.toFixed(0)} ms, ` +
      `longest task ${seen.longest.toFixed(0)} ms, at most ${Math.round(most / 1024)} KiB waited for the page; ` +
      `errors: ${errors.length === 0 ? 'none' : errors.join('; ')}`,
  );
  process.exitCode = perSecond >= 30 && seen.longest <= 100 && most < 2_000_000 && errors.length === 0 ? 0 : 1;
} finally {
  clearInterval(sending);
  await browser.close();
  server.closeAllConnections();
  server.close();
}
