// What has to be true before the commands of a page show what they show: which servers run, what happened to them, and
// what happens between two commands. A block that no scene names runs on clusters that nothing has happened to, with
// the key foo.
// Owns: the scenes. Does not know: what the commands print; the pages say it.

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readPage, root } from '../../../scripts/docs/pages.ts';
import { until } from '../../kit/until.ts';
import type { Stage, StageOptions } from './stage.ts';

/** A page without `docs/` and `.md`, `#`, and the start of a heading; `#2` behind it: the second block there. */
type Where = string;
type Act = (stage: Stage) => unknown;

export interface Part {
  readonly where: Where;
  /** Before its first command. */
  readonly before?: Act;
  /** Before the command with this number, from 0. */
  readonly between?: Readonly<Record<number, Act>>;
  /** While the command with this number runs: begins together with it. */
  readonly meanwhile?: Readonly<Record<number, Act>>;
  /** After its last command: what they must have brought about beside what they print. */
  readonly after?: Act;
}

export interface Scene extends StageOptions {
  readonly parts: readonly Part[];
}

/** Nodes that are not answered are soon given up. */
const soon = { 'cluster-node-timeout': '500' };
/** The timeout of `lingcache up` and of the pages. */
const usual = { 'cluster-node-timeout': '2000' };
const all = ['0', '16383'] as const;

/** The node at `to` becomes master in place of the one at `of`. */
const isMaster = (stage: Stage, of: number): Promise<unknown> => stage.until(of, ['ROLE'], /^master/);

async function moveSlot(stage: Stage, slot: number, to: number): Promise<void> {
  await (to < 7100 ? stage.bundled : stage.real).moveSlot(slot, stage.placeOf(to));
}

/** Opens slot 12182 from the third master to the first; foo, {foo}2 and {foo}3 are still where they were. */
async function openSlot(stage: Stage, base: number): Promise<void> {
  const [source, target] = [base + 2, base];
  for (const key of ['foo', '{foo}2', '{foo}3']) await stage.ask(source, 'SET', key, key === 'foo' ? 'bar' : 'x');
  const [sourceId, targetId] = [await stage.ask(source, 'CLUSTER', 'MYID'), await stage.ask(target, 'CLUSTER', 'MYID')];
  await stage.ask(target, 'CLUSTER', 'SETSLOT', '12182', 'IMPORTING', String(sourceId));
  await stage.ask(source, 'CLUSTER', 'SETSLOT', '12182', 'MIGRATING', String(targetId));
}

const migrate = (stage: Stage, base: number, ...keys: string[]): Promise<unknown> =>
  stage.ask(base + 2, 'MIGRATE', '127.0.0.1', String(stage.portOf(base)), '', '0', '5000', 'KEYS', ...keys);

/** For pages that say $S, $T, $ID and $TARGET. */
async function ids(stage: Stage, source: number, target: number): Promise<void> {
  stage.env['S'] = String(await stage.ask(source, 'CLUSTER', 'MYID'));
  stage.env['T'] = String(await stage.ask(target, 'CLUSTER', 'MYID'));
}

const kill = (stage: Stage, page: number): Promise<unknown> => nodeOf(stage, page).kill();
const restart = (stage: Stage, page: number): Promise<unknown> => nodeOf(stage, page).restart();
const nodeOf = (stage: Stage, page: number): { kill(): Promise<void>; restart(): Promise<void> } =>
  (page < 7100 ? stage.bundled : stage.real).node(stage.placeOf(page));

/** `writer.mjs` of the quick start, beside a package of this name. */
function saveWriter(stage: Stage): void {
  const { blocks } = readPage('docs/start/quick-start.md');
  const { code } = blocks.find(({ language }) => language === 'js')!;
  const ported = code.replaceAll(/\b700[01]\b/g, (port) => String(stage.portOf(Number(port))));
  writeFileSync(join(stage.folder, 'writer.mjs'), ported);
  mkdirSync(join(stage.folder, 'node_modules'), { recursive: true });
  symlinkSync(root, join(stage.folder, 'node_modules/lingcache'));
}

const pid =
  (page: string, of: number): Act =>
  async (stage) =>
    void stage.pids.set(page, await stage.pidOf(of));
const together =
  (...acts: readonly Act[]): Act =>
  async (stage) => {
    for (const act of acts) await act(stage);
  };
