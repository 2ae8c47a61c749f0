// `lingcache demo`: the guided tour. Starts a cluster, writes and reads 10,000 keys in cross-slot pipelines; then, while
// loops write and read all the time, moves slots, kills a master and hands over; measures what a redirect costs, checks
// every value and leaves nothing behind.

import { setTimeout as pause } from 'node:timers/promises';
import { RealWorld } from '../../../lib/base/world.ts';
import { Cluster, slotOf } from '../../../lib/index.ts';
import { startCluster } from '../../index.ts';
import { ClusterLink, type MovingNode } from '../../operator/link/cluster-link.ts';
import { SlotMove } from '../../operator/reshard/slot-move.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import type { Output } from '../cli/output.ts';
import { Traffic } from '../demo-traffic.ts';
import { DemoView } from '../demo-view.ts';
import { startRealCluster } from '../real-cluster.ts';
import { latenciesOf, milliseconds, perSecond, table } from '../report.ts';

const keyCount = 10_000;
const batchSize = 1_000;
const movedSlots = 120;
const calls = 200;
const shards = { masters: 3, replicas: 1 };
/** Milliseconds: so long until a silent node is suspected; the default of redis-server is 15000. */
const nodeTimeout = 1000;

interface Stage {
  readonly title: string;
  readonly seeds: readonly { readonly host: string; readonly port: number }[];
  kill(port: number): Promise<void>;
  start(port: number): Promise<void>;
  close(): Promise<void>;
}

/** Counts what was compared, so that the last line of the report is about something. */
class Ledger {
  checked = 0;
  wrong: string[] = [];

  check(key: string, value: unknown, expected: unknown): void {
    this.checked++;
    if (value !== expected) this.wrong.push(`${key}: expected ${String(expected)}, got ${String(value)}`);
  }
}

export const demo: Command = defineCommand({
  name: 'demo',
  arguments: [],
  options: {
    real: { kind: 'flag', help: 'on redis-server nodes started for it, instead of bundled ones' },
  },
  run: ({ options, out, signal }) => runDemo(options.real, out, signal),
});

let say: (text?: string) => void = () => undefined;

/** Resolves with the exit code: 0 when every value was right and no call failed. */
async function runDemo(real: boolean, out: Output, signal: AbortSignal): Promise<number> {
  const started = performance.now();
  const stage = await raise(real);
  const cluster = new Cluster([...stage.seeds]);
  // Calls say what they met; the demo kills a node on purpose.
  cluster.on('error', () => undefined);
  const link = new ClusterLink({ seeds: stage.seeds, world: new RealWorld() });
  const ledger = new Ledger();
  const traffic = new Traffic(cluster, { lanes: 8, keys: keyCount, keyOf, wordOf });
  const view = new DemoView(out, cluster, traffic);
  say = (text = '') => view.say(text);
  try {
    say(`lingcache demo on ${stage.title}, ready in ${milliseconds(performance.now() - started)}`);
    await cluster.ping();
    showTopology(cluster);
    await writeAndRead(cluster, ledger);
    say('\nfrom here on, 8 loops write and read all the time, and check every value');
    traffic.start();
    view.start();
    await pause(1000);
    const acts = [
      () => reshard(cluster, link, traffic),
      () => failover(cluster, stage, link, traffic),
      () => handOver(cluster, link, traffic),
    ];
    for (const act of acts) if (!signal.aborted) await act();
    view.stop();
    await traffic.stop();
    if (!signal.aborted) await measureRedirects(cluster, link);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    view.stop();
    await traffic.stop();
    link.close();
    await cluster.quit().catch(() => cluster.disconnect());
    await stage.close();
  }
  if (signal.aborted) return exitCodes.interrupted;
  ledger.checked += traffic.checked;
  ledger.wrong.push(...traffic.wrong);
  const { calls, failed, lost, written } = traffic;
  out.answer({ checked: ledger.checked, wrong: ledger.wrong.length, calls, failed, written, lost });
  return conclude(ledger, failed, performance.now() - started);
}

