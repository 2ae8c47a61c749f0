// What the tests of replication share: nodes of either kind asked alike, and seeded writes of every type.

import type { World } from '../../../../lib/base/world.ts';
import { type AnyNode, ask, info } from '../../../kit/ask.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';

/** Until `replica` has a whole copy and a link. */
export async function untilLinked(replica: AnyNode): Promise<void> {
  await until('the replica is linked', async () => (await info(replica))['master_link_status'] === 'up');
}

/** Those of `nodes` that follow `master`. */
export async function replicasOf<Node extends AnyNode>(master: Node, nodes: readonly Node[]): Promise<Node[]> {
  const masters = await Promise.all(nodes.map(async (node) => (await info(node))['master_port']));
  return nodes.filter((_, at) => masters[at] === String(master.port));
}

/** `master` lets its replicas go, and has written more than it keeps for them (20 keys of slot `bar`): they need a copy. */
export async function forceCopy(master: AnyNode): Promise<void> {
  const client = await RespClient.connect(master.port);
  await client.call('CONFIG', 'SET', 'repl-backlog-size', '100');
  await client.call('MULTI');
  await client.call('CLIENT', 'KILL', 'TYPE', 'replica');
  for (let at = 0; at < 20; at++) await client.call('SET', `{bar}${at}`, 'x'.repeat(1000));
  await client.call('EXEC');
  client.close();
}

/** Until all stand at the same offset with the same data. */
export async function untilEqual(...nodes: readonly AnyNode[]): Promise<void> {
  await until('all have the same data', async () => {
    const offsets = await Promise.all(nodes.map(async (node) => (await info(node))['master_repl_offset']));
    if (new Set(offsets).size > 1) throw new Error(`offsets ${offsets}`);
    const digests = await Promise.all(nodes.map((node) => ask(node, 'DEBUG', 'DIGEST').then(String)));
    if (new Set(digests).size > 1) throw new Error(`digests ${digests}`);
    return true;
  });
}

// HyperLogLogs are left out: redis-server keeps small ones in a form of its own, and DEBUG DIGEST sees their bytes.
/** `k` a key of any type, `v` a value, `i` an integer, `f` a float, `t` a short time; other words stand for themselves. */
const shapes: readonly string[] = [
  'set s1 v',
  'SET s2 i',
  'set s3 v px t',
  'set s3 v keepttl',
  'set s2 i ex 1000',
  'getset s1 v',
  'getdel s4',
  'getex s3 px t',
  'getex s3 persist',
  'setex s4 1000 v',
  'psetex s5 t v',
  'append s1 v',
  'setrange s1 i v',
  'setbit b1 i 1',
  'bitfield b1 incrby u8 0 i',
  'bitop not b2 b1',
  'incr n1',
  'incrby n1 i',
  'incrbyfloat f1 f',
  'mset s1 v s2 i',
  'rpush l1 v v v',
  'lpush l1 v i',
  'lpop l1',
  'rpop l1 2',
  'linsert l1 before v v',
  'lset l1 0 v',
  'ltrim l1 0 40',
  'lmove l1 l2 left right',
  'lmpop 2 l1 l2 left count 2',
  'blpop l1 l2 0.001',
  'blmove l2 l1 right left 0.001',
  'sadd e1 v i i',
  'sadd e2 i i i i',
  'spop e1',
  'spop e2 2',
  'srem e1 v',
  'smove e1 e2 v',
  'sunionstore e3 e1 e2',
  'sdiffstore e4 e1 e2',
  'hset h1 v v v i',
  'hincrby h1 count i',
  'hincrbyfloat h1 float f',
  'hdel h1 v',
  'hsetnx h1 v v',
  'zadd z1 i v f v',
  'zadd z1 gt f v',
  'zincrby z1 f v',
  'zpopmin z1',
  'zmpop 2 z1 z2 max count 2',
  'zrangestore z3 z1 0 5',
  'zunionstore z2 2 z1 e2',
  'zremrangebyrank z2 10 -1',
  'bzpopmin z1 z2 0.001',
  'geoadd g1 f f v',
  'geosearchstore g2 g1 fromlonlat 0 0 byradius 4000 km asc',
  'xadd x1 * v v',
  'xadd x1 maxlen ~ 50 * v i',
  'xadd x1 nomkstream minid 0 * v v',
  'xgroup create x1 grp 0 mkstream',
  'xgroup create x1 grp2 $ mkstream',
  'xreadgroup group grp alice count 2 streams x1 >',
  'xreadgroup group grp2 bob count 1 noack streams x1 >',
  'xautoclaim x1 grp bob 0 0 count 2',
  'xtrim x1 maxlen 30',
  'xgroup delconsumer x1 grp alice',
  'expire k i',
  'pexpire k t',
  'expire k 100000 gt',
  'expireat k 4102444800',
  'persist k',
  'del k',
  'unlink k k',
  'rename k r1',
  'copy k c1 replace',
  'copy k c1 db 3 replace',
  'move k 5',
  'sort e2 alpha store l2',
  'sort e2 store l2',
  'touch k',
];
const keys = 's1 s2 s3 s4 s5 b1 b2 n1 f1 l1 l2 e1 e2 e3 e4 h1 z1 z2 z3 g1 g2 x1 r1 c1'.split(' ');
const values = ['', 'x', 'hello', '10', '-3', '3.5', '\0\xff\r\n', 'y'.repeat(100), 'member', 'field'];

/** Endless writes, the same for the same world; times are short, so that keys run out on the way. */
function* writes(chance: World): Generator<string[]> {
  const below = (limit: number): number => Math.floor(chance.random() * limit);
  const word = (one: string): string => {
    if (one === 'k') return keys[below(keys.length)]!;
    if (one === 'v') return values[below(values.length)]!;
    if (one === 'i') return String(below(200));
    if (one === 'f') return String((below(1_000_000) - 500_000) / 10_000);
    return one === 't' ? String(1 + below(60)) : one;
  };
  for (;;) {
    const rare = chance.random();
    if (rare < 0.002) yield ['FLUSHDB'];
    else if (rare < 0.01) yield ['SELECT', String(below(4))];
    else if (rare < 0.012) yield ['SWAPDB', String(below(4)), String(below(4))];
    else if (rare < 0.05) yield ['MULTI'];
    else if (rare < 0.12) yield ['EXEC'];
    else yield shapes[below(shapes.length)]!.split(' ').map(word);
  }
}

/** Sends `count` writes, pipelined a hundred at a time; errors (wrong types, say) are part of the game. */
export async function write(node: AnyNode, chance: World, count: number): Promise<void> {
  const client = await RespClient.connect(node.port);
  try {
    const source = writes(chance);
    for (let left = count; left > 0; left -= 100) {
      const batch = Array.from({ length: Math.min(100, left) }, () => source.next().value as string[]);
      await Promise.all(batch.map((argv) => client.call(...argv)));
    }
    await client.call('EXEC');
  } finally {
    client.close();
  }
}

export function seedOf(): number {
  const seed = Number(process.env['REPLICATION_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`      REPLICATION_SEED=${seed}`);
  return seed;
}
