// A product catalogue whose hot entries are served from memory: CLIENT TRACKING notifies the client of changes.
import { Cluster } from 'lingcache';
import { startCluster } from 'lingcache/server';

const bundled = await startCluster();
const shop = new Cluster(bundled.seeds, { clientSideCache: { maxEntries: 10_000, maxBytes: 16 << 20 } });
const backOffice = new Cluster(bundled.seeds);

await backOffice.hset('product:1', { name: 'lamp', price: '20' });
for (let at = 0; at < 1000; at++) await shop.hgetall('product:1');
const { cache } = shop.stats();
console.log(`1000 reads: ${cache?.hits} from memory, ${cache?.misses} from the cluster`);

await backOffice.hset('product:1', 'price', '25');
// The invalidation is on its way; whoever must not see the old price for a moment asks without the cache.
let price: string | undefined;
for (let tries = 0; price !== '25' && tries < 1000; tries++) {
  await new Promise((resolve) => setTimeout(resolve, 1));
  price = (await shop.hgetall('product:1')).price;
}
console.log(`the new price is ${price}`);

await Promise.all([shop.quit(), backOffice.quit()]);
await bundled.close();
