// The drawings of the learning pages, in English and in Chinese.
// Owns: what each shows, and its words.
// Does not know: how SVG is written.

import { type Sequence, type Step, sequence } from './sequence.ts';
import { arrow, box, drawing, label } from './svg.ts';

type Language = 'en' | 'zh';
/** The English and the Chinese of one text; one string where both are the same. */
type Words = string | readonly [string, string];

const say = (words: Words, language: Language): string =>
  typeof words === 'string' ? words : words[language === 'en' ? 0 : 1];

interface SequenceWords {
  readonly title: Words;
  readonly actors: readonly Words[];
  /** `[from, to, text]`, `[from, to, text, 'lost']`, or `[at, note, tone]`. */
  readonly steps: readonly (
    | readonly [number, number, Words]
    | readonly [number, number, Words, 'lost']
    | readonly [number, Words, 'plain' | 'good' | 'bad' | 'quiet']
  )[];
}

function inLanguage({ title, actors, steps }: SequenceWords, language: Language): Sequence {
  return {
    title: say(title, language),
    actors: actors.map((actor) => say(actor, language)),
    steps: steps.map((step): Step => {
      const [first, second, third] = step;
      if (typeof second !== 'number') return { at: first, note: say(second, language), tone: third as 'plain' };
      return { from: first, to: second, text: say(third as Words, language), lost: step[3] === 'lost' };
    }),
  };
}

const sequences: Readonly<Record<string, SequenceWords>> = {
  gossip: {
    title: ['From a node that is silent to FAIL', '从节点沉默到 FAIL'],
    actors: ['A', 'B', ['C (frozen)', 'C（冻结）'], ["C's replica", 'C 的从节点']],
    steps: [
      [0, 2, 'PING', 'lost'],
      [1, 2, 'PING', 'lost'],
      [0, ['PFAIL for C', 'C 标为 PFAIL'], 'quiet'],
      [1, ['PFAIL for C', 'C 标为 PFAIL'], 'quiet'],
      [1, 0, ['PING + gossip: C is fail?', 'PING + gossip：C 是 fail?']],
      [0, ['2 of 3 masters: FAIL', '3 个主节点中 2 个：FAIL'], 'bad'],
      [0, 1, 'FAIL C'],
      [0, 3, 'FAIL C'],
      [3, ['may start an election', '可以发起选举'], 'plain'],
    ],
  },
  election: {
    title: ['An election', '一次选举'],
    actors: [
      ['replica R of C', 'C 的从节点 R'],
      ['master A', '主节点 A'],
      ['master B', '主节点 B'],
    ],
    steps: [
      [0, ['C is FAIL; wait 500..999 ms + rank', 'C 已 FAIL；等 500..999 ms + 排名'], 'quiet'],
      [0, ['currentEpoch 6 → 7', 'currentEpoch 6 → 7'], 'plain'],
      [0, 1, ['AUTH_REQUEST, epoch 7', 'AUTH_REQUEST，纪元 7']],
      [0, 2, ['AUTH_REQUEST, epoch 7', 'AUTH_REQUEST，纪元 7']],
      [1, ['lastVoteEpoch = 7, saved', 'lastVoteEpoch = 7，落盘'], 'quiet'],
      [1, 0, ['AUTH_ACK', 'AUTH_ACK']],
      [2, 0, ['AUTH_ACK', 'AUTH_ACK']],
      [0, ['master, configEpoch 7', '成为主节点，configEpoch 7'], 'good'],
      [0, 1, ['PONG: my slots, epoch 7', 'PONG：我的槽，纪元 7']],
      [0, 2, ['PONG: my slots, epoch 7', 'PONG：我的槽，纪元 7']],
    ],
  },
  replication: {
    title: ['The acknowledged write that is lost', '已确认却丢失的写'],
    actors: [
      ['client', '客户端'],
      ['master', '主节点'],
      ['replica', '从节点'],
    ],
    steps: [
      [0, 1, 'SET k 1'],
      [1, 0, 'OK'],
      [1, 2, ['SET k 1, offset 100', 'SET k 1，偏移量 100']],
      [0, 1, 'SET k 2'],
      [1, 0, 'OK'],
      [1, 2, ['SET k 2', 'SET k 2'], 'lost'],
      [1, ['crash', '崩溃'], 'bad'],
      [2, ['elected: k is 1', '当选：k 是 1'], 'good'],
      [0, 2, 'GET k'],
      [2, 0, '"1"'],
    ],
  },
  resharding: {
    title: ['One slot moves', '迁移一个槽'],
    actors: [
      ['operator', '运维工具'],
      ['source', '源节点'],
      ['target', '目标节点'],
      ['other masters', '其他主节点'],
    ],
    steps: [
      [0, 2, 'SETSLOT 12182 IMPORTING source'],
      [0, 1, 'SETSLOT 12182 MIGRATING target'],
      [0, 1, 'GETKEYSINSLOT 12182 100'],
      [0, 1, 'MIGRATE ... KEYS a b c'],
      [1, 2, 'RESTORE-ASKING a, b, c'],
      [2, 1, ['OK, then the source deletes', 'OK，然后源节点删除']],
      [0, ['until no key is left', '直到没有键'], 'quiet'],
      [0, 2, 'SETSLOT 12182 NODE target'],
      [2, ['new configEpoch', '新的 configEpoch'], 'good'],
      [0, 1, 'SETSLOT 12182 NODE target'],
      [0, 3, 'SETSLOT 12182 NODE target'],
    ],
  },
  redirects: {
    title: ['MOVED and ASK', 'MOVED 与 ASK'],
    actors: [['client', '客户端'], '127.0.0.1:7002', '127.0.0.1:7000'],
    steps: [
      [0, 1, 'GET foo'],
      [1, 0, 'ASK 12182 127.0.0.1:7000'],
      [0, 2, 'ASKING + GET foo'],
      [2, 0, '"bar"'],
      [0, ['the map stays as it is', '槽映射不变'], 'quiet'],
      [1, ['the slot has moved', '槽已迁走'], 'good'],
      [0, 1, 'GET foo'],
      [1, 0, 'MOVED 12182 127.0.0.1:7000'],
      [0, ['map: 12182 → 7000', '槽映射：12182 → 7000'], 'good'],
      [0, 2, 'GET foo'],
      [2, 0, '"bar"'],
    ],
  },
  persistence: {
    title: ['When a write is on the disk', '写入何时到达磁盘'],
    actors: [
      ['client', '客户端'],
      ['node', '节点'],
      ['kernel', '内核'],
      ['disk', '磁盘'],
    ],
    steps: [
      [0, 1, 'SET k 1'],
      [1, ['memory, AOF buffer', '内存、AOF 缓冲区'], 'quiet'],
      [1, 2, 'write()'],
      [2, 3, ['fsync: always', 'fsync：always']],
      [1, 0, 'OK'],
      [2, 3, ['fsync: everysec, ≤ 1 s later', 'fsync：everysec，晚 ≤ 1 s']],
      [2, 3, ['no: when the kernel likes', 'no：由内核决定']],
    ],
  },
  'client-map': {
    title: ["What corrects the client's slot map", '什么修正客户端的槽映射'],
    actors: [
      ['application', '应用'],
      ['client', '客户端'],
      ['any node', '任一节点'],
      ['owner', '槽的主节点'],
    ],
    steps: [
      [1, 2, 'CLUSTER SLOTS'],
      [2, 1, ['16384 slots → nodes', '16384 个槽 → 节点']],
      [0, 1, 'get("foo")'],
      [1, ['slot 12182 → owner', '槽 12182 → 主节点'], 'quiet'],
      [1, 3, 'GET foo'],
      [3, 1, ['MOVED 12182 new owner', 'MOVED 12182 新主节点']],
      [1, ['patch slot 12182 only', '只改槽 12182'], 'plain'],
      [1, 2, ['CLUSTER SLOTS, once for many MOVED', 'CLUSTER SLOTS，多个 MOVED 只问一次']],
    ],
  },
};

