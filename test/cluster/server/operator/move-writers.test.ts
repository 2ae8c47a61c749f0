import assert from 'node:assert/strict';
import { Cluster, slotOf } from '../../../../lib/index.ts';
import { ClusterOperator, type MoveStatus } from '../../../../server/index.ts';
import { type ConfiguredNode, type Kind, startProcess } from '../../../kit/configured-node.ts';
import { needRedisServer } from '../../../kit/real-cluster.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';
import { chanceFrom } from '../../../unit/server/bus/packet-kit.ts';

// Writers that never stop while their slots go to and fro between our nodes and redis-server, are called off half-way,
// and both ends are killed (kill -9, AOF always) in between. Every acknowledged write is there afterwards, once.

const slots = 6;
const writers = 4;
const keysPerWriter = 10;
/** More of them: `ROUNDS=40 SEED=7 npx mocha ...`. */
const rounds = Number(process.env['ROUNDS'] ?? 4);

const kinds: readonly Kind[] = ['ours', 'real', 'ours'];

async function startMixed(): Promise<ConfiguredNode[]> {
  const settings = {
    'cluster-enabled': 'yes',
    'cluster-node-timeout': '30000',
    appendonly: 'yes',
    appendfsync: 'always',
    'cluster-require-full-coverage': 'no',
  };
  const nodes = await Promise.all(kinds.map((kind) => startProcess(kind, settings)));
  const share = Math.ceil(16_384 / nodes.length);
  for (const [at, node] of nodes.entries()) {
    await node.say('CLUSTER', 'SET-CONFIG-EPOCH', String(at + 1));
    await node.say('CLUSTER', 'ADDSLOTSRANGE', String(at * share), String(Math.min(16_383, (at + 1) * share - 1)));
    if (at > 0) await nodes[0]!.say('CLUSTER', 'MEET', node.host, String(node.port));
  }
  await until('the cluster is ok', async () => {
    const infos = await Promise.all(nodes.map((node) => node.say('CLUSTER', 'INFO')));
    return infos.every((info) => /state:ok[\s\S]+slots_ok:16384/.test(String(info)));
  });
  return nodes;
}

/**
 * Writes ever greater numbers to keys of its own until stopped, one write at a time: what is found at the end lies
 * between the last number acknowledged and the last one sent.
 */
class Writer {
  readonly name: number;
  readonly tags: readonly string[];
  readonly acknowledged = new Map<string, number>();
  readonly sent = new Map<string, number>();
  readonly refusals: string[] = [];
  writes = 0;
  #stopped = false;

  constructor(name: number, tags: readonly string[]) {
    this.name = name;
    this.tags = tags;
  }

