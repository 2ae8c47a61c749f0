// Random commands on few keys, valid and not, on the bundled server and on redis-server: equal replies, and equal keys
// in the end. Prints its seed; set RANDOM_SEED to play a run again.

import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { pairForSuite } from './pair.ts';

const rounds = 6;
const commandsPerRound = 1500;

/** `k` a key, `v` a value, `n` a number or what looks like one, `t` a time, `f` a far time, `o` an option; other words stand for themselves. */
const shapes: readonly string[] = [
  'get k',
  'set k v',
  'set k n',
  'set k v o',
  'set k v o o',
  'set k v o t',
  'setnx k v',
  'getset k v',
  'getdel k',
  'getex k',
  'getex k persist',
  'mset k v k v',
  'msetnx k v k v',
  'mget k k k',
  'append k v',
  'strlen k',
  'setrange k n v',
  'getrange k n n',
  'incr k',
  'decr k',
  'incrby k n',
  'decrby k n',
  'incrbyfloat k n',
  'del k',
  'unlink k k',
  'exists k k',
  'touch k',
  'type k',
  'rename k k',
  'renamenx k k',
  'copy k k',
  'copy k k replace',
  'persist k',
  'ttl k',
  'expire k t o',
  'expire k f',
  'pexpire k f o',
  'expireat k n',
  'object encoding k',
  'lcs k k',
  'lcs k k o',
  'lcs k k idx withmatchlen',
  'rpush k v',
  'lpop k',
  'sadd k v',
  'hset k v v',
  'zadd k n v',
  'watch k',
  'unwatch',
  'multi',
  'exec',
  'discard',
  'dbsize',
  'select n',
  'select 0',
  'o k v',
  'get',
  'set k',
];
const keys = ['a', 'b', 'c', 'd', '{t}e'];
const values = ['', 'x', 'hello', '10', '-3', '3.5', 'ohmytext', 'mynewtext', 'y'.repeat(50), '\0\xff'];
const numbers = [
  '0',
  '1',
  '-1',
  '5',
  '10',
  '3.5',
  '1e3',
  'abc',
  '',
  ' 1',
  '+2',
  '007',
  '9223372036854775807',
  '-5',
  '1',
  '2',
];
/** Times that are not valid, or over at once; `far` stands for one that cannot run out while the test runs. */
const times = ['far', 'far', '0', '-1', 'abc', '', '1.5', '9223372036854775807', '-9223372036854775808'];
const options = ['nx', 'xx', 'get', 'keepttl', 'ex', 'px', 'gt', 'lt', 'len', 'foo', 'NX', 'Ex'];

/**
 * The `at`-th far time. Each is another one, in seconds as in milliseconds: which of two is later (NX, GT, LT) then never
 * hangs on the millisecond in which either server was asked.
 */
const far = (at: number): string => String(100_000 + at * 3_000);

/** Seconds left that were looked up on either side of a full one are alike. */
function alike(argv: readonly string[], actual: unknown, expected: unknown): boolean {
  return argv[0] === 'ttl' && Number(actual) > 0 && Math.abs(Number(actual) - Number(expected)) <= 1;
}

function plain(reply: unknown): unknown {
  if (reply instanceof ReplyError) return `-${reply.message}`;
  return Array.isArray(reply) ? reply.map(plain) : reply;
}

describe('random core commands, ours against redis-server', () => {
  const pair = pairForSuite();

  it('answers alike', async () => {
    const seed = Number(process.env['RANDOM_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`      seed ${seed}`);
    const chance = new ManualWorld({ seed });
    const pick = (from: readonly string[]): string => from[Math.floor(chance.random() * from.length)]!;
    const kinds: Readonly<Record<string, readonly string[]>> = {
      k: keys,
      v: values,
      n: numbers,
      o: options,
      t: times,
      f: ['far'],
    };
    let farTimes = 0;
    const wordFor = (word: string): string => {
      const chosen = kinds[word] === undefined ? word : pick(kinds[word]);
      return chosen === 'far' ? far(farTimes++) : chosen;
    };
    const theirs = await RespClient.connect(pair.real!.port);
    const mine = await RespClient.connect(pair.ours!.port);
    try {
      for (let round = 0; round < rounds; round++) {
        const log: string[][] = [];
        for (let at = 0; at < commandsPerRound; at++) {
          log.push(pick(shapes).split(' ').map(wordFor));
        }
        for (const [at, argv] of log.entries()) {
          const expected = plain(await theirs.call(...argv));
          const actual = plain(await mine.call(...argv));
          if (alike(argv, actual, expected)) continue;
          assert.deepEqual(
            actual,
            expected,
            `seed ${seed}, round ${round}: ${log
              .slice(Math.max(0, at - 3), at + 1)
              .map((words) => JSON.stringify(words))
              .join(' ')}`,
          );
        }
        for (const client of [theirs, mine]) {
          await client.call('DISCARD');
          await client.call('SELECT', 0);
        }
        const left = async (client: RespClient): Promise<string[]> =>
          ((await client.call('KEYS', '*')) as string[]).sort();
        assert.deepEqual(await left(mine), await left(theirs));
        await theirs.call('FLUSHALL');
        await mine.call('FLUSHALL');
      }
    } finally {
      theirs.close();
      mine.close();
    }
  });
});