function slots(language: Language): string {
  const word = (english: string, chinese: string): string => say([english, chinese], language);
  const [left, width, y] = [30, 660, 130];
  const shards = [0, 5461, 10923, 16384];
  const xOf = (slot: number): number => left + Math.round((slot / 16384) * width);
  const bars = [0, 1, 2].map((at) => {
    const [start, end] = [xOf(shards[at]!), xOf(shards[at + 1]!)];
    return box(`${shards[at]}-${shards[at + 1]! - 1}`, { x: start, y }, end - start, 'plain', 30);
  });
  const nodes = [0, 1, 2].map((at) => {
    const middle = Math.round((xOf(shards[at]!) + xOf(shards[at + 1]!)) / 2);
    const name = `${word('master', '主节点')} 127.0.0.1:700${at}`;
    return (
      arrow({ x: middle, y: y + 30 }, { x: middle, y: y + 62 }) + box(name, { x: middle - 95, y: y + 62 }, 190, 'quiet')
    );
  });
  const keys = [
    { text: 'user:{42}:cart', tag: '42', slot: 8000, at: 190 },
    { text: 'user:{42}:name', tag: '42', slot: 8000, at: 350 },
    { text: 'foo', tag: 'foo', slot: 12182, at: 590 },
  ].map(({ text, slot, at }) => {
    const top = box(text, { x: at - 70, y: 44 }, 140, 'good');
    return top + arrow({ x: at, y: 70 }, { x: xOf(slot), y });
  });
  const title = word('key → slot → master: CRC16(hash tag) mod 16384', '键 → 槽 → 主节点：CRC16(哈希标签) mod 16384');
  return drawing(title, 720, 232, label(title, { x: 360, y: 26 }, 'h') + [...bars, ...nodes, ...keys].join(''));
}

/** File name below docs/drawings -> SVG. */
export function drawings(): Map<string, string> {
  const files = new Map<string, string>();
  for (const language of ['en', 'zh'] as const) {
    const suffix = language === 'en' ? '' : '.zh';
    files.set(`slots${suffix}.svg`, slots(language));
    for (const [name, words] of Object.entries(sequences))
      files.set(`${name}${suffix}.svg`, sequence(inLanguage(words, language)));
  }
  return files;
}