  async run(cluster: Cluster, draw: (below: number) => number): Promise<void> {
    while (!this.#stopped) {
      const key = `{${this.tags[draw(this.tags.length)]!}}:${this.name}:${draw(keysPerWriter)}`;
      const number = (this.sent.get(key) ?? 0) + 1;
      this.sent.set(key, number);
      try {
        await cluster.set(key, number);
        this.acknowledged.set(key, number);
        this.writes++;
      } catch (error) {
        this.refusals.push((error as Error).message);
        // A client that refuses at once must not keep everything else from running.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  stop(): void {
    this.#stopped = true;
  }
}

describe('slots on their way under writers, between our nodes and real ones', function () {
  this.timeout(60_000 + rounds * 10_000);
  let nodes: ConfiguredNode[] = [];
  let cluster: Cluster;
  let operator: ClusterOperator;
  let crew: readonly Writer[] = [];
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

  before(async function () {
    needRedisServer(this, 'moves between our nodes and real ones');
    nodes = await startMixed();
    cluster = new Cluster(
      nodes.map(({ host, port }) => ({ host, port })),
      {
        clusterRetryStrategy: () => 50,
        maxRedirections: 500,
        redisOptions: { maxRetriesPerRequest: null, connectTimeout: 2000 },
      },
    );
    cluster.on('error', () => undefined);
    operator = new ClusterOperator({
      seeds: nodes.map(({ host, port }) => ({ host, port })),
      moves: { batch: 7, keysPerSecond: 600, concurrency: 3, retryMs: 20, exchangeMs: 1000 },
    });
  });
  after(async () => {
    for (const writer of crew) writer.stop();
    await operator?.close();
    cluster?.disconnect();
    await Promise.all(nodes.map((node) => node.end()));
  });

  it(`keep every acknowledged write, with cancels and kills among the moves (seed ${seed})`, async () => {
    const draw = chanceFrom(seed);
    const tags: string[] = [];
    for (let at = 0; tags.length < slots; at++)
      if (!tags.some((tag) => slotOf(tag) === slotOf(`t${at}`))) tags.push(`t${at}`);
    crew = Array.from({ length: writers }, (_, at) => new Writer(at, tags));
    const writing = crew.map((writer, at) => writer.run(cluster, chanceFrom(seed + at + 1)));
    await until('most keys were written', () =>
      crew.every(({ acknowledged }) => acknowledged.size > slots * keysPerWriter * 0.8),
    );
    const ids = await Promise.all(nodes.map(async (node) => String(await node.say('CLUSTER', 'MYID'))));
    const outcomes: MoveStatus[] = [];
    for (let round = 0; round < rounds; round++) {
      const slot = slotOf(tags[draw(tags.length)]!);
      const { nodeId } = await operator.monitor.slot(slot);
      const source = ids.indexOf(nodeId!);
      const target = (source + 1 + draw(nodes.length - 1)) % nodes.length;
      const before = JSON.stringify(operator.mover.status(slot));
      const over = operator.mover.move(slot, ids[target]!);
      // Until then nothing is changed, and a node that cannot be asked is a refusal.
      await Promise.race([over, until('it begins', () => JSON.stringify(operator.mover.status(slot)) !== before)]);
      const fate = round % 4;
      if (fate > 0)
        await until('some keys moved', () => operator.mover.progress(slot).moved >= 7 || ended(operator, slot));
      if (fate === 1) void operator.mover.cancel(slot).catch(() => undefined);
      if (fate > 1) {
        const victim = nodes[fate === 2 ? source : target]!;
        await victim.kill();
        await victim.start();
      }
      outcomes.push(await over);
    }
    for (const writer of crew) writer.stop();
    await Promise.all(writing);
    const story = outcomes.map(({ phase, error }) => `${phase}${error === null ? '' : ` (${error})`}`).join(', ');
    assert.ok(
      outcomes.every(({ phase }) => phase === 'done' || phase === 'cancelled'),
      story,
    );
    assert.deepEqual(
      crew.flatMap(({ refusals }) => refusals),
      [],
    );
    await checkKeys(nodes, crew);
    const total = crew.reduce((sum, { writes }) => sum + writes, 0);
    console.log(`      ${total} acknowledged writes; moves: ${story}`);
  });
});

function ended(operator: ClusterOperator, slot: number): boolean {
  return ['done', 'cancelled', 'failed'].includes(operator.mover.status(slot)?.phase ?? '');
}

/** Each key is at exactly one node, and no older than what was acknowledged. */
async function checkKeys(nodes: readonly ConfiguredNode[], crew: readonly Writer[]): Promise<void> {
  const found = new Map<string, string[]>();
  for (const { port } of nodes) {
    const client = await RespClient.connect(port);
    for (const key of (await client.call('KEYS', '*')) as string[])
      found.set(key, [...(found.get(key) ?? []), `${port}`]);
    client.close();
  }
  for (const node of nodes) {
    assert.doesNotMatch(String(await node.say('CLUSTER', 'NODES')), /\[\d+-[<>]-/, 'a slot was left open');
  }
  for (const [key, least] of crew.flatMap(({ acknowledged }) => [...acknowledged])) {
    const places = found.get(key) ?? [];
    assert.equal(places.length, 1, `${key} is at ${places.join(' and ') || 'no node'}`);
    const client = await RespClient.connect(Number(places[0]));
    const value = Number(await client.call('GET', key));
    client.close();
    const most = Math.max(...crew.map(({ sent }) => sent.get(key) ?? 0));
    assert.ok(value >= least && value <= most, `${key} is ${value}, acknowledged ${least}, sent ${most}`);
  }
}
