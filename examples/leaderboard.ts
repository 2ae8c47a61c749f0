// A leaderboard in a sorted set: one key a game, its rank and its neighbours in a few commands.
import { Cluster } from 'lingcache';
import { startCluster } from 'lingcache/server';

const bundled = await startCluster();
const cluster = new Cluster(bundled.seeds);
const board = '{game:chess}:week:31';

// Scores only rise: GT leaves a better one alone.
const submit = (player: string, score: number) => cluster.zadd(board, 'GT', 'CH', score, player);

async function around(player: string, width: number): Promise<string[]> {
  const rank = await cluster.zrevrank(board, player);
  if (rank === null) return [];
  const from = Math.max(0, Number(rank) - width);
  const flat = await cluster.zrevrange(board, from, Number(rank) + width, 'WITHSCORES');
  return flat.flatMap((name, at) => (at % 2 === 0 ? [`${from + at / 2 + 1}. ${name} ${flat[at + 1]}`] : []));
}

// Everything that is issued in one turn leaves in one write.
await Promise.all(Array.from({ length: 1000 }, (_, at) => submit(`player${at}`, (at * 7919) % 100_000)));
await submit('ada', 99_990);
await submit('ada', 50); // no better: stays
const top = await cluster.zrevrange(board, 0, 2, 'WITHSCORES');
console.log(`top: ${top.join(' ')}`);
console.log(`around ada: ${(await around('ada', 1)).join(', ')}`);
console.log(
  `${await cluster.zcard(board)} players, ${await cluster.zcount(board, 90_000, '+inf')} of them above 90000`,
);

await cluster.quit();
await bundled.close();
