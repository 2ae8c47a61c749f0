// The proof that no move loses a key: writers that never stop, in several databases where the server has them, while
// slots go to and fro by the command line; the tool, the source and the target are killed (SIGKILL) in between, seeded.
// `npm run proof:moves -- --server valkey-9 --rounds 200 --seed 7 --large 40`; `--large`: values of 1 MB that go along.
// Every acknowledged write is there afterwards, once. The short form runs in test/cluster/server/operator/move-tool.test.ts.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Cluster, slotOf } from '../../lib/index.ts';
import { bundledServer, type RealCluster, type RealNode, startRealCluster } from '../kit/real-cluster.ts';
import { RespClient } from '../kit/resp-client.ts';
import { findServer, type ServerName } from '../kit/servers.ts';
import { until } from '../kit/until.ts';
import { chanceFrom } from '../unit/server/bus/packet-kit.ts';

const main = fileURLToPath(new URL('../../server/tools/main.js', import.meta.url));
const slotsAtOnce = 24;
const keysPerTag = 8;

type Victim = 'none' | 'tool' | 'source' | 'target';
const victimsInTurn: readonly Victim[] = ['none', 'tool', 'source', 'target'];

export interface ProofOptions {
  readonly server: ServerName | 'bundled';
  readonly rounds: number;
  readonly seed: number;
  /** Values of 1 MB among the keys. */
  readonly large: number;
  /** `never`: key by key also where the servers could by themselves. */
  readonly atomic?: 'auto' | 'never';
  /** Called with a line after each round. */
  readonly onRound?: (text: string) => void;
}

export interface ProofResult {
  readonly writes: number;
  readonly kills: Readonly<Record<'none' | 'tool' | 'source' | 'target', number>>;
  readonly moved: number;
}

/** Writes ever greater numbers, one at a time: what is found lies between the last acknowledged and the last sent. */
class Writer {
  readonly client: Cluster;
  readonly db: number;
  readonly #tags: readonly string[];
  readonly #name: string;
  readonly acknowledged = new Map<string, number>();
  readonly sent = new Map<string, number>();
  stopped = false;

  constructor(name: string, tags: readonly string[], real: RealCluster, db: number) {
    this.db = db;
    this.#name = name;
    this.#tags = tags;
    this.client = new Cluster(real.seeds, {
      clusterRetryStrategy: () => 50,
      maxRedirections: 500,
      redisOptions: { db, maxRetriesPerRequest: null, connectTimeout: 2000 },
    });
    this.client.on('error', () => undefined);
  }

