// The same commands through ioredis and through our client, over RESP2 and RESP3 and with every reply option: the same values.
import assert from 'node:assert/strict';
import { Redis as Peer } from 'ioredis';
import { Redis, type RedisOptions } from '../../../lib/index.ts';
import { needRedisServer } from '../../kit/real-cluster.ts';
import { type OneServer, startOneServer } from './one-server.ts';

interface Client {
  call(command: string, args: string[]): Promise<unknown>;
  callBuffer(command: string, args: string[]): Promise<unknown>;
  disconnect(): void;
}

const setUp = `hset h a 1 b 2 __proto__ x constructor y|hset one f v|zadd z 1 a 2.5 b 1e+300 c inf d|zadd z2 1 a 7 q|zadd z1 3 a
  sadd s a|rpush l a b c|xadd x 1-1 f v|xadd x 2-1 f w|xgroup create x g 0|set k v|geoadd g 13.361389 38.115556 p
  pfadd pf a|setbit bits 7 1`;

/** Reads first, then what changes; each line is run against a freshly set-up database by each client in turn. */
const reads = `hgetall h|hgetall missing|hgetall k|hrandfield one|hrandfield one 1|hrandfield one 1 withvalues
  hrandfield one -2 withvalues|hrandfield missing 3 withvalues|zrange z 0 -1|zrange z 0 -1 withscores
  zrange missing 0 -1 withscores|zrangebyscore z -inf +inf withscores limit 0 2|zrevrange z 0 -1 withscores
  zrevrangebyscore z +inf -inf withscores|zdiff 2 z z2 withscores|zinter 2 z z2 withscores|zunion 2 z z2 withscores
  zrandmember z1|zrandmember z1 -2 withscores|zscore z b|zscore z d|zmscore z a missing|zincrby z 0.1 a|zadd z incr 1 b|zrank z b|zmpop 1 z min
  zmpop 1 z max count 2|zpopmin z|zpopmin z 2|zpopmax z|zpopmax missing|zpopmax z 2|bzpopmin z 0|bzmpop 0 1 z min count 2
  xread streams x 0|xread count 1 streams x missing 0 0|xread streams missing 0|xreadgroup group g c streams x >
  xrange x - +|xpending x g|xinfo stream x|xinfo groups x|xautoclaim x g c 0 0|smembers s|sismember s a|spop s 1
  smismember s a b|config get maxmemory|config get nosuchthing|geopos g p missing|geosearch g frommember p byradius 1 m withcoord withdist
  geodist g p p|lpop l|lpop l 2|lmpop 1 l left count 2|lpos l b|lcs k k idx|set k v get|getex k|incrbyfloat n 0.1
  hincrbyfloat h a 0.5|pubsub numsub a b|pubsub channels|function list|script exists abc|object encoding k
  command info get|command count|memory usage missing|acl getuser default|client no-evict off|type k|exists k k
  expire k 100|scan 0 match none count 1000|hscan one 0|zscan z2 0|sscan s 0|role|echo x|wait 0 0|eval return{1,'a',{2}} 0
  sort l alpha limit 0 2|bitfield bits get u8 0|pfcount pf|latency latest|slowlog len|module list`;

const words = (line: string): string[] => line.trim().split(' ');
const lines = (text: string): string[] => text.split(/[|\n]/).map((line) => line.trim());

/** Two replies in one form: own properties of an object in their order, bytes as text. */
function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return `bytes:${value.toString('latin1')}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'number' && !Number.isFinite(value)) return `number:${value}`;
  if (value instanceof Error) return `error:${value.message}`;
  if (typeof value === 'object' && value !== null) {
    return { entries: Object.entries(value).map(([field, item]) => [field, plain(item)]) };
  }
  return value;
}

const kinds: Readonly<Record<string, RedisOptions>> = {
  RESP2: { protocol: 2 },
  RESP3: { protocol: 3 },
  'RESP2, numbers as text': { protocol: 2, stringNumbers: true },
  'RESP3, numbers as text': { stringNumbers: true },
  'RESP3 shapes': { replyMapping: 'resp3' },
  'RESP3 shapes, numbers as text': { replyMapping: 'resp3', stringNumbers: true },
};

describe('reply shapes against ioredis, RESP2 and RESP3', () => {
  let server: OneServer | undefined;
  const clients = new Map<string, Client>();

  before(async function () {
    needRedisServer(this, 'reply shapes over both protocols');
    server = await startOneServer();
    for (const [kind, options] of Object.entries(kinds)) {
      clients.set(`ioredis ${kind}`, new Peer({ path: server.path, ...(options as object) }) as unknown as Client);
      clients.set(`lingcache ${kind}`, new Redis({ path: server.path, ...options }) as unknown as Client);
    }
  });

  after(async () => {
    for (const client of clients.values()) client.disconnect();
    await server?.stop();
  });

  async function answers(line: string, form: 'call' | 'callBuffer'): Promise<Map<string, unknown>> {
    const [command, ...args] = words(line) as [string, ...string[]];
    const found = new Map<string, unknown>();
    for (const [name, client] of clients) {
      await client.call('flushall', []);
      for (const step of lines(setUp)) await client.call(words(step)[0]!, words(step).slice(1));
      found.set(name, plain(await client[form](command, args).catch((error: Error) => error)));
    }
    return found;
  }

  for (const form of ['call', 'callBuffer'] as const) {
    it(`${form}: ${lines(reads).length} replies are ioredis's own over both protocols and with every mapping`, async function () {
      this.timeout(120_000);
      const complaints: unknown[] = [];
      for (const line of lines(reads)) {
        const found = await answers(line, form);
        for (const kind of Object.keys(kinds)) {
          const theirs = JSON.stringify(found.get(`ioredis ${kind}`));
          const ours = JSON.stringify(found.get(`lingcache ${kind}`));
          if (ours !== theirs) complaints.push({ line, kind, ours, theirs });
        }
      }
      assert.deepEqual(complaints, []);
    });
  }
});
