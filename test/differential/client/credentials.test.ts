// Passwords that are missing, wrong or not needed, on ioredis and on lingcache: events, outcomes and warnings.

import { deepEqual, equal, ok } from 'node:assert/strict';
import { bulk, FakeNode } from '../../kit/fake-node.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { until } from '../../kit/until.ts';
import { type Face, libraries } from './harness.ts';

const secret = 'open-sesame';

interface Report {
  readonly events: string[];
  readonly outcome: string;
  readonly warnings: string[];
}

/** Everything until the client is ready, or has been refused twice. */
async function report(Redis: Face, port: number, options: object): Promise<Report> {
  const events: string[] = [];
  const warnings: string[] = [];
  const { warn } = console;
  console.warn = (...args: unknown[]) => warnings.push(args.join(' '));
  const client = new Redis({ port, retryStrategy: () => 5, ...options });
  try {
    for (const name of ['connecting', 'connect', 'ready', 'error', 'close', 'reconnecting', 'end']) {
      client.on(name, (value: unknown) => events.push(value instanceof Error ? `${name} ${value.message}` : name));
    }
    const outcome: string = await client.get('k').then(String, (error: Error) => `rejected ${error.message}`);
    events.push(outcome);
    await until('it is decided', () => client.status === 'ready' || events.filter((one) => one === 'close').length > 1);
    const end = events.includes('ready')
      ? events.length
      : events.indexOf('reconnecting', events.indexOf('reconnecting') + 1);
    return { events: events.slice(0, end === -1 ? events.length : end), outcome, warnings };
  } finally {
    console.warn = warn;
    client.options.retryStrategy = null;
    client.disconnect();
  }
}

const cases: readonly (readonly [name: string, guarded: boolean, options: object])[] = [
  ['no password where one is needed', true, {}],
  ['no password and no ready check', true, { enableReadyCheck: false }],
  ['the right password', true, { password: secret }],
  ['the right password and name', true, { username: 'default', password: secret }],
  ['a wrong password', true, { password: 'wrong' }],
  ['a name without a password', true, { username: 'default' }],
  ['a name with an empty password', true, { username: 'default', password: '' }],
  ['an unknown name', true, { username: 'nobody', password: secret }],
  ['an unknown name without a password', true, { username: 'nobody' }],
  ['an empty password', true, { password: '' }],
  ['a password where none is needed', false, { password: secret }],
  ['a name and a password where none is needed', false, { username: 'default', password: secret }],
  ['a name where no password is needed', false, { username: 'default' }],
  ['an unknown name where no password is needed', false, { username: 'nobody' }],
];

describe('credentials, with ioredis and with lingcache', () => {
  let guarded: RealNode;
  let open: RealNode;
  before(async function () {
    needRedisServer(this);
    [guarded, open] = await Promise.all([startRealNode(['--requirepass', secret]), startRealNode()]);
  });
  after(() => Promise.all([guarded?.stop(), open?.stop()]));

  for (const protocol of [2, 3]) {
    for (const [name, needed, options] of cases) {
      it(`${name}, RESP${protocol}`, async () => {
        const { port } = needed ? guarded : open;
        const [theirs, ours] = [
          await report(libraries[0]!.Redis, port, { protocol, ...options }),
          await report(libraries[1]!.Redis, port, { protocol, ...options }),
        ];
        deepEqual(ours.events, theirs.events);
        equal(ours.outcome, theirs.outcome);
        equal(ours.warnings.length > 0, theirs.warnings.length > 0, 'one warns, the other does not');
        for (const line of ours.warnings) {
          ok(line.startsWith('[WARN] lingcache: '), line);
          ok(!line.includes(secret));
        }
      });
    }
  }

  it('an AUTH of two words that an old server does not know is no reason to stay away', async () => {
    const node = await FakeNode.start(() => undefined);
    node.answer = ([name, ...args]) => {
      if (name === 'auth') return args.length > 1 ? "-ERR wrong number of arguments for 'auth' command\r\n" : '+OK\r\n';
      return name === 'info' ? bulk('loading:0\r\n') : bulk('v');
    };
    try {
      for (const { Redis } of libraries) {
        const { outcome, warnings } = await report(Redis, node.port, { protocol: 2, username: 'me', password: secret });
        deepEqual([outcome, warnings.length], ['v', 1]);
        ok(!warnings.join().includes(secret));
      }
    } finally {
      await node.close();
    }
  });
});
