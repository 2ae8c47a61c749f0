// Metrics of your own for Prometheus, made of the client's diagnostics channels and its stats(), without a library.
import { channel, tracingChannel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Cluster } from 'lingcache';
import { startCluster } from 'lingcache/server';

const bundled = await startCluster();
const cluster = new Cluster(bundled.seeds);

const commands = new Map<string, { ok: number; failed: number; seconds: number }>();
const redirects = new Map<string, number>();
interface Traced {
  command: string;
  error?: Error;
  began?: number;
}
const tracing = tracingChannel<unknown, Traced>('ioredis:command');
tracing.start.subscribe((message) => {
  (message as Traced).began = performance.now();
});
tracing.asyncEnd.subscribe((message) => {
  const { command, error, began = 0 } = message as Traced;
  const row = commands.get(command) ?? { ok: 0, failed: 0, seconds: 0 };
  row[error === undefined ? 'ok' : 'failed']++;
  row.seconds += (performance.now() - began) / 1000;
  commands.set(command, row);
});
channel('lingcache:redirect').subscribe((message) => {
  const { kind } = message as { kind: string };
  redirects.set(kind, (redirects.get(kind) ?? 0) + 1);
});

function exposition(): string {
  const lines = ['# TYPE app_redis_commands_total counter'];
  for (const [command, { ok, failed }] of commands) {
    lines.push(`app_redis_commands_total{command="${command}",outcome="ok"} ${ok}`);
    lines.push(`app_redis_commands_total{command="${command}",outcome="failed"} ${failed}`);
  }
  lines.push('# TYPE app_redis_redirects_total counter');
  for (const [kind, count] of redirects) lines.push(`app_redis_redirects_total{kind="${kind}"} ${count}`);
  lines.push('# TYPE app_redis_latency_p99_ms gauge');
  for (const { key, latency } of cluster.stats().nodes) {
    if (latency !== undefined) lines.push(`app_redis_latency_p99_ms{node="${key}"} ${latency.p99}`);
  }
  return `${lines.join('\n')}\n`;
}

const server = createServer((_, response) =>
  response.setHeader('content-type', 'text/plain; version=0.0.4').end(exposition()),
);
server.listen(0, '127.0.0.1');
await once(server, 'listening');

await Promise.all(Array.from({ length: 100 }, (_, at) => cluster.set(`k:${at}`, at)));
await cluster.lpush('k:1', 'x').catch(() => undefined); // WRONGTYPE
await bundled.moveSlot(7629, bundled.ownerOf(7629) === bundled.nodes[0] ? 1 : 0);
await cluster.get('k'); // slot 7629: follows MOVED
const scraped = await (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`)).text();
console.log(
  scraped
    .split('\n')
    .filter((line) => /set|lpush|moved/.test(line))
    .join('\n'),
);

server.close();
server.closeAllConnections();
await cluster.quit();
await bundled.close();
