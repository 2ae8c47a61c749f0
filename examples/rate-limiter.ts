// A sliding-window rate limiter: one script, one key a user, so it works on any cluster and is exact under concurrency.
import { Cluster, type Result } from 'lingcache';
import { startCluster } from 'lingcache/server';

const bundled = await startCluster();

// Time comes from the server: the clocks of many app servers differ.
const script = `
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, ms - ARGV[2])
local used = redis.call('ZCARD', KEYS[1])
if used >= tonumber(ARGV[1]) then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return {0, oldest[2] + ARGV[2] - ms}
end
redis.call('ZADD', KEYS[1], ms, ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {1, ARGV[1] - used - 1}
`;

declare module 'lingcache' {
  interface RedisCommander<Context> {
    slidingWindow(key: string, limit: number, windowMs: number, id: string): Result<[0 | 1, number], Context>;
  }
}

const cluster = new Cluster(bundled.seeds, {
  scripts: { slidingWindow: { lua: script, numberOfKeys: 1 } },
});

let requests = 0;
async function allow(user: string): Promise<{ allowed: boolean; left: number; retryAfterMs: number }> {
  const [allowed, number] = await cluster.slidingWindow(`rate:${user}`, 10, 500, `${process.pid}:${requests++}`);
  return allowed ? { allowed: true, left: number, retryAfterMs: 0 } : { allowed: false, left: 0, retryAfterMs: number };
}

// Thirty requests at once, of two users.
const answers = await Promise.all(
  Array.from({ length: 30 }, (_, at) => allow(at % 3 === 0 ? 'ada' : 'bob').then((answer) => ({ at, ...answer }))),
);
const allowed = answers.filter((answer) => answer.allowed).length;
console.log(`${allowed} of ${answers.length} requests were allowed: 10 for each of two users`);
const refused = answers.find((answer) => !answer.allowed);
console.log(`a refused one may come again: ${refused !== undefined && refused.retryAfterMs > 0}`);
await new Promise((resolve) => setTimeout(resolve, (refused?.retryAfterMs ?? 0) + 50));
console.log(`after the window it is allowed: ${(await allow('bob')).allowed}`);

await cluster.quit();
await bundled.close();
