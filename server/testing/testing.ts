// lingcache/testing: clusters for tests, of nodes in this process, of processes, or of real servers, with one face.
// Owns: the options of startCluster(), their checks and defaults.
// Does not know: how nodes work, or what tests do with them.
// Invariant: a start either resolves with everything serving, or rejects with nothing left behind.

import { nextTurn } from '../../lib/base/turns.ts';
import { ManualWorld, RealWorld, type World } from '../../lib/base/world.ts';
import { freePorts } from '../embedded/free-ports.ts';
import { type NodePlace, openInside } from '../embedded/inside.ts';
import { ProcessCluster } from '../embedded/process-cluster.ts';
import { checkCounts, checkPort, insideSettings } from '../embedded/settings.ts';
import { busPortOffset } from '../node/listeners.ts';
import type { ServerNodeOptions } from '../node/node.ts';
import { type ClockKind, TestClock } from './clock.ts';
import { TestCluster } from './cluster.ts';
import { InsideBackend } from './inside-backend.ts';
import { Interceptor } from './intercepts.ts';
import { LinkNet } from './links.ts';
import { ProcessBackend } from './process-backend.ts';
import { programOf, type ServerName } from './programs.ts';

export { ManualWorld, RealWorld, type World } from '../../lib/base/world.ts';
export type { SlotMove } from '../operator/reshard/slot-move.ts';
export type { FailoverMode } from './backend.ts';
export type { ClockKind } from './clock.ts';
export {
  type CallQuery,
  type LinkEnd,
  type NodeDescription,
  TestCluster,
  type TestNodeReference,
} from './cluster.ts';
export type { Call, Cut, Intercept, InterceptAction, ReplyValue } from './intercepts.ts';
export type { LedgerClient, LedgerOptions, LedgerReport } from './ledger.ts';
export type { BusPacketKind, LinkCounts, LinkFault, LinkShape, Traffic } from './link-shape.ts';
export type { LinkHandle } from './links.ts';
export type { ServerName } from './programs.ts';
export {
  ScenarioError,
  type ScenarioOptions,
  type ScenarioReport,
  type StepReport,
  scenario,
  type WorkloadRound,
} from './scenario.ts';
export {
  addNode,
  anyMaster,
  anyReplica,
  failover,
  freeze,
  heal,
  intercept,
  kill,
  lastNode,
  link,
  move,
  type NodeChoice,
  oneOf,
  ownerOf,
  partition,
  removeNode,
  resetLinks,
  restart,
  type Stage,
  type Step,
  settled,
  step,
  times,
  together,
  unfreeze,
  wait,
} from './steps.ts';
export { TestNode } from './test-node.ts';
export {
  type DumpValue,
  type ExpiringValue,
  expiring,
  type Scalar,
  type SeedValue,
  type StreamEntry,
  type StreamValue,
  stream,
} from './values.ts';

export interface TestClusterOptions {
  /**
   * What the nodes are: left out, the bundled server; `redis-7`, `redis-8`, `valkey-8`, `valkey-9` as installed or as in
   * the folder `.servers` (LINGCACHE_SERVERS names another one); or the path of a server's program.
   */
  readonly server?: ServerName | (string & {});
  /** The bundled server as processes, to be killed for real; other servers always are. Default false. */
  readonly processes?: boolean;
  /** 1 or more; clients expect at least 3. Default 3. */
  readonly masters?: number;
  /** Replicas of each master. Default 1. */
  readonly replicas?: number;
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** The first node's port, the others follow one by one; 0, the default: any free ports. */
  readonly port?: number;
  /** Clients must AUTH with it. Default none. */
  readonly password?: string;
  /** Parameters by their redis.conf names, over a `cluster-node-timeout` of 2000 ms. */
  readonly config?: Readonly<Record<string, string>>;
  /**
   * Puts a proxy before every port, announced in its place, so that links can be made slow, lossy or dead. Costs
   * throughput. Default false.
   */
  readonly links?: boolean;
  /**
   * The time of nodes in this process: `real`, the default, that of the machine and what fastForward() adds; `follow`, that
   * of the global Date, so that fake timers which are advanced expire keys.
   */
  readonly clock?: ClockKind;
  /** Clock, chance and log of nodes in this process, in place of `clock` and `seed`; a ManualWorld moves by fastForward(). */
  readonly world?: World;
  /** Calls remembered for each node in this process, for calls(); 0: none. Default 1000. */
  readonly history?: number;
  /** Of everything that is left to chance: votes, links. A failure says it. Default: by chance. */
  readonly seed?: number;
}

const known = new Set<string>([
  'server',
  'processes',
  'masters',
  'replicas',
  'host',
  'port',
  'password',
  'config',
  'links',
  'clock',
  'world',
  'history',
  'seed',
] satisfies (keyof TestClusterOptions)[]);
const defaultHistory = 1000;
const mostHistory = 1_000_000;
const highestSeed = 2 ** 31;
const settledMs = 60_000;

/**
 * Starts a cluster for tests. Resolves when every node serves and every replica has its copy. Rejects, with nothing left
 * behind, when a server or a port cannot be had, or an option is wrong (a RangeError that names it).
 *
 * @example
 * const cluster = await startCluster();
 * await cluster.seed({ greeting: 'hello', queue: ['a', 'b'], user: { name: 'Ann' } });
 * const client = new Cluster(cluster.seeds);
 * // ...
 * await cluster.reset();
 */
