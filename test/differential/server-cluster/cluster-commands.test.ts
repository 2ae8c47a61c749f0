import assert from 'node:assert/strict';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type BundledNode, startNode } from '../../../server/index.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { until } from '../../kit/until.ts';

// The same script on two of our nodes and on two redis-server nodes: equal replies, word for word. Ids and ports are
// written as $A, $B (ids) and $a, $b (ports), on the way in and on the way out.

type Row = readonly [node: 'a' | 'b', ...argv: string[]];

interface Pair {
  readonly clients: Readonly<Record<'a' | 'b', RespClient>>;
  readonly names: readonly (readonly [token: string, text: string])[];
}

async function pairOf(ports: readonly [number, number]): Promise<Pair> {
  const [a, b] = await Promise.all(ports.map((port) => RespClient.connect(port)));
  const ids = await Promise.all([a!, b!].map((client) => client.call('CLUSTER', 'MYID')));
  const names = [
    ['$A', String(ids[0])],
    ['$B', String(ids[1])],
    ['$a', String(ports[0])],
    ['$b', String(ports[1])],
  ] as const;
  return { clients: { a: a!, b: b! }, names };
}

async function run(pair: Pair, [node, ...argv]: Row): Promise<unknown> {
  const words = argv.map((word) => pair.names.reduce((text, [token, name]) => text.replaceAll(token, name), word));
  return normalized(await pair.clients[node].call(...words), pair);
}

function normalized(reply: unknown, pair: Pair): unknown {
  if (reply instanceof ReplyError) return `-${normalized(reply.message, pair)}`;
  if (typeof reply === 'string') return pair.names.reduce((text, [token, name]) => text.replaceAll(name, token), reply);
  if (typeof reply === 'number') return pair.names.find(([, name]) => name === String(reply))?.[0] ?? reply;
  if (reply instanceof Map) return [...reply].map((entry) => normalized(entry, pair));
  return Array.isArray(reply) ? reply.map((item) => normalized(item, pair)) : reply;
}

const allSlots = ['0', '16383'];
const other = 'f'.repeat(40);

