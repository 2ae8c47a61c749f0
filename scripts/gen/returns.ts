// What each command's method resolves to, as ioredis's typings have it. The server's documentation does not say
// replies in a form a program can read, so this is a table by hand. Written for text; the Buffer form is derived.
// `with(token, type)` rules come first: the first whose token is among the overload's literals wins.

interface ReturnRule {
  /** A literal (upper case) or a parameter's name that must be in the overload; absent: always. */
  readonly when?: string;
  readonly type: string;
}

const slots =
  '[startSlotRange: number, endSlotRange: number, ...nodes: [host: string, port: number, nodeId: string, info: unknown[]][]][]';

const byType: Readonly<Record<string, string>> = {
  "'OK'": `acl|load acl|save acl|setuser asking auth bgsave client|caching client|pause client|setname client|unpause
    cluster|failover cluster|forget cluster|meet cluster|replicate cluster|reset cluster|saveconfig
    cluster|set-config-epoch cluster|setslot client|no-touch discard failover flushall flushdb himport|prepare himport|set hmset lset
    ltrim memory|purge migrate mset pfmerge quit readonly readwrite rename replicaof reset restore save select setex
    shutdown slaveof swapdb unwatch watch client|import-source client|capa commandlog|reset cluster|cancelslotmigrations cluster|flushslot
    cluster|migrateslots`,
  "'BUMPED' | 'STILL'": 'cluster|bumpepoch',
  number: `acl|deluser append bitcount bitop bitpos client|getredir client|id cluster|count-failure-reports
    cluster|countkeysinslot cluster|keyslot copy dbsize decr decrby del exists expire expireat expiretime geoadd
    geosearchstore getbit hdel hexists himport|discard himport|discardall hincrby hlen hset hsetex hsetnx hstrlen incr
    incrby lastsave latency|reset linsert llen lpush lpushx lrem move msetex msetnx persist pexpire pexpireat
    pexpiretime pfadd pfcount pttl publish renamenx rpush rpushx sadd scard sdiffcard sdiffstore setbit setnx setrange
    sintercard sinterstore sismember smove srem strlen sunioncard sunionstore touch ttl unlink wait xack xdel xlen
    xnack xtrim zcard zcount zdiffstore zintercard zinterstore zlexcount zrangestore zrem zremrangebylex
    zremrangebyrank zremrangebyscore zunionstore arcount ardel ardelrange arinsert arlen armset arring arset arseek
    vadd vcard vdim vismember vrem vsetattr commandlog|len delex delifeq`,
  'number | null': 'memory|usage arnext',
  'number | unknown[]': 'sort',
  'number[]': `waitaof xackdel smismember time hexpire hexpireat hexpiretime hpexpire hpexpireat hpexpiretime hpersist hpttl httl`,
  string: `cluster|myshardid script|show acl|dryrun acl|genpass acl|whoami bgrewriteaof client|info client|setinfo client|trackinginfo cluster|info
    cluster|myid dump echo function|delete function|dump function|flush function|kill function|load function|restore
    getrange hincrbyfloat incrbyfloat info latency|doctor latency|graph lmove lolwut memory|doctor memory|malloc-stats
    rpoplpush type zincrby`,
  'string | null': `digest blmove brpoplpush client|getname geodist get getdel getex getset hget lindex randomkey xadd zscore
    arget vgetattr`,
  'string[]': `acl|list acl|users cluster|getkeysinslot config|get geohash hkeys hvals keys lrange sdiff sinter smembers
    sunion zdiff zinter zpopmax zpopmin zrange zrangebylex zrangebyscore zrevrange zrevrangebylex zrevrangebyscore
    zunion vrange`,
  'string[] | null': 'acl|getuser blmovem lmovem vemb',
  'string[][] | null': 'vlinks',
  '(string | null)[]': 'hmget mget zmscore hgetdel hgetex argetrange armget arlastitems',
  '[string, string] | null': 'blpop brpop',
  '[key: string, members: string[]] | null': 'blmpop lmpop',
  '[key: string, member: string, score: string] | null': 'bzpopmax bzpopmin',
  '([longitude: string, latitude: string] | null)[]': 'geopos',
  '[cursor: string, elements: string[]]': 'clusterscan hscan scan sscan zscan',
  '[id: string, fields: string[]][]': 'xrange xrevrange',
  '[key: string, items: [id: string, fields: string[]][]][] | null': 'xread',
  '[key: string, items: [id: string, fields: string[] | null][]][] | null': 'xreadgroup',
  'Record<string, string>': 'hgetall',
  'string | unknown[] | null': 'hrandfield',
  '(string | number)[]': 'arinfo',
  '(string | number)[] | null': 'vinfo',
  '[index: number, value: string][]': 'arscan',
  'unknown[]': `cluster|getslotmigrations cluster|slot-stats commandlog|get commandlog|help bitfield_ro cluster|links command|count command|docs command|getkeys command|getkeysandflags command|help
    command|info command|list function|list georadius geosearch hello latency|help latency|history latency|latest
    memory|help memory|stats pubsub|channels pubsub|help pubsub|numpat pubsub|numsub pubsub|shardchannels
    pubsub|shardnumsub role xautoclaim xclaim xpending`,
  [slots]: `cluster|slots cluster|addslots cluster|addslotsrange cluster|delslots cluster|delslotsrange
    cluster|flushslots`,
};