export async function startCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw new RangeError(`${name}: startCluster has no such option`);
  }
  const seed = seedOf(options.seed);
  const processes = options.server !== undefined || options.processes === true;
  return processes ? startProcesses(options, seed) : startInside(options, seed);
}

function seedOf(seed: number | undefined): number {
  if (seed === undefined) return Math.floor(Math.random() * highestSeed);
  if (Number.isInteger(seed) && seed >= 0 && seed < highestSeed) return seed;
  throw new RangeError(`seed: ${seed} is not an integer within 0..${highestSeed - 1}`);
}

// ---- in this process

async function startInside(options: TestClusterOptions, seed: number): Promise<TestCluster> {
  const history = options.history ?? defaultHistory;
  if (!Number.isInteger(history) || history < 0 || history > mostHistory) {
    throw new RangeError(`history: ${history} is not an integer within 0..${mostHistory}`);
  }
  const { clock = 'real', host = '127.0.0.1', world = new TestClock(checkClock(clock), randomOf(seed), []) } = options;
  const interceptor = new Interceptor(history);
  const links = options.links === true ? new LinkNet({ host, world, seed: seed + 1 }) : undefined;
  const { masters, settings, password } = insideSettings({
    ...options,
    world,
    bus: links === undefined ? 'loopback' : 'tcp',
  });
  const intercepted = settings.map((each) => withInterceptor(each, interceptor));
  try {
    const prepared = links === undefined ? { settings: intercepted } : await behindLinks(intercepted, links);
    const cluster = await openInside({
      masters,
      world,
      password,
      ...prepared,
      further: async () => {
        const next = withInterceptor({ ...settings.at(-1)!, port: 0 }, interceptor);
        return links === undefined ? next : (await behindLinks([next], links)).settings[0]!;
      },
    });
    return new TestCluster({
      backend: new InsideBackend(cluster, (engine, id) => interceptor.name(engine, id)),
      interceptor,
      links,
      forward: (ms) => forward(world, ms),
      seed,
      password,
      onClose: () => closeClock(world),
    });
  } catch (error) {
    await links?.close();
    closeClock(world);
    throw error;
  }
}

function checkClock(clock: string): ClockKind {
  if (clock === 'real' || clock === 'follow') return clock;
  throw new RangeError(`clock: '${clock}' is none of real, follow`);
}

function randomOf(seed: number): () => number {
  const chance = new ManualWorld({ seed });
  return () => chance.random();
}

function closeClock(world: World): void {
  if (world instanceof TestClock) world.close();
}

function withInterceptor(settings: ServerNodeOptions, interceptor: Interceptor): ServerNodeOptions {
  return { ...settings, decorators: { ...settings.decorators, execute: interceptor.execute } };
}

async function behindLinks(
  settings: readonly ServerNodeOptions[],
  links: LinkNet,
): Promise<{ readonly settings: ServerNodeOptions[]; readonly announce: () => Promise<NodePlace[]> }> {
  const { host, port } = settings[0]!;
  const ports = port === 0 ? await freePorts(settings.length, host) : settings.map((each) => each.port!);
  const places = await links.open(ports.map((each) => ({ port: each, cport: each + busPortOffset })));
  const announced = settings.map((each, at) => ({
    ...each,
    port: ports[at]!,
    config: {
      ...(each.config as Readonly<Record<string, string>>),
      'cluster-announce-port': String(places[at]!.port),
      'cluster-announce-bus-port': String(places[at]!.cport),
    },
  }));
  return { settings: announced, announce: () => Promise.resolve(places) };
}

const stepMs = 10;

/** Lets time pass in the world of nodes. */
async function forward(world: World, ms: number): Promise<void> {
  if (world instanceof TestClock) return world.forward(ms);
  if (!(world instanceof ManualWorld)) throw new Error('fastForward: the clock of this world cannot be moved');
  for (let left = ms; left > 0; left -= stepMs) {
    await nextTurn();
    await nextTurn();
    world.forward(Math.min(left, stepMs));
  }
  await nextTurn();
}

// ---- processes

async function startProcesses(options: TestClusterOptions, seed: number): Promise<TestCluster> {
  for (const name of ['world', 'clock', 'history'] as const) {
    if (options[name] !== undefined) throw new RangeError(`${name}: only nodes in this process have it`);
  }
  const { server, host = '127.0.0.1', password = '' } = options;
  const { masters, replicas } = checkCounts(options);
  const port = checkPort(options.port ?? 0, masters * (1 + replicas));
  const program = server === undefined ? undefined : programOf(server);
  const { dir, ...config } = options.config ?? {};
  if (dir !== undefined) throw new RangeError('config.dir: clusters for tests live in a temporary folder');
  const links = options.links === true ? new LinkNet({ host, world: new RealWorld(), seed: seed + 1 }) : undefined;
  let cluster: ProcessCluster | undefined;
  try {
    cluster = await ProcessCluster.start({
      masters,
      replicas,
      host,
      port,
      password,
      config,
      ...(program !== undefined && { program }),
      ...(links !== undefined && { announce: (places: readonly NodePlace[]) => links.open(places) }),
    });
    await cluster.settled(settledMs);
  } catch (error) {
    await cluster?.close();
    await links?.close();
    throw error;
  }
  return new TestCluster({
    backend: new ProcessBackend(cluster),
    interceptor: undefined,
    links,
    forward: undefined,
    seed,
    password,
    onClose: () => undefined,
  });
}