const alone: readonly Row[] = [
  ['a', 'CLUSTER'],
  ['a', 'CLUSTER', 'NOSUCH'],
  ['a', 'CLUSTER', 'KEYSLOT'],
  ['a', 'CLUSTER', 'KEYSLOT', 'foo'],
  ['a', 'FAILOVER'],
  ['a', 'FAILOVER', 'ABORT'],
  ['a', 'CLUSTER', 'KEYSLOT', '{a{b}c'],
  ['a', 'CLUSTER', 'MYID'],
  ['a', 'CLUSTER', 'MYID', 'x'],
  ['a', 'GET', 'foo'],
  ['a', 'MGET', 'foo', 'bar'],
  ['a', 'CLUSTER', 'SLOTS'],
  ['a', 'CLUSTER', 'SHARDS'],
  ['a', 'CLUSTER', 'LINKS'],
  ['a', 'CLUSTER', 'ADDSLOTS'],
  ['a', 'CLUSTER', 'ADDSLOTS', 'x'],
  ['a', 'CLUSTER', 'ADDSLOTS', '16384'],
  ['a', 'CLUSTER', 'ADDSLOTS', '-1'],
  ['a', 'CLUSTER', 'ADDSLOTS', '1', '1'],
  ['a', 'CLUSTER', 'ADDSLOTS', '1', '2', '5'],
  ['a', 'CLUSTER', 'ADDSLOTS', '3', '5'],
  ['a', 'CLUSTER', 'SLOTS'],
  ['a', 'CLUSTER', 'DELSLOTS', '3'],
  ['a', 'CLUSTER', 'DELSLOTS', '1', '1'],
  ['a', 'CLUSTER', 'DELSLOTS', '1'],
  ['a', 'CLUSTER', 'ADDSLOTSRANGE', '5'],
  ['a', 'CLUSTER', 'ADDSLOTSRANGE', '5', '1'],
  ['a', 'CLUSTER', 'ADDSLOTSRANGE', '10', '20', '15', '30'],
  ['a', 'CLUSTER', 'ADDSLOTSRANGE', '10', '20', '30', 'x'],
  ['a', 'CLUSTER', 'DELSLOTSRANGE', '100', '200'],
  ['a', 'CLUSTER', 'DELSLOTSRANGE', '2', '2', '5', '5'],
  ['a', 'CLUSTER', 'ADDSLOTSRANGE', ...allSlots],
  ['a', 'CLUSTER', 'FLUSHSLOTS'],
  ['a', 'CLUSTER', 'SLOTS'],
  ['a', 'CLUSTER', 'SETSLOT', '1'],
  ['a', 'CLUSTER', 'SETSLOT', 'x', 'STABLE'],
  ['a', 'CLUSTER', 'SETSLOT', '1', 'MIGRATING', other],
  ['a', 'CLUSTER', 'SETSLOT', '1', 'IMPORTING', other],
  ['a', 'CLUSTER', 'SETSLOT', '1', 'NODE', other],
  ['a', 'CLUSTER', 'SETSLOT', '1', 'STABLE'],
  ['a', 'CLUSTER', 'SETSLOT', '1', 'STABLE', other],
  ['a', 'CLUSTER', 'SETSLOT', '1', 'NOSUCH', other],
  ['a', 'CLUSTER', 'SETSLOT', '1', 'NODE'],
  ['a', 'CLUSTER', 'COUNTKEYSINSLOT', 'x'],
  ['a', 'CLUSTER', 'COUNTKEYSINSLOT', '16384'],
  ['a', 'CLUSTER', 'COUNTKEYSINSLOT', '-1'],
  ['a', 'CLUSTER', 'COUNTKEYSINSLOT', '1'],
  ['a', 'CLUSTER', 'GETKEYSINSLOT', '1'],
  ['a', 'CLUSTER', 'GETKEYSINSLOT', 'x', '1'],
  ['a', 'CLUSTER', 'GETKEYSINSLOT', '1', 'x'],
  ['a', 'CLUSTER', 'GETKEYSINSLOT', '1', '-1'],
  ['a', 'CLUSTER', 'GETKEYSINSLOT', '16384', '1'],
  ['a', 'CLUSTER', 'GETKEYSINSLOT', '1', '1'],
  ['a', 'CLUSTER', 'MEET', '127.0.0.1'],
  ['a', 'CLUSTER', 'MEET', '127.0.0.1', 'abc'],
  ['a', 'CLUSTER', 'MEET', '127.0.0.1', '7000', 'x'],
  ['a', 'CLUSTER', 'MEET', '999.1.1.1', '1'],
  ['a', 'CLUSTER', 'MEET', 'localhost', '7000'],
  ['a', 'CLUSTER', 'MEET', '127.0.0.1', '0'],
  ['a', 'CLUSTER', 'MEET', '127.0.0.1', '65000'],
  ['a', 'CLUSTER', 'FORGET', other],
  ['a', 'CLUSTER', 'FORGET', '$A'],
  ['a', 'CLUSTER', 'REPLICATE', other],
  ['a', 'CLUSTER', 'REPLICATE', '$A'],
  ['a', 'CLUSTER', 'REPLICAS', other],
  ['a', 'CLUSTER', 'REPLICAS', '$A'],
  ['a', 'CLUSTER', 'SLAVES', other],
  ['a', 'CLUSTER', 'COUNT-FAILURE-REPORTS', other],
  ['a', 'CLUSTER', 'COUNT-FAILURE-REPORTS', '$A'],
  ['a', 'CLUSTER', 'FAILOVER'],
  ['a', 'CLUSTER', 'FAILOVER', 'NOSUCH'],
  ['a', 'CLUSTER', 'FAILOVER', 'FORCE', 'x'],
  ['a', 'CLUSTER', 'RESET', 'NOSUCH'],
  ['a', 'CLUSTER', 'RESET', 'SOFT', 'x'],
  ['a', 'CLUSTER', 'RESET', 'SOFT'],
  ['a', 'CLUSTER', 'SET-CONFIG-EPOCH', 'x'],
  ['a', 'CLUSTER', 'SET-CONFIG-EPOCH', '-1'],
  ['a', 'CLUSTER', 'SET-CONFIG-EPOCH', '3'],
  ['a', 'CLUSTER', 'SET-CONFIG-EPOCH', '4'],
  ['a', 'CLUSTER', 'BUMPEPOCH'],
  ['a', 'CLUSTER', 'SAVECONFIG'],
  ['a', 'ASKING'],
  ['a', 'READONLY'],
  ['a', 'READWRITE'],
  ['a', 'SELECT', '1'],
  ['a', 'SELECT', '0'],
  ['a', 'RESTORE', 'foo', '0', 'junk'],
];

