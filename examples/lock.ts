// A lock with a fencing token: the lock keeps workers apart in most cases, the token keeps a late one from doing harm.
import { randomUUID } from 'node:crypto';
import { Cluster, type Result } from 'lingcache';
import { startCluster } from 'lingcache/server';

const bundled = await startCluster();

declare module 'lingcache' {
  interface RedisCommander<Context> {
    acquire(lock: string, fence: string, owner: string, ms: number): Result<number, Context>;
    release(lock: string, owner: string): Result<number, Context>;
    guardedSet(value: string, fence: string, text: string, token: number): Result<number, Context>;
  }
}

const cluster = new Cluster(bundled.seeds, {
  scripts: {
    // 0: somebody else has it. Otherwise a token higher than all before.
    acquire: {
      numberOfKeys: 2,
      lua: `if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return redis.call('INCR', KEYS[2]) end return 0`,
    },
    // Only the owner's own lock is released: it may have expired and be somebody else's by now.
    release: {
      numberOfKeys: 1,
      lua: `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`,
    },
    // What is protected refuses tokens older than the last one that it has seen.
    guardedSet: {
      numberOfKeys: 2,
      lua: `if tonumber(ARGV[2]) < tonumber(redis.call('GET', KEYS[2]) or 0) then return 0 end
            redis.call('SET', KEYS[2], ARGV[2]) redis.call('SET', KEYS[1], ARGV[1]) return 1`,
    },
  },
});
const [lock, fence, value, seen] = ['{report}:lock', '{report}:fence', '{report}:value', '{report}:seen'] as const;

const [slow, quick] = [randomUUID(), randomUUID()];
const slowToken = await cluster.acquire(lock, fence, slow, 500);
console.log(
  `slow has the lock: ${slowToken > 0}; quick gets it meanwhile: ${(await cluster.acquire(lock, fence, quick, 500)) > 0}`,
);
await new Promise((resolve) => setTimeout(resolve, 600)); // slow sleeps too long, its lock expires
const quickToken = await cluster.acquire(lock, fence, quick, 10_000);
console.log(`quick writes: ${(await cluster.guardedSet(value, seen, 'of quick', quickToken)) === 1}`);
console.log(`slow wakes up and writes: ${(await cluster.guardedSet(value, seen, 'of slow', slowToken)) === 1}`);
console.log(`slow releases quick's lock: ${(await cluster.release(lock, slow)) === 1}`);
console.log(
  `quick releases it: ${(await cluster.release(lock, quick)) === 1}; the value is ${await cluster.get(value)}`,
);

await cluster.quit();
await bundled.close();