  async run(draw: (below: number) => number): Promise<void> {
    while (!this.stopped) {
      const key = `{${this.#tags[draw(this.#tags.length)]!}}:${this.#name}:${draw(keysPerTag)}`;
      const number = (this.sent.get(key) ?? 0) + 1;
      this.sent.set(key, number);
      try {
        await this.client.set(key, number);
        this.acknowledged.set(key, number);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  async check(): Promise<void> {
    for (const [key, sent] of this.sent) {
      const [found, least] = [Number(await this.client.get(key)), this.acknowledged.get(key) ?? 0];
      assert.ok(found >= least && found <= sent, `${key}: ${found}, acknowledged ${least}, sent ${sent}`);
    }
  }
}

class Stage {
  readonly #state = mkdtempSync(join(tmpdir(), 'lingcache-proof-'));
  readonly real: RealCluster;

  constructor(real: RealCluster) {
    this.real = real;
  }

  start(...args: string[]): ChildProcess {
    const env = { ...process.env, XDG_STATE_HOME: this.#state };
    return spawn(process.execPath, [main, ...args, '--timeout', '2s'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Rejects with what it said when it ends with another code than 0. */
  async run(...args: string[]): Promise<void> {
    const child = this.start(...args);
    let said = '';
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (said += chunk));
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 0, `${args.join(' ')}: ${said}`);
  }

  end(): void {
    rmSync(this.#state, { recursive: true, force: true });
  }
}

/** Rejects with the seed in its message when a key was lost, doubled, or a slot could not be brought to its place. */
export async function proveMoves(options: ProofOptions): Promise<ProofResult> {
  const { server, seed } = options;
  const program = server === 'bundled' ? bundledServer : findServer(server);
  if (program === undefined) throw new Error(`${server} is missing: scripts/servers.sh ${server}`);
  const databases = server === 'valkey-9' ? [0, 3, 15] : [0];
  const config = {
    appendonly: 'yes',
    appendfsync: 'always',
    'cluster-node-timeout': '30000',
    'cluster-require-full-coverage': 'no',
    ...(databases.length > 1 ? { 'cluster-databases': '16' } : {}),
  };
  const real = await startRealCluster({ server: program, masters: 3, replicas: 0, config });
  const stage = new Stage(real);
  const draw = chanceFrom(seed);
  const tags = distinctTags(slotsAtOnce);
  const writers = databases.flatMap((db) => [0, 1].map((at) => new Writer(`${db}-${at}`, tags, real, db)));
  const bulk = writers[0]!.client;
  try {
    await fillLarge(bulk, tags, options.large);
    const writing = writers.map((writer, at) => writer.run(chanceFrom(seed + at + 1)));
    await until('keys were written', () => writers.every(({ acknowledged }) => acknowledged.size > slotsAtOnce));
    const kills = { none: 0, tool: 0, source: 0, target: 0 };
    let moved = 0;
    for (let round = 0; round < options.rounds; round++) {
      const begun = performance.now();
      const victim = await playRound(stage, tags, draw, round, options);
      kills[victim]++;
      const seconds = ((performance.now() - begun) / 1000).toFixed(1);
      options.onRound?.(`round ${round + 1} of ${options.rounds}, killed: ${victim}, ${seconds} s`);
      moved += slotsAtOnce;
    }
    for (const writer of writers) writer.stopped = true;
    await Promise.all(writing);
    for (const writer of writers) await writer.check();
    await checkLarge(bulk, tags, options.large);
    await checkOnce(real, databases, writers, options.large);
    return {
      writes: writers.reduce((sum, { sent }) => sum + [...sent.values()].reduce((a, b) => a + b, 0), 0),
      kills,
      moved,
    };
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
  } finally {
    for (const writer of writers) {
      writer.stopped = true;
      writer.client.disconnect();
    }
    await real.stop();
    stage.end();
  }
}

function distinctTags(count: number): string[] {
  const bySlot = new Map<number, string>();
  for (let at = 0; bySlot.size < count; at++) if (!bySlot.has(slotOf(`t${at}`))) bySlot.set(slotOf(`t${at}`), `t${at}`);
  return [...bySlot.values()];
}

const largeValue = (at: number): string => String.fromCharCode(97 + (at % 26)).repeat(1 << 20);

async function fillLarge(client: Cluster, tags: readonly string[], count: number): Promise<void> {
  for (let at = 0; at < count; at++) await client.set(`{${tags[at % tags.length]!}}:large:${at}`, largeValue(at));
}

async function checkLarge(client: Cluster, tags: readonly string[], count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    assert.equal(await client.get(`{${tags[at % tags.length]!}}:large:${at}`), largeValue(at), `large ${at}`);
  }
}

/** Nothing is there twice: all nodes together have as many keys as were written. */
async function checkOnce(
  real: RealCluster,
  databases: readonly number[],
  writers: readonly Writer[],
  large: number,
): Promise<void> {
  const places = new Map<string, string[]>();
  for (const node of real.nodes) {
    for (const db of databases) {
      const client = await RespClient.connect(node.port);
      if (db > 0) await client.call('SELECT', String(db));
      for (const key of (await client.call('KEYS', '*')) as string[]) {
        const name = `${key} of database ${db}`;
        places.set(name, [...(places.get(name) ?? []), node.address]);
      }
      client.close();
    }
  }
  const twice = [...places].filter(([, at]) => at.length > 1).map(([name, at]) => `${name} at ${at.join(' and ')}`);
  assert.deepEqual(twice, []);
  const sent = new Set(
    writers.flatMap((writer) => [...writer.sent.keys()].map((key) => `${key} of database ${writer.db}`)),
  );
  const strange = [...places].filter(([name]) => !name.includes(':large:') && !sent.has(name));
  assert.deepEqual(strange, [], 'in a database where nobody wrote them');
  assert.equal(places.size, writers.reduce((sum, { sent }) => sum + sent.size, 0) + large);
}

/** Moves all slots of the writers to one master, somebody dies in between, and the same command goes on. */
async function playRound(
  stage: Stage,
  tags: readonly string[],
  draw: (below: number) => number,
  round: number,
  { atomic = 'auto' }: ProofOptions,
): Promise<Victim> {
  const { real } = stage;
  const target = real.nodes[draw(real.nodes.length)]!;
  const source = real.nodes.find((node) => node !== target)!;
  const victim = victimsInTurn[round % victimsInTurn.length]!;
  const slots = tags.map((tag) => slotOf(tag)).join(',');
  const pace = draw(2) === 0 && victim !== 'none' ? ['--keys-per-second', '800'] : [];
  // Where clients keep their share, slots move at other times than the kills want.
  const keep = ['--keep-throughput', draw(4) === 0 ? '0.9' : 'never'];
  const how = ['--atomic', atomic, '--batch', '5', '--exchange-timeout', '2s', ...pace, ...keep];
  const line = ['reshard', source.address, '--to', target.id, '--slot-list', slots, '--yes', ...how];
  const tool = stage.start(...line);
  const ended = once(tool, 'close');
  tool.stdout!.resume();
  let said = '';
  tool.stderr!.on('data', (chunk) => (said += chunk));
  if (victim !== 'none') {
    await new Promise((resolve) => setTimeout(resolve, 250 + draw(700)));
    if (victim === 'tool') tool.kill('SIGKILL');
    else await restart(victim === 'source' ? source : target);
  }
  const [code] = (await ended) as [number | null];
  if (victim === 'none') assert.equal(code, 0, said);
  await until('all nodes answer', async () => {
    const states = await Promise.all(real.nodes.map((node) => node.ask('cluster', 'info')));
    return states.every((text) => /cluster_state:ok/.test(String(text)));
  });
  // What the journal has left is finished first, then what was not begun.
  await stage.run(...line);
  const view = String(await target.ask('cluster', 'nodes'));
  assert.doesNotMatch(view, /\[/);
  return victim;
}

async function restart(node: RealNode): Promise<void> {
  await node.kill();
  await node.restart();
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      server: { type: 'string', default: 'redis-7' },
      rounds: { type: 'string', default: '40' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      large: { type: 'string', default: '20' },
      atomic: { type: 'string', default: 'auto' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    console.log('--server redis-7|redis-8|valkey-8|valkey-9|bundled --rounds N --seed N --large N --atomic auto|never');
    return;
  }
  const options: ProofOptions = {
    server: values.server as ProofOptions['server'],
    rounds: Number(values.rounds),
    seed: Number(values.seed),
    large: Number(values.large),
    atomic: values.atomic === 'never' ? 'never' : 'auto',
  };
  console.log(JSON.stringify(options));
  // Children and sockets that are waited for keep no process alive by themselves.
  const awake = setInterval(() => undefined, 60_000);
  console.log(JSON.stringify(await proveMoves({ ...options, onRound: (text) => console.log(text) })));
  clearInterval(awake);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run();
