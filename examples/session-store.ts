// HTTP sessions in the cluster: a hash each, with a time to live that every visit renews. They survive a failover.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Cluster } from 'lingcache';
import { startCluster } from 'lingcache/server';

const bundled = await startCluster();
const cluster = new Cluster(bundled.seeds, { keyPrefix: 'session:' });
const lifetime = 1800; // seconds

const server = createServer(async (request, response) => {
  try {
    const id = /sid=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1] ?? randomUUID();
    // Both in one write; the visit counts even if the session is new.
    const results = await cluster.pipeline().hincrby(id, 'visits', 1).expire(id, lifetime).exec();
    const visits = results?.[0]?.[1];
    response.setHeader('set-cookie', `sid=${id}; HttpOnly; SameSite=Lax; Max-Age=${lifetime}`);
    response.end(`visit ${visits}`);
  } catch (error) {
    response.writeHead(503).end((error as Error).message);
  }
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

const first = await fetch(url);
const cookie = first.headers.get('set-cookie')!.split(';')[0]!;
console.log(await first.text());
const visit = async () => (await fetch(url, { headers: { cookie } })).text();
console.log(await visit());
await bundled.failover(0);
await bundled.failover(1);
await bundled.failover(2);
console.log(`${await visit()}, after every master was replaced`);

server.close();
server.closeAllConnections();
await cluster.quit();
await bundled.close();
