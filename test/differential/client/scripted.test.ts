// What a cluster client makes of nodes that answer oddly, on ioredis and on lingcache: replies, texts of errors, what
// each node was asked. The nodes are scripted, so every run is the same.

import { deepEqual, notDeepEqual } from 'node:assert/strict';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';
import { until } from '../../kit/until.ts';
import { type Face, libraries, outcomeOf, outcomeOfScript } from './harness.ts';

/** Two masters; the first has every slot up to 8191. */
interface Pair {
  readonly one: FakeNode;
  readonly two: FakeNode;
}

type Argv = readonly string[];
/** What a node says to a user's command; undefined: its argument back. */
type Say = (argv: Argv, pair: Pair) => string | undefined;

interface Row {
  readonly name: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly one: Say;
  readonly two?: Say;
  readonly act: (client: Face, pair: Pair) => unknown;
  /** Why the two differ here, if they are meant to. */
  readonly deviation?: string;
}

/** A key of the first master, and one of the second. */
const [low, high] = ['a1', 'foo'] as const;

/** Says each in turn, and the last for ever; undefined echoes. Each pair of nodes starts anew. */
function inTurn(...texts: (string | undefined)[]): Say {
  const said = new WeakMap<Pair, number>();
  return (_, pair) => {
    const at = said.get(pair) ?? 0;
    said.set(pair, at + 1);
    return texts[Math.min(at, texts.length - 1)];
  };
}

/** Without the readiness check, which ioredis makes of every node. */
const commandsOf = ({ commands }: FakeNode): string[] => commands.filter((text) => text !== 'info');

const asked = ({ one, two }: Pair): unknown => [commandsOf(one), commandsOf(two)];

