// Rows that no capture has, each with its reason. Facts are from the documentation of the servers named.
// A row that a capture comes to have is refused by the generator, so nothing here can go stale unseen.

import type { Argument } from './gen/capture.ts';
import { parseSyntax } from './gen/syntax.ts';

export interface OverrideRow {
  readonly name: string;
  readonly arity: number;
  readonly flags: readonly string[];
  /** Key specs in the table's own notation (see lib/command/table.ts); none = keyless. */
  readonly keys?: string;
  /** The arguments (see gen/syntax.ts). */
  readonly syntax: string;
}

export interface OverrideGroup {
  /** Which servers know these: stands in the typings. */
  readonly availability: string;
  readonly reason: string;
  readonly rows: readonly OverrideRow[];
}

const oneKey = 'i1:r0,1,0';
const read = 'RO,access';
const change = 'RW,update';

/** `name arity flags: arguments`, one a line. */
function rowsOf(text: string, keys: (flags: readonly string[]) => string | undefined): OverrideRow[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const colon = line.indexOf(':');
      const [name, arity, flags] = line.slice(0, colon).trim().split(' ') as [string, string, string?];
      const words = flags === undefined ? [] : flags.split(',');
      const spec = keys(words);
      const row = { name, arity: Number(arity), flags: words, syntax: line.slice(colon + 1).trim() };
      return spec === undefined ? row : { ...row, keys: spec };
    });
}

const accessOf = (flags: readonly string[]): string => (flags.includes('write') ? change : read);

/** All with one key at position 1 that is read or changed as the flags say. */
const keyed = (text: string): OverrideRow[] => rowsOf(text, (flags) => `${accessOf(flags)}:${oneKey}`);

const keyless = (text: string): OverrideRow[] => rowsOf(text, () => undefined);

/** All with keys where `find` says. */
const placed = (find: string, text: string): OverrideRow[] => rowsOf(text, (flags) => `${accessOf(flags)}:${find}`);

