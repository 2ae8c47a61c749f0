// Every parameter beside redis-server: the same values are taken, refused with the same words, and shown the same way.

import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { Config } from '../../../server/config/config.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';

/**
 * Parameters whose setting does something to the process that is compared with (it listens elsewhere, needs files or
 * rights of the system, starts a log), so that its answer is not about the value alone.
 */
const effective = new Set([
  'bind',
  'port',
  'dir',
  'appendonly',
  'maxclients',
  'oom-score-adj',
  'watchdog-period',
  'unixsocket',
  'logfile',
  'pidfile',
  'requirepass',
]);

const values = [
  ...['', ' ', '0', '1', '-1', '2', '10', '99', '100', '101', '1000', '1023', '1024', '1048575', '1048576'],
  ...['65535', '65536', '70000', '2147483647', '2147483648', '-2147483648', '-2147483649', '4294967295', '4294967296'],
  ...['9223372036854775807', '9223372036854775808', '18446744073709551615', '18446744073709551616'],
  ...['-9223372036854775808', '99999999999999999999999', '007', '+5', ' 5', '5 ', '1.5', '1e3', '0x10', '-0'],
  ...['1k', '1kb', '1KB', '2mb', '1gb', '1g', '1m', '1b', '1tb', 'kb', '-1kb', '1 kb', '9999999999gb', '100%', '101%'],
  ...[
    '0%',
    '-5%',
    '10%',
    '%',
    'yes',
    'no',
    'YES',
    'No',
    'true',
    'on',
    'abc',
    'a b',
    'a,b',
    'a_b',
    'a.b-c',
    'a/b',
    '../x',
  ],
  ...['a'.repeat(255), 'a'.repeat(256), 'a\nb', '{title}', '{nope}', '{', '{{', '{title', '}'],
  ...[
    'noeviction',
    'allkeys-lru',
    'Volatile-TTL',
    'always',
    'everysec',
    'notice',
    'swapdb',
    'ip',
    'hostname',
    'relative',
  ],
  ...['default', 'save', 'nosave', 'save now', 'save nosave', 'now force save', 'default now', 'nosave  now', 'SAVE'],
  ...['900 1', '900 1 300', '0 1', '1 0', '1 -1', '900 1 300 10', '900  1', 'a b c', '99999999999 1', '1 4294967297'],
  ...[
    'pubsub 1 2 3',
    'slave 1mb 2mb 60',
    'replica 1 1 -1',
    'PubSub 1k 1k 5',
    'master 1 1 1',
    'pubsub 1 2',
    'pubsub a 1 1',
  ],
  ...['KEA', 'Kg$', 'An', 'AKEm', 'g$lshzxet', 'g$lshzxetdn', 'Q', 'Kx ', 'nK', 'Ed'],
  ...['0 200 800', '-2000 0 2000', '-2001 0 1', '1 2', '1 2 3 4', 'a 1 2', '0  1'],
  ...['50', '50 99', '50.0 99.00 99.9', '100.1', '-1', '0', 'nan', 'inf', '50,99', '12.3456789'],
  ...['local', 'upstart', 'local3', '0777', '777', '778', '888', '1777'],
];

interface Answer {
  readonly reply: string;
  readonly shown: string;
}

/** What each of the two says to the same sets; afterwards the parameter is as it was. */
class Comparison {
  readonly config = new Config();
  readonly #client: RespClient;
  readonly #defaults = new Map<string, string>();

  constructor(client: RespClient) {
    this.#client = client;
  }