const rows: readonly Row[] = [
  {
    name: 'MOVED for ever: text and number of attempts',
    options: { maxRedirections: 3 },
    one: (_, { two }) => `-MOVED 1 ${two.key}\r\n`,
    two: (_, { one }) => `-MOVED 1 ${one.key}\r\n`,
    act: async (client, pair) => {
      const outcome = JSON.stringify(await outcomeOf(() => client.get(low)));
      return [outcome.replaceAll(pair.one.key, 'one').replaceAll(pair.two.key, 'two'), asked(pair)];
    },
  },
  {
    name: 'MOVED without redirections',
    options: { maxRedirections: 0 },
    one: (_, { two }) => `-MOVED 1 ${two.key}\r\n`,
    act: async (client, { two }) => JSON.stringify(await outcomeOf(() => client.get(low))).replaceAll(two.key, 'two'),
  },
  {
    name: 'MOVED once',
    one: (_, { two }) => `-MOVED 7186 ${two.key}\r\n`,
    act: async (client, pair) => [await client.get(low), asked(pair)],
  },
  {
    name: 'ASK',
    one: (_, { two }) => `-ASK 7186 ${two.key}\r\n`,
    two: ([name]) => (name === 'asking' ? '+OK\r\n' : undefined),
    act: async (client, pair) => [await client.get(low), await client.get(low), asked(pair)],
  },
  {
    name: 'TRYAGAIN, then an answer',
    options: { retryDelayOnTryAgain: 1 },
    one: inTurn('-TRYAGAIN not yet\r\n', '-TRYAGAIN not yet\r\n', undefined),
    // Where it is tried again is ioredis's dice: any node; here the owner.
    act: (client) => client.get(low),
  },
  {
    name: 'CLUSTERDOWN, then an answer',
    options: { retryDelayOnClusterDown: 1 },
    one: inTurn('-CLUSTERDOWN The cluster is down\r\n', undefined),
    two: inTurn('-CLUSTERDOWN The cluster is down\r\n', undefined),
    act: (client) => client.get(low),
  },
  {
    name: 'an error of the command',
    one: () => '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n',
    act: async (client, pair) => [await outcomeOf(() => client.get(low)), asked(pair)],
  },
  {
    name: 'an error without a code, and one of lower case',
    one: inTurn('-\r\n', '-oops it broke\r\n'),
    act: async (client) => [await outcomeOf(() => client.get(low)), await outcomeOf(() => client.get(low))],
  },
  {
    name: 'a pipeline whose every reply is MOVED',
    one: (_, { two }) => `-MOVED 7186 ${two.key}\r\n`,
    act: async (client, pair) => [await client.pipeline().get(low).get(low).exec(), asked(pair)],
  },
  {
    name: 'a transaction refused by EXECABORT',
    one: ([name]) => {
      if (name === 'multi') return '+OK\r\n';
      return name === 'exec' ? '-EXECABORT Transaction discarded because of previous errors.\r\n' : '-ERR no such\r\n';
    },
    act: (client) => outcomeOf(() => client.multi().get(low).exec()),
  },
  {
    name: 'NOSCRIPT',
    options: { scripts: { twice: { lua: 'return 2', numberOfKeys: 1 } } },
    one: ([name]) => (name === 'evalsha' ? '-NOSCRIPT No matching script.\r\n' : ':2\r\n'),
    act: (client) => client.twice(low),
  },
  {
    name: 'a retry strategy that is called for a cluster that is down',
    options: { lazyConnect: true, clusterRetryStrategy: () => null },
    one: () => undefined,
    act: async (client, { one, two }) => {
      for (const node of [one, two]) node.answer = () => '-LOADING not yet\r\n';
      const outcome = (await outcomeOf(() => client.connect())) as Face;
      return outcome.rejected.message.startsWith('None of startup nodes is available');
    },
  },
  {
    name: 'a cluster whose state is fail',
    deviation: 'connect() rejects when the round has failed; ioredis leaves its promise pending for ever',
    options: { lazyConnect: true, clusterRetryStrategy: () => 10 },
    one: () => undefined,
    act: async (client, { one, two }) => {
      const events: string[] = [];
      for (const name of ['connecting', 'ready', 'close', 'reconnecting']) client.on(name, () => events.push(name));
      let looks = 0;
      for (const node of [one, two]) {
        const usual = node.answer;
        node.answer = (argv, socket) =>
          argv[0] === 'cluster' && argv[1]?.toLowerCase() === 'info' && looks++ === 0
            ? bulk('cluster_state:fail\r\n')
            : usual(argv, socket);
      }
      const first = await outcomeOf(() => client.connect());
      return [first, await client.get(low), events.at(-1)];
    },
  },
  {
    name: 'connect broken off',
    options: { lazyConnect: true },
    one: () => undefined,
    act: async (client) => {
      const connecting = outcomeOf(() => client.connect());
      client.disconnect();
      return connecting;
    },
  },
  {
    name: 'shard channels over slots',
    options: { shardedSubscribers: true },
    one: () => undefined,
    act: async (client) => {
      await client.get(low);
      const { rejected } = (await outcomeOf(() => client.ssubscribe(low, high))) as Face;
      return rejected?.message;
    },
  },
  {
    name: 'retryDelayOnMoved',
    options: { retryDelayOnMoved: 400 },
    one: (_, { two }) => `-MOVED 7785 ${two.key}\r\n`,
    act: async (client) => {
      await client.get(high);
      let followed = false;
      const moved = client.get(low).then((value: unknown) => {
        followed = true;
        return value;
      });
      for (let trips = 0; trips < 5; trips++) await client.get(high);
      return [followed, await moved];
    },
  },
  {
    name: 'slotsRefreshTimeout',
    options: { lazyConnect: true, slotsRefreshTimeout: 40, clusterRetryStrategy: () => null },
    one: () => undefined,
    act: async (client, { one, two }) => {
      const reasons: unknown[] = [];
      client.on('error', (error: Face) => reasons.push(error.lastNodeError.message));
      for (const node of [one, two]) {
        const usual = node.answer;
        node.answer = (argv, socket) => (argv[0] === 'cluster' ? undefined : usual(argv, socket));
      }
      const outcome = (await outcomeOf(() => client.connect())) as Face;
      return [outcome.rejected.message.startsWith('None of startup nodes is available'), reasons];
    },
  },
  {
    name: 'clusterNodeRetryStrategy: a node that comes back',
    options: { clusterNodeRetryStrategy: () => 5 },
    one: () => undefined,
    act: async (client, { two }) => {
      const removed: unknown[] = [];
      await client.get(high);
      client.on('-node', (node: Face) => removed.push(node.options.port === two.port));
      const before = two.connections;
      two.cut();
      await until('another connection', () => two.connections > before);
      return [await client.get(high), removed];
    },
  },
  {
    name: 'retryDelayOnClusterDown 0: CLUSTERDOWN is final',
    options: { retryDelayOnClusterDown: 0 },
    one: ([name]) => (name === 'get' ? '-CLUSTERDOWN The cluster is down\r\n' : undefined),
    act: async (client) => [await outcomeOf(() => client.get(low)), await outcomeOf(() => client.set(low, 1))],
  },
  ...(['CLUSTERDOWN The cluster is down', 'TRYAGAIN Multiple keys'] as const).map(
    (refusal): Row => ({
      name: `maxRedirections bounds refusals too: ${refusal}`,
      options: { maxRedirections: 3, retryDelayOnClusterDown: 2, retryDelayOnTryAgain: 2 },
      one: ([name]) => (name === 'get' ? `-${refusal}\r\n` : undefined),
      // ioredis asks any node the next time.
      two: ([name]) => (name === 'get' ? `-${refusal}\r\n` : undefined),
      act: async (client, { one, two }) => [
        await outcomeOf(() => client.get(low)),
        one.count('get') + two.count('get'),
      ],
    }),
  ),
  {
    name: 'retryDelayOnFailover 0: a loss is final',
    options: { retryDelayOnFailover: 0 },
    one: () => undefined,
    act: async (client, { one, two }) => {
      await Promise.all([client.get(low), client.get(high)]);
      const usual = two.answer;
      two.answer = (argv, socket) => {
        if (argv[0] !== 'get') return usual(argv, socket);
        socket.destroy();
        return '';
      };
      const lost = await outcomeOf(() => client.get(high));
      return [lost, one.count('get') > 0, await client.get(low)];
    },
  },
  ...(['refused', 'hung up on'] as const).map(
    (how): Row => ({
      name: `quit that is ${how}`,
      one: () => undefined,
      act: async (client, { one, two }) => {
        await Promise.all([client.get(low), client.get(high)]);
        for (const node of [one, two]) {
          node.handshake = ([name]) => {
            if (name !== 'quit') return undefined;
            if (how === 'refused') return '-ERR quit failed\r\n';
            node.cut();
            return '';
          };
        }
        const outcome = await outcomeOf(() => client.quit());
        return [outcome, one.count('quit') + two.count('quit')];
      },
    }),
  ),
  ...(['quit', 'disconnect'] as const).map(
    (how): Row => ({
      name: `a node object after its user's ${how}()`,
      one: () => undefined,
      act: async (client, { two }) => {
        await client.get(high);
        const node = client.nodes().find((one: Face) => one.options.port === two.port);
        two.closesOnQuit = true;
        const closed = new Promise((resolve) => node.once('end', resolve));
        const left = how === 'quit' ? await node.quit() : node.disconnect();
        await closed;
        const after = [node.status, await outcomeOf(() => node.get(high)), await outcomeOf(() => node.set(high, 1))];
        const again = [await outcomeOf(() => node.connect()), node.status, await node.get(high)];
        return [left, after, again, await client.get(high), await outcomeOf(() => node.connect())];
      },
    }),
  ),
  {
    name: 'a MOVED whose slot is none',
    one: ([name]) => (name === 'get' ? '-MOVED __proto__ 127.0.0.1:1\r\n' : undefined),
    act: (client) => outcomeOf(() => client.get(low)),
  },
  {
    name: 'CLUSTER SLOTS refused once: events',
    options: { lazyConnect: true, clusterRetryStrategy: () => 10 },
    one: () => undefined,
    act: async (client, { one }) => {
      const events: unknown[] = [];
      for (const name of ['node error', 'error', 'close', 'reconnecting', 'ready'])
        client.on(name, (error: unknown) => events.push([name, error instanceof Error ? error.message : error]));
      const usual = one.answer;
      let refusals = 0;
      one.answer = (argv, socket) =>
        argv[0] === 'cluster' && argv[1]?.toLowerCase() === 'slots' && refusals++ === 0
          ? '-NOPERM this user has no permissions\r\n'
          : usual(argv, socket);
      client.connect().catch(() => undefined);
      return [await client.get(low), events];
    },
  },
  {
    name: 'nobody is there: events',
    options: { lazyConnect: true, clusterRetryStrategy: () => null },
    one: () => undefined,
    act: async (client) => {
      client.startupNodes = [1];
      const events: unknown[] = [];
      for (const name of ['connecting', 'error', 'close', 'reconnecting', 'end'])
        client.on(name, (error: unknown) => events.push([name, error instanceof Error ? error.message : error]));
      const outcomes = await Promise.all([
        outcomeOf(() => client.get(low)),
        outcomeOf(() => client.multi().get(low).exec()),
        outcomeOf(() => client.subscribe('news')),
      ]);
      await until('the end', () => events.length >= 4);
      return [outcomes.map((one: Face) => one.rejected.message ?? one.rejected.fields), events, client.status];
    },
  },
  {
    name: 'nobody is there: a pipeline',
    deviation: 'each command has its error in its place, as in every other pipeline; ioredis rejects the pipeline',
    options: { lazyConnect: true, clusterRetryStrategy: () => null },
    one: () => undefined,
    act: (client) => {
      client.startupNodes = [1];
      return outcomeOf(() => client.pipeline().get(low).exec());
    },
  },
  {
    name: 'no offline queue: before and after ready',
    options: { enableOfflineQueue: false },
    one: () => undefined,
    act: async (client) => {
      const before = await outcomeOf(() => client.get(low));
      if (client.status !== 'ready') await new Promise((resolve) => client.once('ready', resolve));
      return [before, await client.get(low)];
    },
  },
  {
    name: 'slots and nodes',
    one: () => undefined,
    act: async (client, { one, two }) => {
      await client.get(low);
      const known = client.slots.map((keys: string[]) => keys.map((key) => (key === one.key ? 'one' : key)));
      const second = known.slice(8192).every(([key]: string[]) => key === two.key);
      return [known.length, known.slice(0, 8192), second, client.nodes('slave'), client.nodes('master').length];
    },
  },
];