// Node a has foo's slot (12182) and bar's (5061); b joins with nothing and takes foo's slot over, key by key.
const together: readonly Row[] = [
  ['a', 'SET', 'foo', '1'],
  ['b', 'GET', 'foo'],
  ['b', 'MULTI'],
  ['b', 'GET', 'foo'],
  ['b', 'EXEC'],
  ['a', 'MGET', 'foo', 'bar'],
  ['a', 'CLUSTER', 'SETSLOT', '12182', 'MIGRATING', '$A'],
  ['b', 'CLUSTER', 'SETSLOT', '12182', 'MIGRATING', '$A'],
  ['a', 'CLUSTER', 'SETSLOT', '12182', 'IMPORTING', '$B'],
  ['b', 'CLUSTER', 'SETSLOT', '12182', 'IMPORTING', '$A'],
  ['a', 'CLUSTER', 'SETSLOT', '12182', 'MIGRATING', '$B'],
  ['a', 'GET', 'foo'],
  ['a', 'GET', '{foo}2'],
  ['a', 'SET', '{foo}2', 'x'],
  ['a', 'MGET', 'foo', '{foo}2'],
  ['a', 'MGET', '{foo}2', '{foo}3'],
  ['a', 'ASKING'],
  ['a', 'GET', '{foo}2'],
  ['b', 'GET', '{foo}2'],
  ['b', 'ASKING'],
  ['b', 'GET', '{foo}2'],
  ['b', 'GET', '{foo}2'],
  ['b', 'ASKING'],
  ['b', 'SET', '{foo}2', 'two'],
  ['b', 'ASKING'],
  ['b', 'MGET', 'foo', '{foo}2'],
  ['b', 'ASKING'],
  ['b', 'MGET', '{foo}2', '{foo}2'],
  ['b', 'ASKING'],
  ['b', 'MULTI'],
  ['b', 'GET', '{foo}2'],
  ['b', 'EXEC'],
  ['a', 'MULTI'],
  ['a', 'GET', '{foo}2'],
  ['a', 'EXEC'],
  ['a', 'SET', 'gone', 'x', 'PX', '1'],
  ['a', 'MIGRATE', '127.0.0.1', '$b', '', '0', '1000', 'KEYS', 'nosuch{foo}'],
  ['a', 'MIGRATE', '127.0.0.1', '$b', 'foo', '0', '1000', 'KEYS', 'foo'],
  ['a', 'MIGRATE', '127.0.0.1', '$b', 'foo', '0', 'x'],
  ['a', 'MIGRATE', '127.0.0.1', '$b', 'foo', '0', '1000', 'NOSUCH'],
  ['a', 'MIGRATE', '127.0.0.1', '$b', 'foo', '0', '1000', 'AUTH'],
  ['a', 'MIGRATE', '127.0.0.1', '1', 'foo', '0', '1000'],
  ['a', 'MIGRATE', '127.0.0.1', '$b', 'foo', '7', '1000'],
  ['a', 'SET', 'foo{foo}', 'x'],
  // Long enough for a busy machine. A key that stayed behind would be refused below, or not, as the bus is slow or quick.
  ['a', 'MIGRATE', '127.0.0.1', '$b', 'foo', '0', '20000'],
  ['a', 'MIGRATE', '127.0.0.1', '$b', 'foo', '0', '20000', 'REPLACE'],
  ['a', 'MIGRATE', '127.0.0.1', '$b', 'foo', '0', '20000'],
  ['a', 'GET', 'foo'],
  ['b', 'ASKING'],
  ['b', 'GET', 'foo'],
  ['a', 'CLUSTER', 'COUNTKEYSINSLOT', '12182'],
  ['b', 'CLUSTER', 'GETKEYSINSLOT', '12182', '1'],
  ['b', 'CLUSTER', 'GETKEYSINSLOT', '12182', '10'],
  ['a', 'SPUBLISH', 'foo', 'x'],
  ['b', 'SPUBLISH', 'foo', 'x'],
  ['b', 'CLUSTER', 'SETSLOT', '12182', 'NODE', '$B'],
  ['a', 'CLUSTER', 'SETSLOT', '12182', 'NODE', '$B'],
  ['a', 'GET', 'foo'],
  ['b', 'GET', 'foo'],
  ['a', 'CLUSTER', 'SLOTS'],
  ['b', 'CLUSTER', 'SLOTS'],
  ['b', 'CLUSTER', 'SETSLOT', '12182', 'NODE', '$A'],
  ['b', 'CLUSTER', 'REPLICATE', '$A'],
  ['b', 'CLUSTER', 'RESET'],
  ['b', 'CLUSTER', 'FLUSHSLOTS'],
  ['a', 'CLUSTER', 'SET-CONFIG-EPOCH', '9'],
  ['b', 'CLUSTER', 'FAILOVER'],
  ['a', 'CLUSTER', 'REPLICAS', '$B'],
  ['b', 'DEL', 'foo', '{foo}2'],
  ['b', 'CLUSTER', 'SETSLOT', '12182', 'NODE', '$A'],
];