  /** Parameters that both have, by their present and older names. */
  async names(): Promise<string[]> {
    const all = (await this.#client.call('CONFIG', 'GET', '*')) as string[];
    for (let at = 0; at < all.length; at += 2) this.#defaults.set(String(all[at]), String(all[at + 1]));
    const hidden = [
      'key-load-delay',
      'rdb-key-save-delay',
      'use-exit-on-panic',
      'loading-process-events-interval-bytes',
    ];
    for (const name of hidden)
      this.#defaults.set(name, String(((await this.#client.call('CONFIG', 'GET', name)) as string[])[1]));
    return [...this.#defaults.keys()];
  }

  async ask(name: string, value: string): Promise<{ real: Answer; ours: Answer }> {
    const usual = this.#defaults.get(name)!;
    const bytes = Buffer.from(value, 'latin1');
    const calls = [
      this.#client.call('CONFIG', 'SET', name, bytes),
      this.#client.call('CONFIG', 'GET', name),
      this.#client.call('CONFIG', 'SET', name, usual),
    ];
    const [reply, shown] = await Promise.all(calls);
    const real = { reply: reply instanceof ReplyError ? reply.message : 'OK', shown: String((shown as string[])[1]) };
    this.#putBack(name, usual);
    const why = this.config.set([[name, value]]);
    const ours = { reply: why === undefined ? 'OK' : `ERR ${why}`, shown: [...this.config.match([name]).values()][0]! };
    this.#putBack(name, usual);
    return { real, ours };
  }

  /** Ours has other defaults for a few. */
  #putBack(name: string, usual: string): void {
    this.config.put(name, usual);
  }
}

function compare(name: string, value: string, { real, ours }: { real: Answer; ours: Answer }, wrong: string[]): void {
  if (real.reply === ours.reply && (real.reply !== 'OK' || real.shown === ours.shown)) return;
  wrong.push(`${name} ${JSON.stringify(value)}: ${JSON.stringify(real)}, ours ${JSON.stringify(ours)}`);
}

describe('parameters beside redis-server', function () {
  this.timeout(600_000);
  let real: RealNode | undefined;
  let client: RespClient;
  let comparison: Comparison;
  let names: string[];

  before(async function () {
    needRedisServer(this);
    real = await startRealNode(['--enable-protected-configs', 'no']);
    client = await RespClient.connect(real.port);
    comparison = new Comparison(client);
    names = await comparison.names();
  });
  after(async () => {
    client?.close();
    await real?.stop();
  });

  const compared = (): string[] => names.filter((name) => !effective.has(name) && !name.startsWith('tls-'));

  it('are the same ones', () => {
    const ours = new Set(comparison.config.match(['*']).keys());
    // What this server was compiled with decides whether it knows TLS.
    const missing = names.filter((name) => !comparison.config.knows(name));
    assert.deepEqual(missing, []);
    assert.deepEqual(
      [...ours].filter((name) => !names.includes(name) && !name.startsWith('tls-')),
      [],
    );
    assert.ok(names.length > 190, `${names.length} names`);
  });

  it('take and refuse a list of values with the same words', async () => {
    const wrong: string[] = [];
    let taken = 0;
    for (const name of compared()) {
      for (const value of values) {
        const answers = await comparison.ask(name, value);
        if (answers.real.reply === 'OK') taken++;
        compare(name, value, answers, wrong);
      }
    }
    assert.deepEqual(wrong.slice(0, 40), [], `${wrong.length} differ`);
    assert.ok(taken > 1000, `only ${taken} were taken`);
  });

  it('take and refuse random values with the same words', async () => {
    const runs = Number(process.env['PARAMETER_RUNS'] ?? 3000);
    const seed = Number(process.env['PARAMETER_SEED'] ?? 1);
    const world = new ManualWorld({ seed });
    const pick = <T>(list: readonly T[]): T => list[Math.floor(world.random() * list.length)]!;
    const wrong: string[] = [];
    const all = compared();
    for (let run = 0; run < runs; run++) {
      const name = pick(all);
      const value = randomValue(pick, world);
      // Limits of this very connection.
      if (/normal/i.test(value)) continue;
      compare(name, value, await comparison.ask(name, value), wrong);
    }
    assert.deepEqual(wrong.slice(0, 40), [], `${wrong.length} of ${runs} differ (PARAMETER_SEED=${seed})`);
  });

  it('are set several at once, all or none', async () => {
    const sets = [
      ['hz', '20', 'timeout', '60', 'hash-max-listpack-entries', '7'],
      ['hz', '20', 'timeout', 'x', 'hash-max-listpack-entries', '7'],
      ['hz', '20', 'port-of-call', '1'],
      ['hz', '20', 'databases', '3', 'nothing', '1'],
      ['nothing', '1', 'databases', '3'],
      ['HZ', '20', 'hz', '30'],
      ['slave-priority', '5', 'replica-priority', '6'],
      ['Hash-Max-Ziplist-Entries', '-1'],
      ['databases', '1'],
      ['dbfilename', 'x'],
      ['timeout', '10', 'maxmemory-policy', 'allkeys-lfu', 'lfu-log-factor', '0', 'maxmemory-samples', '0'],
    ];
    const shown = ['hz', 'timeout', 'hash-max-listpack-entries', 'slave-priority', 'maxmemory-policy'];
    for (const words of sets) {
      const reply = await client.call('CONFIG', 'SET', ...words);
      const pairs = Array.from({ length: words.length / 2 }, (_, at): [string, string] => [
        words[2 * at]!,
        words[2 * at + 1]!,
      ]);
      const why = comparison.config.set(pairs);
      const expected = reply instanceof ReplyError ? reply.message : undefined;
      assert.equal(why === undefined ? undefined : `ERR ${why}`, expected, words.join(' '));
      for (const name of shown) {
        const got = (await client.call('CONFIG', 'GET', name)) as string[];
        assert.equal(comparison.config.get(name), String(got[1]), `${name} after ${words.join(' ')}`);
      }
    }
  });

  it('are found by patterns', async () => {
    const patterns = [
      ['*max-*-entries'],
      ['hz', 'TIMEOUT'],
      ['H[zy]'],
      ['nothing'],
      ['slave-*', 'hz'],
      ['key-load-delay'],
      ['key-load-*'],
      ['?z'],
    ];
    for (const pattern of patterns) {
      const reply = (await client.call('CONFIG', 'GET', ...pattern)) as string[];
      const found = reply.map(String).filter((_, at) => at % 2 === 0);
      assert.deepEqual([...comparison.config.match(pattern).keys()].sort(), found.sort(), pattern.join(' '));
    }
  });
});

const pieces = [
  '0',
  '1',
  '9',
  '-',
  '+',
  ' ',
  'k',
  'kb',
  'MB',
  'g',
  '%',
  '.',
  'e',
  'yes',
  'no',
  'slave',
  'pubsub',
  'a',
  '\0',
  '\xff',
  'save',
  'now',
  '{',
  '}',
  'title',
  'K',
  'E',
  '$',
];

function randomValue(pick: <T>(list: readonly T[]) => T, world: ManualWorld): string {
  const base = world.random() < 0.5 ? pick(values) : '';
  const count = Math.floor(world.random() * 5);
  let text = base;
  for (let at = 0; at < count; at++) {
    const place = Math.floor(world.random() * (text.length + 1));
    text = text.slice(0, place) + pick(pieces) + text.slice(place + (world.random() < 0.3 ? 1 : 0));
  }
  return text;
}