export const overrides: readonly OverrideGroup[] = [
  {
    availability: 'Sentinel',
    reason: 'a Sentinel answers these, no data node does; the client speaks to both',
    rows: keyless('sentinel -2 admin: arg...'),
  },
  {
    availability: 'Redis 8.0',
    reason: 'vector sets are a module there: COMMAND reports neither their arity nor their arguments',
    rows: keyed(`
      vadd -5 write,denyoom: @key arg...
      vcard 2 readonly,fast: @key
      vdim 2 readonly,fast: @key
      vemb -3 readonly,fast: @key element [RAW]
      vgetattr 3 readonly,fast: @key element
      vinfo 2 readonly,fast: @key
      vismember 3 readonly: @key element
      vlinks -3 readonly,fast: @key element [WITHSCORES]
      vrandmember -2 readonly: @key [count#]
      vrange -4 readonly: @key start end [count#]
      vrem 3 write: @key element
      vsetattr 4 write,fast: @key element json
      vsim -4 readonly: @key arg...`),
  },
  {
    availability: 'Redis 8.2 to 8.8',
    reason: 'stream deletion by reference, compare-and-delete, counts of set operations, moves of many elements',
    rows: [
      ...keyed(`
        delex -2 write,fast: @key [(IFEQ|IFNE|IFDEQ|IFDNE) value]
        digest 2 readonly,fast: @key
        increx -2 write,denyoom,fast: @key arg...
        xackdel -6 write,fast: @key group [KEEPREF|DELREF|ACKED] IDS numids# id...
        xcfgset -2 write,fast: @key arg...
        xdelex -5 write,fast: @key [KEEPREF|DELREF|ACKED] IDS numids# id...
        xidmprecord 5 write,denyoom,fast: @key arg...
        xnack -7 write,fast: @key group (SILENT|FAIL|FATAL) IDS numids# id... [RETRYCOUNT count#] [FORCE]`),
      ...placed(
        'i1:n0,1,1',
        `
        sdiffcard -3 readonly,movablekeys: numkeys# @key... [LIMIT limit#]
        sunioncard -3 readonly,movablekeys: numkeys# @key... [APPROX] [LIMIT limit#]`,
      ),
      ...placed(
        'i1:r1,1,0',
        `
        lmovem -5 write,denyoom: @source @destination (LEFT|RIGHT) (LEFT|RIGHT) [(COUNT|EXACTLY) count# (OBO|BULK)]
        blmovem -6 write,denyoom,blocking: @source @destination (LEFT|RIGHT) (LEFT|RIGHT) timeout% [(COUNT|EXACTLY) count# (OBO|BULK)]`,
      ),
    ],
  },
  {
    availability: 'Redis 8.8',
    reason: 'arrays',
    rows: keyed(`
      arcount 2 readonly,fast: @key
      ardel -3 write,fast: @key index#...
      ardelrange -4 write: @key range#...
      arget 3 readonly,fast: @key index#
      argetrange 4 readonly: @key start# end#
      argrep -6 readonly: @key start# end# (EXACT|MATCH|GLOB|RE) value [arg...]
      arinfo -2 readonly: @key [FULL]
      arinsert -3 write,denyoom,fast: @key value...
      arlastitems -3 readonly: @key count# [REV]
      arlen 2 readonly,fast: @key
      armget -3 readonly,fast: @key index#...
      armset -4 write,denyoom,fast: @key (index# value)...
      arnext 2 readonly,fast: @key
      arop -5 readonly: @key start# end# (SUM|MIN|MAX|AND|OR|XOR|MATCH value|USED)
      arring -4 write,denyoom: @key size# value...
      arscan -4 readonly: @key start# end# [LIMIT limit#]
      arseek 3 write,fast: @key index#
      arset -4 write,denyoom,fast: @key index# value...`),
  },
  {
    availability: 'Redis 8.4 to 8.8',
    reason: 'maintenance words and HIMPORT',
    rows: [
      ...keyless(`
        backup 2:
        backup|abort 2 admin,noscript:
        backup|cleanup 2 admin,noscript:
        backup|help 2 loading,stale:
        backup|list 2 admin,stale:
        backup|seal 2 admin,noscript:
        backup|start 2 admin,noscript:
        backup|status 2 admin,stale:
        cluster|migration -3 admin,noscript: arg...
        hotkeys -2:
        hotkeys|get 2 admin,noscript:
        hotkeys|help 2 loading,stale:
        hotkeys|reset 2 admin,noscript:
        hotkeys|start -2 admin,noscript: arg...
        hotkeys|stop 2 admin,noscript:
        himport -2:
        himport|discard 3: fieldset-name
        himport|discardall 2:
        himport|prepare -4 denyoom: fieldset-name field...
        trimslots -5 write: arg...`),
      ...placed('i2:r0,1,0', 'himport|set -5 write,denyoom: @key fieldset-name value...'),
    ],
  },
];

