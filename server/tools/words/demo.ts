// `lingcache demo`: the guided tour. Starts a cluster, writes and reads 10,000 keys in cross-slot pipelines, moves
// slots while a reader goes on, measures what a redirect costs, checks every value and leaves nothing behind.

import { RealWorld } from '../../../lib/base/world.ts';
import { Cluster, slotOf } from '../../../lib/index.ts';
import { startCluster } from '../../index.ts';
import { ClusterLink, type MovingNode } from '../../operator/link/cluster-link.ts';
import { SlotMove } from '../../operator/reshard/slot-move.ts';
import { defineWord, type Word } from '../cli/word.ts';
import { startRealCluster } from '../real-cluster.ts';
import { latenciesOf, milliseconds, perSecond, table } from '../report.ts';

const keyCount = 10_000;
const batchSize = 1_000;
const movedSlots = 200;
const calls = 400;
const shards = { masters: 3, replicas: 1 };

interface Stage {
  readonly title: string;
  readonly seeds: readonly { readonly host: string; readonly port: number }[];
  close(): Promise<void>;
}

/** Counts what was compared, so that the last line of the report rests on something. */
class Ledger {
  checked = 0;
  wrong: string[] = [];

  check(key: string, value: unknown, expected: unknown): void {
    this.checked++;
    if (value !== expected) this.wrong.push(`${key}: expected ${String(expected)}, got ${String(value)}`);
  }
}

export const demo: Word = defineWord({
  name: 'demo',
  arguments: [],
  options: {
    real: { kind: 'flag', help: 'on redis-server nodes started for it, instead of bundled ones' },
  },
  run: ({ options, out }) =>
    runDemo(
      options.real,
      (text = '') => out.line(text),
      (value) => out.answer(value),
    ),
});

let say: (text?: string) => void = () => undefined;

/** Resolves with the exit code: 0 when every value was right. */
async function runDemo(real: boolean, write: typeof say, answer: (value: unknown) => void): Promise<number> {
  say = write;
  const started = performance.now();
  const stage = await raise(real);
  say(`lingcache demo on ${stage.title}, ready in ${milliseconds(performance.now() - started)}`);
  const cluster = new Cluster([...stage.seeds]);
  const link = new ClusterLink({ seeds: stage.seeds, world: new RealWorld() });
  const ledger = new Ledger();
  try {
    await cluster.ping();
    showTopology(cluster);
    await writeAndRead(cluster, ledger);
    await moveUnderLoad(cluster, link, ledger);
    await measureRedirects(cluster, link);
  } finally {
    link.close();
    await cluster.quit().catch(() => cluster.disconnect());
    await stage.close();
  }
  answer({ checked: ledger.checked, wrong: ledger.wrong.length });
  return conclude(ledger, performance.now() - started);
}

async function raise(real: boolean): Promise<Stage> {
  if (real) {
    const cluster = await startRealCluster(shards.masters, shards.replicas);
    return {
      title: '6 redis-server processes (3 masters, 3 replicas)',
      seeds: cluster.seeds,
      close: () => cluster.close(),
    };
  }
  const bundled = await startCluster(shards);
  return {
    title: '6 bundled nodes (3 masters, 3 replicas, this process)',
    seeds: bundled.seeds,
    close: () => bundled.close(),
  };
}

function showTopology(cluster: Cluster): void {
  const shardRows = new Map<string, { start: number; end: number; replicas: string[] }>();
  cluster.slots.forEach(([master, ...replicas], slot) => {
    const row = shardRows.get(master!);
    if (row === undefined) shardRows.set(master!, { start: slot, end: slot, replicas });
    else row.end = slot;
  });
  const rows = [...shardRows].map(([master, { start, end, replicas }]) => [
    master,
    `${start}-${end}`,
    replicas.join(', ') || '-',
  ]);
  say(`\n${table(['master', 'slots', 'replicas'], rows)}`);
}

const keyOf = (index: number): string => `demo:${index}`;
const wordOf = (index: number): string => `value ${index}`;

async function writeAndRead(cluster: Cluster, ledger: Ledger): Promise<void> {
  const writing = performance.now();
  await inBatches(
    cluster,
    (chain, index) => chain.set(keyOf(index), wordOf(index)),
    (index, reply) => ledger.check(keyOf(index), reply, 'OK'),
  );
  const reading = performance.now();
  await inBatches(
    cluster,
    (chain, index) => chain.get(keyOf(index)),
    (index, reply) => ledger.check(keyOf(index), reply, wordOf(index)),
  );
  const done = performance.now();
  const count = keyCount.toLocaleString('en');
  say(
    `\nwrote ${count} keys over all slots, pipelines of ${batchSize.toLocaleString('en')}: ${perSecond(keyCount, reading - writing)} writes/s`,
  );
  say(`read ${count} keys back the same way: ${perSecond(keyCount, done - reading)} reads/s`);
}

type Chain = ReturnType<Cluster['pipeline']>;

async function inBatches(
  cluster: Cluster,
  add: (chain: Chain, index: number) => unknown,
  check: (index: number, reply: unknown) => void,
): Promise<void> {
  for (let start = 0; start < keyCount; start += batchSize) {
    const chain = cluster.pipeline();
    for (let index = start; index < start + batchSize; index++) add(chain, index);
    const results = (await chain.exec()) ?? [];
    for (const [at, [error, reply]] of results.entries()) check(start + at, error ?? reply);
  }
}