describe('CLUSTER and redirects, our nodes against redis-server', function () {
  this.timeout(30_000);
  let ours: BundledNode[] = [];
  let real: RealNode[] = [];
  let pairs: Pair[] = [];

  before(async function () {
    needRedisServer(this);
    const flags = [
      '--cluster-enabled',
      'yes',
      '--cluster-node-timeout',
      '5000',
      '--cluster-allow-replica-migration',
      'no',
    ];
    real = await Promise.all([startRealNode(flags), startRealNode(flags)]);
    const config = { 'cluster-node-timeout': '5000', 'cluster-allow-replica-migration': 'no' };
    ours = await Promise.all([startNode({ cluster: true, config }), startNode({ cluster: true, config })]);
    pairs = await Promise.all([ours, real].map(([a, b]) => pairOf([a!.port, b!.port])));
  });

  after(async () => {
    for (const { clients } of pairs) for (const client of Object.values(clients)) client.close();
    await Promise.all([...ours.map((node) => node.kill()), ...real.map((node) => node.stop())]);
  });

  async function compare(rows: readonly Row[]): Promise<void> {
    for (const row of rows) {
      const [mine, theirs] = await Promise.all(pairs.map((pair) => run(pair, row)));
      assert.deepEqual(mine, theirs, row.join(' '));
    }
  }

  it('a node on its own answers and refuses alike', () => compare(alone));

  it('two nodes move a slot alike', async () => {
    await compare([
      ['a', 'CLUSTER', 'ADDSLOTSRANGE', ...allSlots],
      ['b', 'CLUSTER', 'MEET', '127.0.0.1', '$a'],
    ]);
    for (const pair of pairs) {
      await until('a cluster of two', async () => {
        const infos = await Promise.all(Object.values(pair.clients).map((client) => client.call('CLUSTER', 'INFO')));
        return infos.every((info) => /cluster_state:ok/.test(String(info)) && /known_nodes:2/.test(String(info)));
      });
    }
    await compare(together);
  });

  it('CLUSTER INFO and NODES have the same fields', async () => {
    const [mine, theirs] = await Promise.all(
      pairs.map(async (pair) => {
        const info = String(await pair.clients.a.call('CLUSTER', 'INFO'));
        const nodes = String(normalized(await pair.clients.a.call('CLUSTER', 'NODES'), pair));
        const names = info.split('\r\n').map((line) => line.split(':')[0]!);
        return {
          info: names.filter((name) => !name.includes('messages')),
          nodes: nodes
            .trimEnd()
            .split('\n')
            .sort()
            .map((line) => line.replace(/ \d+ \d+ (\d+ )/, ' ping pong $1').replace(/@\d+/, '@bus')),
          ends: nodes.at(-1),
        };
      }),
    );
    assert.deepEqual(mine, theirs);
  });
});