async function pairOf({ one, two }: Row): Promise<Pair> {
  const pair = { one: await FakeNode.start(() => undefined), two: await FakeNode.start(() => undefined) };
  const answerWith =
    (say: Say | undefined): FakeNode['answer'] =>
    (argv) => {
      if (argv[0] === 'cluster') {
        const ranges = [
          { start: 0, end: 8191, nodes: [pair.one] },
          { start: 8192, end: 16383, nodes: [pair.two] },
        ];
        return argv[1]!.toLowerCase() === 'slots' ? slotsReply(ranges) : clusterOk;
      }
      if (argv[0] === 'info') return bulk('loading:0\r\n');
      return say?.(argv, pair) ?? bulk(String(argv[1]));
    };
  pair.one.answer = answerWith(one);
  pair.two.answer = answerWith(two);
  return pair;
}

async function outcomeOn(Cluster: Face, row: Row): Promise<unknown> {
  const pair = await pairOf(row);
  const client = new Cluster([{ host: '127.0.0.1', port: pair.one.port }], row.options ?? {});
  client.on('error', () => undefined);
  try {
    return await outcomeOfScript(() => row.act(client, pair));
  } finally {
    client.options.clusterRetryStrategy = () => null;
    client.disconnect();
    await Promise.all([pair.one.close(), pair.two.close()]);
  }
}

describe('scripted nodes, with ioredis and with lingcache', () => {
  for (const row of rows) {
    it(row.name, async () => {
      const [theirs, ours] = [await outcomeOn(libraries[0]!.Cluster, row), await outcomeOn(libraries[1]!.Cluster, row)];
      if (row.deviation === undefined) deepEqual(ours, theirs);
      else notDeepEqual(ours, theirs, `no longer differs: ${row.deviation}`);
    });
  }
});