async function moveUnderLoad(cluster: Cluster, link: ClusterLink, ledger: Ledger): Promise<void> {
  const [source, target] = await ownersOf(cluster);
  const slots = cluster.slots
    .flatMap(([master], slot) => (master === `${source.host}:${source.port}` ? [slot] : []))
    .slice(0, movedSlots);
  const before = cluster.stats();
  let reading = true;
  let reads = 0;
  const reader = async (offset: number): Promise<void> => {
    for (let at = offset; reading; at = (at + 7) % keyCount) {
      ledger.check(keyOf(at), await cluster.get(keyOf(at)), wordOf(at));
      reads++;
    }
  };
  const started = performance.now();
  const readers = Array.from({ length: 8 }, (_, lane) => reader(lane));
  let keys = 0;
  for (const slot of slots) keys += await moveSlot(slot, source, target, link);
  const took = performance.now() - started;
  reading = false;
  await Promise.all(readers);
  const { redirects, refreshes } = cluster.stats();
  const asked = sum(refreshes) - sum(before.refreshes);
  say(
    `\nmoved ${slots.length} slots with ${keys} keys in ${milliseconds(took)} while 8 readers made ${reads.toLocaleString('en')} reads (${perSecond(reads, took)}/s)`,
  );
  say(
    `followed ${redirects.moved - before.redirects.moved} MOVED and ${redirects.ask - before.redirects.ask} ASK; asked for the slot map ${asked} ${asked === 1 ? 'time' : 'times'}`,
  );
}

function sum(counts: Readonly<Record<string, number | undefined>>): number {
  return Object.values(counts).reduce<number>((total, count) => total + (count ?? 0), 0);
}

async function moveSlot(slot: number, source: MovingNode, target: MovingNode, link: ClusterLink): Promise<number> {
  const move = new SlotMove({ slot, source, target }, link, { batch: 10 });
  await move.begin();
  return move.commit();
}

async function ownersOf(cluster: Cluster): Promise<[MovingNode, MovingNode]> {
  const ends = cluster
    .nodes('master')
    .slice(0, 2)
    .map(async (client): Promise<MovingNode> => {
      const { host = '127.0.0.1', port = 6379 } = client.options;
      return { id: String(await client.call('CLUSTER', 'MYID')), host, port };
    });
  const [first, second] = await Promise.all(ends);
  return [first!, second!];
}

// One call in flight at a time, on slots without keys that are handed to and fro. A slot's move leaves caches and
// pages cold, so a MOVED is compared with a direct call made after the same pause, not with one of a tight loop.
async function measureRedirects(cluster: Cluster, link: ClusterLink): Promise<void> {
  let [source, target] = await ownersOf(cluster);
  const owner = `${source.host}:${source.port}`;
  const [key, bystander] = keysWhere(cluster, owner, 2) as [string, string];
  const slot = slotOf(key);
  const samples: Samples = { direct: [], asked: [], paused: [], moved: [] };
  for (let at = 0; at < calls; at++) samples.direct.push(await timed(() => cluster.get(key)));
  const half = new SlotMove({ slot, source, target }, link);
  await half.begin();
  for (let at = 0; at < calls; at++) samples.asked.push(await timed(() => cluster.get(key)));
  await half.rollback();
  await cluster.get(key);
  for (let round = 0; round < calls / 2; round++) {
    await moveSlot(slot, source, target, link);
    samples.paused.push(await timed(() => cluster.get(bystander)));
    const before = cluster.stats().redirects.moved;
    const took = await timed(() => cluster.get(key));
    // A refresh may have told the client first: such a call was direct.
    if (cluster.stats().redirects.moved > before) samples.moved.push(took);
    [source, target] = [target, source];
  }
  showCosts(samples);
}

interface Samples {
  readonly direct: number[];
  readonly asked: number[];
  readonly paused: number[];
  readonly moved: number[];
}

function keysWhere(cluster: Cluster, owner: string, count: number): string[] {
  const { slots } = cluster;
  const keys: string[] = [];
  for (let at = 0; keys.length < count; at++) {
    const key = `redirect:${at}`;
    if (slots[slotOf(key)]![0] === owner) keys.push(key);
  }
  return keys;
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

function showCosts({ direct, asked, paused, moved }: Samples): void {
  const row = (name: string, samples: number[], base: number[]): string[] => {
    const { median, p99, count } = latenciesOf(samples);
    const ratio = base === samples ? '' : `${(median / latenciesOf(base).median).toFixed(1)} x`;
    return [name, milliseconds(median), milliseconds(p99), ratio, String(count)];
  };
  const rows = [
    row('direct', direct, direct),
    row('ASK', asked, direct),
    row('direct, after a slot has moved', paused, paused),
    row('MOVED, after a slot has moved', moved, paused),
  ];
  say('\nwhat a redirect costs, one call in flight:');
  say(table(['call', 'median', 'p99', 'to direct', 'calls'], rows));
}

function conclude(ledger: Ledger, took: number): number {
  const checked = ledger.checked.toLocaleString('en');
  if (ledger.wrong.length === 0) {
    say(`\n${checked} replies checked, all right. Finished in ${(took / 1000).toFixed(1)} s.`);
    return 0;
  }
  say(`\n${ledger.wrong.length} of ${checked} replies were wrong, first ${ledger.wrong[0]}`);
  return 1;
}