const byOverload: Readonly<Record<string, readonly ReturnRule[]>> = {
  set: [
    { when: 'GET', type: 'string | null' },
    { when: 'NX', type: "'OK' | null" },
    { when: 'XX', type: "'OK' | null" },
    { type: "'OK'" },
  ],
  zadd: [
    { when: 'INCR+NX', type: 'string | null' },
    { when: 'INCR+XX', type: 'string | null' },
    { when: 'INCR', type: 'string' },
    { type: 'number' },
  ],
  lpop: [{ when: 'count', type: 'string[] | null' }, { type: 'string | null' }],
  rpop: [{ when: 'count', type: 'string[] | null' }, { type: 'string | null' }],
  lpos: [{ when: 'COUNT', type: 'number[]' }, { type: 'number | null' }],
  spop: [{ when: 'count', type: 'string[]' }, { type: 'string | null' }],
  srandmember: [{ when: 'count', type: 'string[]' }, { type: 'string | null' }],
  zrandmember: [{ when: 'count', type: 'string[]' }, { type: 'string | null' }],
  zrank: [{ when: 'WITHSCORE', type: '[rank: number, score: string] | null' }, { type: 'number | null' }],
  zrevrank: [{ when: 'WITHSCORE', type: '[rank: number, score: string] | null' }, { type: 'number | null' }],
  vrandmember: [{ when: 'count', type: 'string[]' }, { type: 'string | null' }],
  arop: [
    { when: 'MATCH', type: 'number' },
    { when: 'USED', type: 'number' },
    ...['AND', 'OR', 'XOR'].map((when) => ({ when, type: 'number | null' })),
    { type: 'string | null' },
  ],
  argrep: [{ when: 'args', type: 'number[] | [index: number, value: string][]' }, { type: 'number[]' }],
  increx: [{ type: '[value: number, increment: number] | [value: string, increment: string]' }],
  'himport|set': [{ type: "'OK'" }],
  ping: [{ when: 'message', type: 'string' }, { type: "'PONG'" }],
};

const scored: readonly ReturnRule[] = [{ when: 'WITHSCORES', type: '[member: string, score: number][]' }];
const popped: readonly ReturnRule[] = [
  { when: 'count', type: '[member: string, score: number][]' },
  { type: '[member: string, score: number] | []' },
];
const ranked: readonly ReturnRule[] = [{ when: 'WITHSCORE', type: '[rank: number, score: number] | null' }];

/** What differs with replyMapping "resp3": maps are objects, doubles numbers, booleans booleans. */
const resp3: Readonly<Record<string, readonly ReturnRule[]>> = {
  ...always('[key: string, member: string, score: number] | null', 'bzpopmax bzpopmin'),
  ...always('Record<string, string>', 'config|get'),
  ...always('([longitude: number, latitude: number] | null)[]', 'geopos'),
  ...always('Record<string, unknown>', 'hello memory|stats'),
  ...always('boolean', 'vadd vismember vrem vsetattr'),
  ...always('number[] | null', 'vemb'),
  ...always('Record<string, string | number> | null', 'vinfo'),
  ...always('Record<string, [id: string, fields: string[]][]> | null', 'xread'),
  ...always('Record<string, [id: string, fields: string[] | null][]> | null', 'xreadgroup'),
  ...always('number', 'zincrby'),
  ...always('[value: number, increment: number]', 'increx'),
  ...always('number | null', 'zscore'),
  ...always('(number | null)[]', 'zmscore'),
  zadd: [
    { when: 'INCR+NX', type: 'number | null' },
    { when: 'INCR+XX', type: 'number | null' },
    { when: 'INCR', type: 'number' },
  ],
  ...{ zdiff: scored, zinter: scored, zunion: scored, zrandmember: scored, zrange: scored, zrevrange: scored },
  ...{ zrangebyscore: scored, zrevrangebyscore: scored },
  ...{ zpopmax: popped, zpopmin: popped },
  ...{ zrank: ranked, zrevrank: ranked },
};

function always(type: string, names: string): Record<string, readonly ReturnRule[]> {
  return Object.fromEntries(names.split(' ').map((name) => [name, [{ type }]]));
}

const flat: ReadonlyMap<string, string> = new Map(
  Object.entries(byType).flatMap(([type, names]) =>
    names
      .trim()
      .split(/\s+/)
      .map((name) => [name, type] as const),
  ),
);

/** Every name the tables speak of, for the generator to check that each is a command. */
export const namesWithReturns: readonly string[] = [...flat.keys(), ...Object.keys(byOverload), ...Object.keys(resp3)];

function applying(rules: readonly ReturnRule[] | undefined, words: ReadonlySet<string>): string | undefined {
  return rules?.find(({ when }) => when === undefined || when.split('+').every((word) => words.has(word)))?.type;
}

/** The result type of one overload, for text; `words` are its literals and parameter names. */
export function returnOf(command: string, words: ReadonlySet<string>): string {
  return applying(byOverload[command], words) ?? flat.get(command) ?? 'unknown';
}

/** What the same overload gives with replyMapping "resp3"; undefined: the same. */
export function resp3ReturnOf(command: string, words: ReadonlySet<string>): string | undefined {
  return applying(resp3[command], words);
}

/** The type with Buffer where text was; the names of an object's fields stay text. Undefined: nothing to change. */
export function bufferTypeOf(type: string): string | undefined {
  const changed = type.replace(/(?<!Record<)\bstring\b/g, 'Buffer');
  return changed === type ? undefined : changed;
}