/** Blocks that show what is different each time, or a server that is not here; what they say is proved elsewhere. */
export const illustrations: readonly Where[] = [
  // The order of the flags is a claim of `learn gossip`, and the question about PFAIL replays it.
  'principles/gossip#See it#2',
  'principles/gossip#See it#3',
  // One shard of three, in an order of the server's own.
  'principles/map#See it#2',
  // A line of a Valkey node's file.
  'principles/persistence#See it#4',
];

const q = (heading: string): Where => `questions#${heading}`;

export const scenes: readonly Scene[] = [
  // Gossip
  {
    parts: [
      {
        where: q('How does a node learn of all others?'),
        before: async (stage) => {
          await Promise.all([stage.startNode(7310), stage.startNode(7311)]);
        },
      },
    ],
  },
  {
    real: { config: usual },
    parts: [{ where: q('What is the difference between PFAIL and FAIL?'), before: freezeAndWatch }],
  },
  {
    bundled: { processes: true, config: soon },
    parts: [
      {
        where: q('Why not a very small cluster-node-timeout?'),
        before: async (stage) => {
          stage.env['pid'] = await stage.pidOf(7000);
        },
      },
    ],
  },
  { bundled: { config: usual }, parts: [{ where: q('How long does it take until a failed master is replaced?') }] },
  {
    bundled: { config: soon },
    parts: [
      {
        where: q('What does a node do in the minority of a partition?'),
        before: (stage) => Promise.all([7001, 7002, 7003, 7004, 7005].map((port) => kill(stage, port))),
      },
    ],
  },
  {
    bundled: {},
    parts: [
      {
        where: q('Does PUBLISH go over the bus?'),
        before: async (stage) => {
          const listening = stage.run('timeout 20 redis-cli -p 7001 SUBSCRIBE x > heard');
          stage.afterwards(() => listening);
          await stage.until(7001, ['PUBSUB', 'NUMSUB', 'x'], /^x,1$/);
        },
        after: async (stage) => {
          await until('the subscriber on 7001 heard it', async () => /hello/.test(await stage.run('cat heard')));
          await stage.ask(7001, 'CLIENT', 'KILL', 'TYPE', 'pubsub');
        },
      },
    ],
  },

  // Failover
  {
    bundled: {},
    parts: [{ where: q('What is an epoch for?') }],
  },
  {
    parts: [
      {
        where: q('How many masters are needed?'),
        before: (stage) => stage.reserveRow(7340, 4),
        between: {
          1: together(pid('29158', 7341), (stage) =>
            stage.afterwards(() => stage.run('npx lingcache down --port 7340')),
          ),
        },
      },
      { where: q('Can a majority of masters be lost, and what then?') },
    ],
  },
  {
    bundled: { config: soon },
    parts: [
      {
        where: q('Does the old master take its slots back?'),
        before: async (stage) => {
          await kill(stage, 7002);
          await isMaster(stage, 7005);
          await restart(stage, 7002);
        },
      },
    ],
  },
  {
    bundled: { config: soon },
    parts: [
      {
        where: q('Are the other slots served while one shard is down?'),
        before: (stage) => Promise.all([kill(stage, 7002), kill(stage, 7005)]),
      },
    ],
  },

  // Resharding and redirection, in the order in which a slot moves
  {
    bundled: {},
    parts: [
      { where: q('Is a slot down while it moves?'), before: (stage) => openSlot(stage, 7000) },
      { where: q('Why is SETSLOT sent to the target first') },
      { where: q('Where are new keys created while their slot moves?') },
      { where: q('What happens to MGET when only one'), before: (stage) => migrate(stage, 7000, 'foo') },
      { where: q('MOVED and ASK: what is the difference?') },
      { where: q('Why is ASKING needed?') },
      { where: q('Can a key be lost or duplicated?'), before: (stage) => migrate(stage, 7000, '{foo}2') },
    ],
  },
  {
    real: {},
    parts: [
      {
        where: q('What if the tool crashes during a move?'),
        before: async (stage) => {
          await ids(stage, 7102, 7100);
          await stage.ask(7102, 'CLUSTER', 'SETSLOT', '16383', 'MIGRATING', stage.env['T']!);
        },
        after: (stage) => stage.ask(7102, 'CLUSTER', 'SETSLOT', '16383', 'STABLE'),
      },
      {
        where: q('How do the other nodes learn of the new owner?'),
        before: async (stage) => {
          await openSlot(stage, 7100);
          await migrate(stage, 7100, 'foo', '{foo}2', '{foo}3');
        },
        after: async (stage) => {
          await stage.ask(7102, 'CLUSTER', 'SETSLOT', '12182', 'NODE', stage.env['T']!);
          await stage.until(7101, ['CLUSTER', 'NODES'], / 12182$/m);
          await moveSlot(stage, 0, 7102);
        },
      },
      { where: q('What is in nodes.conf?') },
      {
        where: q('What happens when all nodes restart at once?'),
        before: async (stage) => {
          await Promise.all([7102, 7104].map((port) => kill(stage, port)));
          await Promise.all([7102, 7104].map((port) => restart(stage, port)));
        },
      },
      {
        where: q('Who decides that a replica becomes master?'),
        before: async (stage) => {
          await stage.real.failover(stage.placeOf(7101));
          // The vote is older than the current epoch, as on the page.
          await stage.ask(7102, 'CLUSTER', 'BUMPEPOCH');
        },
      },
      {
        where: q('What becomes of a client that is blocked in BLPOP'),
        before: (stage) => stage.until(7102, ['CLUSTER', 'INFO'], /cluster_state:ok/),
        meanwhile: {
          0: async (stage) => {
            await stage.until(7102, ['INFO', 'clients'], /blocked_clients:1/);
            await moveSlot(stage, 12714, 7100);
          },
        },
      },
      { where: q('And to a transaction?') },
    ],
  },
  {
    real: {},
    valkey: {},
    parts: [
      {
        where: q('What is different with MIGRATESLOTS of Valkey 9?'),
        before: async (stage) => {
          stage.env['TARGET'] = String(await stage.ask(7230, 'CLUSTER', 'MYID'));
        },
      },
    ],
  },
  {
    bundled: { open: true },
    parts: [
      {
        where: q('When is a new node ready to receive slots?'),
        before: async (stage) => {
          await stage.startNode(7313, ['--cluster-enabled', 'yes', '--cluster-node-timeout', '5000']);
          await stage.ask(7002, 'SET', 'foo', 'bar');
        },
      },
    ],
  },
  { bundled: {}, valkey: {}, parts: [{ where: q('Are there databases in a cluster?') }] },

  // Persistence
  {
    bundled: { processes: true },
    parts: [
      {
        where: q('RDB or AOF?'),
        between: { 2: (stage) => restart(stage, 7002) },
      },
    ],
  },
  {
    parts: [
      {
        where: q('What if nodes.conf is lost?'),
        before: async (stage) => {
          await stage.startNode(7350);
          await stage.ask(7350, 'CLUSTER', 'ADDSLOTSRANGE', ...all);
          await stage.until(7350, ['CLUSTER', 'INFO'], /cluster_state:ok/);
          await stage.ask(7350, 'SET', 'foo', 'bar');
        },
        between: {
          1: async (stage) => {
            await stage.ask(7350, 'SAVE');
            await stage.killNode(7350);
            const folder = join(stage.folder, String(stage.portOf(7350)));
            await Promise.all(['nodes.conf', 'nodes.json'].map((name) => rm(join(folder, name))));
            await stage.startNode(7350);
          },
        },
      },
    ],
  },
  {
    real: { config: soon },
    parts: [
      {
        where: q('What if nodes.conf is older than the cluster state?'),
        before: async (stage) => {
          await stage.real.failover(stage.placeOf(7102));
          await moveSlot(stage, 0, 7104);
          await kill(stage, 7104);
          await isMaster(stage, 7102);
          await restart(stage, 7104);
        },
      },
    ],
  },
  {
    parts: [
      {
        where: q('What happens if `appendonly yes` is added'),
        before: async (stage) => {
          await stage.startNode(7350, []);
          await stage.ask(7350, 'SET', 'foo', 'bar');
        },
        after: (stage) => stage.run('redis-cli -p 7350 SHUTDOWN NOSAVE'),
      },
    ],
  },

  // Replication
  {
    bundled: { processes: true, config: soon },
    parts: [
      {
        where: 'principles/replication#See it',
        before: together(pid('22681', 7005), pid('22678', 7002)),
      },
      { where: q('Are acknowledged writes safe?') },
    ],
  },
  {
    real: { config: soon },
    parts: [
      {
        where: 'principles/replication#See it#2',
        before: async (stage) => {
          await stage.ask(7102, 'SET', '{u}5', 'kept');
          await stage.until(7104, ['DBSIZE'], /^1$/);
          stage.real.node(stage.placeOf(7104)).pause();
          await stage.ask(7102, 'CLIENT', 'KILL', 'TYPE', 'replica');
          await stage.ask(7102, 'SET', '{u}6', 'lost');
          await kill(stage, 7102);
          stage.real.node(stage.placeOf(7104)).resume();
          await isMaster(stage, 7104);
        },
      },
      { where: q('Full or partial synchronization: what decides?') },
    ],
  },
  { bundled: {}, parts: [{ where: q('How can writes be refused when there is no replica?') }] },
  { real: {}, parts: [{ where: 'principles/replication#See it#3' }] },

  // Principles
  {
    bundled: {},
    parts: [{ where: 'principles/elections#See it' }],
  },
  {
    real: {},
    parts: [
      {
        where: 'principles/elections#See it#2',
        before: async (stage) => {
          await moveSlot(stage, 12182, 7100);
          await moveSlot(stage, 0, 7102);
        },
      },
    ],
  },
  {
    bundled: { processes: true, config: soon },
    parts: [
      {
        where: 'principles/persistence#See it',
        before: async (stage) => {
          await moveSlot(stage, 12182, 7000);
          await moveSlot(stage, 0, 7002);
          stage.pids.set('22690', await stage.pidOf(7002)).set('22681', await stage.pidOf(7005));
        },
      },
      { where: 'principles/persistence#See it#2', before: (stage) => restart(stage, 7002) },
    ],
  },
  {
    real: { config: { appendfsync: 'always' } },
    parts: [
      {
        where: 'principles/persistence#See it#3',
        before: async (stage) => {
          await moveSlot(stage, 12182, 7100);
          await stage.real.failover(stage.placeOf(7101));
          await moveSlot(stage, 0, 7102);
          await stage.ask(7102, 'SET', '{u}7', 'durable');
          await restart(stage, 7102);
        },
      },
    ],
  },
  {
    bundled: {},
    parts: [
      {
        where: 'principles/redirects#See it',
        before: (stage) => stage.ask(7002, 'SET', 'foo', 'bar'),
        between: { 2: (stage) => openSlot(stage, 7000), 3: (stage) => migrate(stage, 7000, 'foo') },
      },
    ],
  },
  {
    real: {},
    parts: [
      {
        where: 'principles/redirects#See it#2',
        before: async (stage) => {
          await openSlot(stage, 7100);
          await migrate(stage, 7100, 'foo');
        },
      },
    ],
  },
  {
    bundled: {},
    parts: [
      {
        where: 'principles/resharding#See it',
        before: async (stage) => {
          for (const key of ['foo', '{foo}2', '{foo}3']) await stage.ask(7002, 'SET', key, 'x');
          await ids(stage, 7002, 7000);
        },
      },
    ],
  },
  {
    real: {},
    parts: [
      {
        where: 'principles/resharding#See it#2',
        between: {
          1: (stage) => moveSlot(stage, 12182, 7100),
          // After `redis-cli --cluster create` the current epoch was that of no master; here it was that of 7102.
          2: (stage) => stage.ask(7102, 'CLUSTER', 'BUMPEPOCH'),
        },
      },
      {
        where: 'principles/resharding#See it#3',
        before: async (stage) => {
          await ids(stage, 7102, 7100);
          await stage.ask(7102, 'CLUSTER', 'SETSLOT', '16383', 'MIGRATING', stage.env['T']!);
        },
      },
    ],
  },

  // Client
  {
    bundled: { processes: true, config: soon },
    parts: [
      {
        where: q('What does an application notice of a failover?'),
        before: together(saveWriter, pid('817', 7002)),
      },
    ],
  },
];

/** Freezes the second master of redis-server, and notes what the others show of it; kept is who suspected it first. */
async function freezeAndWatch(stage: Stage): Promise<void> {
  const watchers = [7100, 7102, 7103, 7104, 7105].map((port) => ({ node: stage.connect(port), seen: [] as string[] }));
  const frozen = stage.real.node(1);
  const line = new RegExp(`:${stage.portOf(7101)}@\\S+ (\\S+)`);
  const start = Date.now();
  frozen.pause();
  await until('all flag it as FAIL', async () => {
    const views = await Promise.all(watchers.map(({ node }) => node.cluster('NODES')));
    for (const [at, view] of views.entries()) {
      const { seen } = watchers[at]!;
      const row = `7101: ${line.exec(String(view))![1]}`;
      if (row.includes('fail') && !seen.at(-1)?.endsWith(row)) seen.push(`${Date.now() - start} ms  ${row}`);
    }
    return watchers.every(({ seen }) => seen.at(-1)?.endsWith(',fail'));
  });
  stage.shown = (watchers.find(({ seen }) => seen.length > 1) ?? watchers[0]!).seen.join('\n');
  frozen.resume();
}
