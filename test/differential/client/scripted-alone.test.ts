// What a client of one server makes of a server that answers oddly or hangs up, on ioredis and on lingcache: outcomes,
// and what the server was asked. The server is scripted, so every run is the same.

import { deepEqual, equal, notDeepEqual } from 'node:assert/strict';
import type { Socket } from 'node:net';
import { bulk, FakeNode } from '../../kit/fake-node.ts';
import { type Face, libraries, outcomeOf, outcomeOfScript } from './harness.ts';

type Options = Readonly<Record<string, unknown>>;

/** What the server says to a command; undefined: the usual. */
type Say = (argv: readonly string[], socket: Socket, node: FakeNode) => string | undefined;

interface Row {
  readonly name: string;
  readonly options?: Options;
  readonly say?: Say;
  readonly act: (client: Face, node: FakeNode) => unknown;
  /** Why the two differ here, if they are meant to. */
  readonly deviation?: string;
}

function usual([name]: readonly string[]): string {
  switch (name) {
    case 'info':
      return bulk('loading:0\r\n');
    case 'exec':
      return '*2\r\n+OK\r\n:1\r\n';
    case 'set':
    case 'incr':
      return '+QUEUED\r\n';
    default:
      return '+OK\r\n';
  }
}

/** Hangs up when asked `word`, the first `times` times. */
function hangUpAt(word: string, times = Number.POSITIVE_INFINITY): Say {
  return ([name], socket, node) => {
    if (name !== word || node.count(word) > times) return undefined;
    socket.destroy();
    return '';
  };
}

const asked = (node: FakeNode): string[] => node.commands.filter((text) => !/^(info|ping)/.test(text));

/** Outcome, the error of each command with it, and what the server heard. */
async function settledOn(node: FakeNode, run: () => Promise<unknown>): Promise<unknown> {
  const outcome = await outcomeOf(() => run().catch(withDetails));
  return [outcome, asked(node)];
}

function withDetails(error: Face): unknown {
  const detail = (one: Face): unknown => [one.name, one.message, one.command];
  return ['rejected', detail(error), error.previousErrors?.map(detail)];
}

const batch = (client: Face): Promise<unknown> =>
  client
    .pipeline()
    .set('a', 1)
    .incr('a')
    .set('b', 1)
    .exec()
    .then((results: [Error | null, unknown][]) =>
      results.map(([error, value]) => (error === null ? value : withDetails(error))),
    );

const mixed = (client: Face): Promise<unknown> =>
  client
    .pipeline()
    .set('x', 1)
    .multi()
    .set('a', 1)
    .incr('a')
    .exec()
    .set('b', 1)
    .exec()
    .then((results: [Error | null, unknown][]) =>
      results.map(([error, value]) => (error === null ? value : withDetails(error))),
    );

const transaction = (client: Face): Promise<unknown> => client.multi().set('a', 1).incr('a').exec();

const rows: readonly Row[] = [
  ...(['exec', 'incr'] as const).map(
    (word): Row => ({
      name: `a transaction whose connection is lost at ${word.toUpperCase()}, again and again`,
      say: hangUpAt(word),
      act: (client, node) => settledOn(node, () => transaction(client)),
    }),
  ),
  {
    name: 'a transaction of which nothing was answered is sent again as a whole',
    say: hangUpAt('multi', 1),
    act: (client, node) => settledOn(node, () => transaction(client)),
  },
  ...(['incr', 'set'] as const).map(
    (word): Row => ({
      name: `a pipeline whose connection is lost at its ${word === 'set' ? 'first' : 'second'} command`,
      say: hangUpAt(word, 1),
      act: (client, node) => settledOn(node, () => batch(client)),
    }),
  ),
  ...(['multi', 'incr', 'exec'] as const).map(
    (word): Row => ({
      name: `a pipeline with a transaction, lost at ${word.toUpperCase()}`,
      say: hangUpAt(word),
      act: (client, node) => settledOn(node, () => mixed(client)),
    }),
  ),
  {
    name: 'single commands around a lost pipeline',
    say: hangUpAt('incr', 1),
    act: (client, node) =>
      settledOn(node, () =>
        Promise.all([client.set('first', 1), batch(client), client.get('last'), client.get('end')]),
      ),
  },
  {
    name: 'EXECABORT: the refusals come along',
    say: ([name]) => {
      if (name === 'set') return '-ERR first\r\n';
      if (name === 'incr') return '-ERR second\r\n';
      return name === 'exec' ? '-EXECABORT Transaction discarded because of previous errors.\r\n' : undefined;
    },
    act: (client, node) => settledOn(node, () => transaction(client)),
  },
];

async function outcomeOn(Redis: Face, row: Row): Promise<{ outcome: unknown; connections: number }> {
  const node = await FakeNode.start(() => undefined);
  node.answer = (argv, socket) => row.say?.(argv, socket, node) ?? usual(argv);
  const client = new Redis({ host: '127.0.0.1', port: node.port, retryStrategy: () => 5, ...row.options });
  client.on('error', () => undefined);
  try {
    await new Promise((resolve) => client.once('ready', resolve));
    const outcome = await outcomeOfScript(() => row.act(client, node));
    return { outcome, connections: node.connections };
  } finally {
    client.options.retryStrategy = null;
    client.disconnect();
    await node.close();
  }
}

describe('one scripted server, with ioredis and with lingcache', () => {
  for (const row of rows) {
    it(row.name, async () => {
      const theirs = await outcomeOn(libraries[0]!.Redis, row);
      const ours = await outcomeOn(libraries[1]!.Redis, row);
      equal(JSON.stringify(ours).includes('never settled'), false);
      if (row.deviation === undefined) deepEqual(ours.outcome, theirs.outcome);
      else notDeepEqual(ours.outcome, theirs.outcome, `no longer differs: ${row.deviation}`);
    });
  }
});