/** What the commands above do, for the typings. */
export const summaries: Readonly<Record<string, string>> = Object.fromEntries(
  `sentinel: Commands of a Sentinel
  vadd: Adds an element with its vector to a vector set, or changes its vector
  vcard: Gives the number of elements of a vector set
  vdim: Gives the number of dimensions of a vector set
  vemb: Gives the vector of an element
  vgetattr: Gives the attributes of an element, as JSON
  vinfo: Gives facts about a vector set
  vismember: Returns whether an element is in a vector set
  vlinks: Gives the neighbours of an element, by layer
  vrandmember: Gives one or several elements of a vector set at random
  vrange: Gives the elements of a vector set in lexicographical order
  vrem: Removes an element from a vector set
  vsetattr: Sets the attributes of an element, as JSON
  vsim: Gives the elements most similar to a vector or to an element
  delex: Deletes a string if its value or digest compares as asked
  digest: Gives the hash digest of a string's value
  increx: Increments a number within bounds, and sets its expiration
  xackdel: Acknowledges and deletes stream entries
  xcfgset: Sets options of a stream
  xdelex: Deletes stream entries, and their references as asked
  xidmprecord: Records the idempotent production of a stream entry
  xnack: Gives pending stream entries back to their group
  sdiffcard: Gives the number of members of the difference of sets
  sunioncard: Gives the number of members of the union of sets
  lmovem: Moves several elements from one list to another
  blmovem: Moves several elements from one list to another, and waits for them
  arcount: Gives the number of elements of an array that are set
  ardel: Deletes elements of an array
  ardelrange: Deletes ranges of elements of an array
  arget: Gives an element of an array
  argetrange: Gives a range of elements of an array
  argrep: Gives the indexes of elements that match
  arinfo: Gives facts about an array
  arinsert: Puts elements at the insert position of an array
  arlastitems: Gives the elements inserted last
  arlen: Gives the length of an array
  armget: Gives several elements of an array
  armset: Sets several elements of an array
  arnext: Gives the insert position of an array
  arop: Computes one value of a range of an array
  arring: Puts elements into an array used as a ring of a fixed size
  arscan: Gives the elements of a range that are set, with their indexes
  arseek: Moves the insert position of an array
  arset: Sets elements of an array from an index on
  backup: Commands of online backups
  hotkeys: Commands of hot-key tracking
  himport|discard: Forgets the fields of one name
  himport|discardall: Forgets all fields of HIMPORT PREPARE
  himport|prepare: Names fields, for HIMPORT SET to give their values alone
  himport|set: Sets a hash by the values of prepared fields
  cluster|migration: Controls moves of slots by the servers themselves
  trimslots: Deletes the keys of slots that are not served any more`
    .split('\n')
    .map((line) => line.trim().split(': ') as [string, string]),
);

/** `name arity flags: arguments` of modules that come with Redis 8 or Redis Stack; they have no methods but call(). */
export const moduleCommands: readonly OverrideRow[] = [
  ...modules(
    'json',
    'i1:r0,1,0',
    'write',
    'arrappend arrinsert arrpop arrtrim clear del forget merge numincrby nummultby numpowby set strappend toggle',
  ),
  ...modules('json', 'i1:r0,1,0', 'readonly', 'arrindex arrlen get objkeys objlen resp strlen type'),
  ...modules('json', 'i1:r-2,1,0', 'readonly', 'mget'),
  ...modules('json', 'i1:r-1,3,0', 'write', 'mset'),
  ...modules('json', 'i2:r0,1,0', 'readonly', 'debug'),
  ...modules('bf', 'i1:r0,1,0', 'write', 'add insert loadchunk madd reserve'),
  ...modules('bf', 'i1:r0,1,0', 'readonly', 'card debug exists info mexists scandump'),
  ...modules('cf', 'i1:r0,1,0', 'write', 'add addnx compact del insert insertnx loadchunk reserve'),
  ...modules('cf', 'i1:r0,1,0', 'readonly', 'count debug exists info mexists scandump'),
  ...modules('cms', 'i1:r0,1,0', 'write', 'incrby initbydim initbyprob'),
  ...modules('cms', 'i1:r0,1,0', 'readonly', 'info query'),
  ...modules('cms', 'i1:r0,1,0;RO,access:i2:n0,1,1', 'write', 'merge'),
  ...modules('topk', 'i1:r0,1,0', 'write', 'add incrby reserve'),
  ...modules('topk', 'i1:r0,1,0', 'readonly', 'count info list query'),
  ...modules('tdigest', 'i1:r0,1,0', 'write', 'add create reset'),
  ...modules('tdigest', 'i1:r0,1,0;RO,access:i2:n0,1,1', 'write', 'merge'),
  ...modules(
    'tdigest',
    'i1:r0,1,0',
    'readonly',
    'byrank byrevrank cdf info max min quantile rank revrank trimmed_mean',
  ),
  ...modules('ts', 'i1:r0,1,0', 'write', 'add alter create decrby del incrby'),
  ...modules('ts', 'i1:r-1,3,0', 'write', 'madd'),
  ...modules('ts', 'i1:r1,1,0', 'write', 'createrule deleterule'),
  ...modules('ts', 'i1:r0,1,0', 'readonly', 'get info range revrange'),
  ...modules('ts', undefined, undefined, 'mget mrange mrevrange queryindex'),
  ...modules('ft', 'i1:r0,1,0', 'write', 'sugadd sugdel'),
  ...modules('ft', 'i1:r0,1,0', 'readonly', 'sugget suglen'),
  ...modules(
    'ft',
    undefined,
    undefined,
    `_list aggregate aliasadd aliasdel aliasupdate alter config create cursor dictadd dictdel dictdump dropindex explain
    explaincli hybrid info profile search spellcheck syndump synupdate tagvals`,
  ),
];