async function raise(real: boolean): Promise<Stage> {
  if (real) {
    const cluster = await startRealCluster(shards.masters, shards.replicas);
    return {
      title: '6 redis-server processes (3 masters, 3 replicas)',
      seeds: cluster.seeds,
      kill: (port) => cluster.kill(port),
      start: (port) => cluster.start(port),
      close: () => cluster.close(),
    };
  }
  const bundled = await startCluster({ ...shards, config: { 'cluster-node-timeout': String(nodeTimeout) } });
  const nodeAt = (port: number) => bundled.nodes.find((node) => node.port === port)!;
  return {
    title: '6 bundled nodes (3 masters, 3 replicas, this process)',
    seeds: bundled.seeds,
    kill: (port) => nodeAt(port).kill(),
    start: (port) => nodeAt(port).restart(),
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

async function reshard(cluster: Cluster, link: ClusterLink, traffic: Traffic): Promise<void> {
  const [source, target] = await ownersOf(cluster);
  const slots = [...slotsWithKeys(cluster, `${source.host}:${source.port}`)].slice(0, movedSlots);
  traffic.focus = Array.from({ length: keyCount }, (_, at) => at).filter((at) => slots.includes(slotOf(keyOf(at))));
  say(`\nreshard: ${slots.length} slots go from ${source.port} to ${target.port}, one after another, with their keys`);
  const [before, callsBefore] = [cluster.stats(), traffic.calls];
  traffic.resetLongest();
  const started = performance.now();
  let keys = 0;
  for (const slot of slots) keys += await moveSlot(slot, source, target, link);
  const took = performance.now() - started;
  traffic.focus = [];
  const { redirects, refreshes } = cluster.stats();
  const asked = sum(refreshes) - sum(before.refreshes);
  const made = traffic.calls - callsBefore;
  say(
    `moved ${slots.length} slots with ${keys} keys in ${milliseconds(took)}, while ${made.toLocaleString('en')} calls were answered (${perSecond(made, took)}/s, the longest took ${milliseconds(traffic.longest)})`,
  );
  say(
    `followed ${redirects.moved - before.redirects.moved} MOVED and ${redirects.ask - before.redirects.ask} ASK; asked for the slot map ${asked} ${asked === 1 ? 'time' : 'times'}`,
  );
}

/** Those of a master that hold keys of the demo, the fullest first. */
function slotsWithKeys(cluster: Cluster, master: string): Set<number> {
  const counts = new Map<number, number>();
  for (let at = 0; at < keyCount; at++) {
    const slot = slotOf(keyOf(at));
    if (cluster.slots[slot]![0] === master) counts.set(slot, (counts.get(slot) ?? 0) + 1);
  }
  return new Set([...counts].sort(([, one], [, other]) => other - one).map(([slot]) => slot));
}

async function failover(cluster: Cluster, stage: Stage, link: ClusterLink, traffic: Traffic): Promise<void> {
  const victim = cluster.slots[slotOf(keyOf(0))]![0]!;
  const port = Number(victim.split(':').at(-1));
  say(`\nfailover: ${port}, the master of a third of the slots, is killed`);
  traffic.resetLongest();
  traffic.mayLose = true;
  const started = performance.now();
  await stage.kill(port);
  await within('a replica is master', () => cluster.slots[slotOf(keyOf(0))]![0] !== victim);
  await cluster.get(keyOf(0));
  const promoted = cluster.slots[slotOf(keyOf(0))]![0]!;
  say(
    `after ${milliseconds(performance.now() - started)} its replica ${promoted.split(':').at(-1)} was elected and answers; calls for its slots waited, the longest ${milliseconds(traffic.longest)}; ${traffic.failed} failed`,
  );
  await traffic.settle();
  traffic.mayLose = false;
  say(
    `of ${traffic.written.toLocaleString('en')} acknowledged writes so far, the kill lost ${traffic.lost}: replication is asynchronous`,
  );
  await stage.start(port);
  const replicates = async (): Promise<boolean> => {
    const reply = String(await link.ask({ host: '127.0.0.1', port }, ['INFO', 'replication']));
    return /role:slave/.test(reply) && /master_link_status:up/.test(reply);
  };
  await within('the old master is a replica', () => replicates().catch(() => false));
  say(`${port} was started again, heard of the higher epoch, and is its replica now`);
}

/** The port of a replica of the master at `address`, once every doubt about it is over. */
async function replicaOf(address: string, link: ClusterLink): Promise<number> {
  let found: number | undefined;
  await within(`${address} has a replica`, async () => {
    const view = await link.view();
    const master = view.find(({ host, port }) => `${host}:${port}` === address);
    const failing = (flags: readonly string[]): boolean => flags.includes('fail') || flags.includes('fail?');
    found = view.find((node) => node.master !== null && node.master === master?.id && !failing(node.flags))?.port;
    return found !== undefined;
  });
  return found!;
}

async function handOver(cluster: Cluster, link: ClusterLink, traffic: Traffic): Promise<void> {
  const slot = slotOf(keyOf(0));
  const [master] = cluster.slots[slot]!;
  const port = await replicaOf(master!, link);
  say(`\nhandover: ${port} asks for its place back (CLUSTER FAILOVER)`);
  traffic.resetLongest();
  const started = performance.now();
  // A replica that is not in step yet refuses, or gives up after five seconds: it is asked again.
  let askedAt = Number.NEGATIVE_INFINITY;
  await within('it is master', async () => {
    if (performance.now() - askedAt > 6000) {
      const reply = await link.ask({ host: '127.0.0.1', port }, ['CLUSTER', 'FAILOVER']).catch(() => '');
      if (String(reply) === 'OK') askedAt = performance.now();
    }
    return cluster.slots[slot]![0] !== master;
  });
  await traffic.settle();
  say(
    `done in ${milliseconds(performance.now() - started)}, the longest call took ${milliseconds(traffic.longest)}; an orderly change loses nothing: ${traffic.failed} calls failed, ${traffic.wrong.length} values wrong`,
  );
}

/** Waits for what the nodes and the client are about to find out. */
async function within(what: string, test: () => boolean | Promise<boolean>, limit = 20_000): Promise<void> {
  for (const end = performance.now() + limit; !(await test()); await pause(20))
    if (performance.now() > end) throw new Error(`this did not come about within ${limit} ms: ${what}`);
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
    // A refresh may have updated the client first: such a call was direct.
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

function conclude(ledger: Ledger, failed: number, took: number): number {
  const checked = ledger.checked.toLocaleString('en');
  if (failed > 0) say(`\n${failed} calls failed`);
  if (ledger.wrong.length === 0 && failed === 0) {
    say('\nnext: npx lingcache learn');
    say(`${checked} replies checked, all right. Finished in ${(took / 1000).toFixed(1)} s.`);
    return 0;
  }
  say(`\n${ledger.wrong.length} of ${checked} replies were wrong, first ${ledger.wrong[0]}`);
  return 1;
}
