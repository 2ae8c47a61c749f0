// Rows the capture does not have, each with its reason. Facts are from the documentation of the servers named.
// A row that the capture comes to have is refused by the generator, so nothing here can go stale unseen.

import type { Argument } from './gen/capture.ts';

export interface OverrideRow {
  readonly name: string;
  readonly arity: number;
  readonly flags: readonly string[];
  /** Key specs in the table's own notation (see lib/command/table.ts); none = keyless. */
  readonly keys?: string;
}

export interface OverrideGroup {
  readonly reason: string;
  readonly rows: readonly OverrideRow[];
}

const oneKey = 'i1:r0,1,0';
const read = 'RO,access';
const change = 'RW,update';

/** `name arity flags`, all with one key at position 1 that is read or changed as the flags say. */
function keyed(text: string): OverrideRow[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [name, arity, flags] = line.trim().split(' ') as [string, string, string];
      const words = flags.split(',');
      return { name, arity: Number(arity), flags: words, keys: `${words.includes('write') ? change : read}:${oneKey}` };
    });
}

function keyless(text: string): OverrideRow[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [name, arity, flags] = line.trim().split(' ') as [string, string, string?];
      return { name, arity: Number(arity), flags: flags === undefined ? [] : flags.split(',') };
    });
}

export const overrides: readonly OverrideGroup[] = [
  {
    reason: 'a Sentinel answers these, no data node does; the client speaks to both',
    rows: keyless('sentinel -2 admin'),
  },
  {
    reason: 'Redis 7.2 and 7.4: hash field expiry, WAITAOF',
    rows: [
      ...keyless('waitaof 4 blocking'),
      ...keyed(`
        hexpire -6 write,fast
        hexpireat -6 write,fast
        hexpiretime -5 readonly,fast
        hpexpire -6 write,fast
        hpexpireat -6 write,fast
        hpexpiretime -5 readonly,fast
        hpersist -5 write,fast
        hpttl -5 readonly,fast
        httl -5 readonly,fast`),
    ],
  },
  {
    reason: 'Redis 8: hash field get-and-expire, stream deletion by reference, compare-and-delete, vector sets',
    rows: [
      ...keyed(`
        hgetdel -5 write,fast
        hgetex -5 write,fast
        hsetex -6 write,denyoom,fast
        delex -2 write,fast
        digest 2 readonly,fast
        increx -2 write,denyoom,fast
        xackdel -6 write,fast
        xcfgset -2 write,fast
        xdelex -5 write,fast
        xidmprecord 5 write,denyoom,fast
        xnack -7 write,fast
        vadd -5 write,denyoom
        vcard 2 readonly,fast
        vdim 2 readonly,fast
        vemb -3 readonly,fast
        vgetattr 3 readonly,fast
        vinfo 2 readonly,fast
        vismember 3 readonly
        vlinks -3 readonly,fast
        vrandmember -2 readonly
        vrange -4 readonly
        vrem 3 write
        vsetattr 4 write,fast
        vsim -4 readonly`),
      { name: 'msetex', arity: -4, flags: ['write', 'denyoom', 'movablekeys'], keys: 'OW,update:i1:n0,1,2' },
      { name: 'sdiffcard', arity: -3, flags: ['readonly', 'movablekeys'], keys: 'RO,access:i1:n0,1,1' },
      { name: 'sunioncard', arity: -3, flags: ['readonly', 'movablekeys'], keys: 'RO,access:i1:n0,1,1' },
      { name: 'lmovem', arity: -5, flags: ['write', 'denyoom'], keys: 'RW,access,delete:i1:r1,1,0' },
      { name: 'blmovem', arity: -6, flags: ['write', 'denyoom', 'blocking'], keys: 'RW,access,delete:i1:r1,1,0' },
    ],
  },
  {
    reason: 'Redis 8.8: arrays',
    rows: keyed(`
      arcount 2 readonly,fast
      ardel -3 write,fast
      ardelrange -4 write
      arget 3 readonly,fast
      argetrange 4 readonly
      argrep -6 readonly
      arinfo -2 readonly
      arinsert -3 write,denyoom,fast
      arlastitems -3 readonly
      arlen 2 readonly,fast
      armget -3 readonly,fast
      armset -4 write,denyoom,fast
      arnext 2 readonly,fast
      arop -5 readonly
      arring -4 write,denyoom
      arscan -4 readonly
      arseek 3 write,fast
      arset -4 write,denyoom,fast`),
  },
  {
    reason: 'Redis 8: maintenance words and HIMPORT',
    rows: [
      ...keyless(`
        backup 2
        backup|abort 2 admin,noscript
        backup|cleanup 2 admin,noscript
        backup|help 2 loading,stale
        backup|list 2 admin,stale
        backup|seal 2 admin,noscript
        backup|start 2 admin,noscript
        backup|status 2 admin,stale
        hotkeys -2
        hotkeys|get 2 admin,noscript
        hotkeys|help 2 loading,stale
        hotkeys|reset 2 admin,noscript
        hotkeys|start -2 admin,noscript
        hotkeys|stop 2 admin,noscript
        himport -2
        himport|discard 3
        himport|discardall 2
        himport|prepare -4 denyoom
        trimslots -5 write`),
      { name: 'himport|set', arity: -5, flags: ['write', 'denyoom'], keys: 'OW,update:i2:r0,1,0' },
    ],
  },
];

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

/** Subcommands of servers newer than the capture that ioredis types; the server refuses what it does not know. */
export const looseSubcommands: readonly string[] = [
  'client|no-touch',
  'client|setinfo',
  'cluster|migration',
  'cluster|myshardid',
  'cluster|slot-stats',
  'cluster|syncslots',
];

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
  // 8.x: MAXCOUNT, MAXSIZE, KEEPREF and their kin.
  xread: (args) => [args, anyMore([])],
  xreadgroup: (args) => [args, anyMore(args.slice(0, 1))],
  xtrim: (args) => [args, anyMore(args.slice(0, 1))],
  // PREFIX may be given many times, among the other options.
  'client|tracking': (args) => [args, anyMore([])],
  // 7.4
  hscan: (args) => [[...args, optionalWord('NOVALUES')]],
  // 7.2
  zrank: (args) => [[...args, optionalWord('WITHSCORE')]],
  zrevrank: (args) => [[...args, optionalWord('WITHSCORE')]],
};