/** What has no key is left to masters: what it reads there is more than one node's. */
function modules(
  module: string,
  find: string | undefined,
  flag: 'write' | 'readonly' | undefined,
  names: string,
): OverrideRow[] {
  const flags = flag === undefined ? [] : [flag];
  return names.split(/\s+/).map((name) => {
    const row = { name: `${module}.${name}`, arity: -1, flags, syntax: '' };
    return find === undefined ? row : { ...row, keys: `${accessOf(flags)}:${find}` };
  });
}

/** Typed by their first words alone: users of ioredis pass the options in any order and letter case. */
export const looseCommands: Readonly<Record<string, number>> = {
  xadd: 1,
  geosearch: 1,
  geosearchstore: 2,
  georadius: 1,
  georadius_ro: 1,
  georadiusbymember: 1,
  georadiusbymember_ro: 1,
  zrangebylex: 3,
  zrevrangebylex: 3,
};

const optionalWord = (word: string): Argument => ({
  name: word.toLowerCase(),
  type: 'pure-token',
  token: word,
  flags: ['optional'],
});

/** A form that takes any values after its head. */
const anyMore = (head: readonly Argument[]): Argument[] => [
  ...head,
  { name: 'arg', type: 'string', flags: ['multiple'] },
];

/** Other orders, and later additions, of a command's arguments; each form is typed. */
export const argumentPatches: Readonly<
  Record<string, (args: readonly Argument[]) => readonly (readonly Argument[])[]>
> = {
  // ioredis types SET's expiry first, the documentation last; the server takes both.
  set: (args) => {
    const [key, value, condition, get, expiry] = args as [Argument, Argument, Argument, Argument, Argument];
    const compared = ['IFEQ', 'IFNE', 'IFDEQ', 'IFDNE'].map((token) => ({
      name: `${token.toLowerCase()}-value`,
      type: 'string' as const,
      token,
    }));
    // 8.4: compare-and-set.
    const conditions = { ...condition, arguments: [...(condition.arguments ?? []), ...compared] };
    return [[key, value, expiry, conditions, get], args];
  },
  // WITHSCORES makes another reply in RESP3; everything else may come in any order.
  zrangebyscore: (args) => [args, anyMore(args.slice(0, 3))],
  zrevrangebyscore: (args) => [args, anyMore(args.slice(0, 3))],
  // 8.x: MAXCOUNT, MAXSIZE and CLAIM; users write the words in either letter case, and in any order.
  xread: (args) => [args, anyMore([])],
  xreadgroup: (args) => [args, anyMore(args.slice(0, 1))],
  // 8.2: what becomes of references to the entries.
  xtrim: (args) => [[...args, ...parseSyntax('[KEEPREF|DELREF|ACKED]')]],
  // PREFIX may be given many times, among the other options.
  'client|tracking': (args) => [args, anyMore([])],
  // 7.4
  hscan: (args) => [[...args, optionalWord('NOVALUES')]],
  // 7.2
  zrank: (args) => [[...args, optionalWord('WITHSCORE')]],
  zrevrank: (args) => [[...args, optionalWord('WITHSCORE')]],
};
