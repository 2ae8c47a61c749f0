// The faults of the ledger proof. Each gives what it has done, by name, and throws when it could not do it.

import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { slotOf } from '../../../lib/index.ts';
import type { Harm } from '../../kit/line.ts';
import { repeat } from '../../kit/repeat.ts';
import { until } from '../../kit/until.ts';
import type { Book } from './book.ts';
import { ClusterStage, type Stage, type StageNode } from './stage.ts';
import { type Client, tooLong } from './writers.ts';

interface Scene {
  readonly stage: Stage;
  readonly client: Client;
  readonly book: Book;
  /** Shorter times. */
  readonly brief: boolean;
}

export interface FaultKind {
  readonly name: string;
  /** Where it can be done; both when left out. */
  readonly only?: 'cluster' | 'redis';
  /** How long it lasts, about, ms. */
  readonly lasts: number;
  /** Options of the client's connections. */
  readonly options?: (counts: Record<string, number>) => object;
  /** A master dies: what no replica has confirmed may go with it. */
  readonly crash?: boolean;
  /** Writers of replies that no client reads. */
  readonly odd?: boolean;
  /** Sockets are lost by others in it. */
  run(scene: Scene, counts: Record<string, number>): Promise<void>;
}

function count(counts: Record<string, number>, name: string, by = 1): void {
  counts[name] = (counts[name] ?? 0) + by;
}

function between({ stage, brief }: Scene, from: number, to: number): number {
  return Math.round(from + stage.random() * ((brief ? Math.min(to, 2500) : to) - from));
}

/** One master or, one time in three, all of them. */
async function victims({ stage }: Scene): Promise<StageNode[]> {
  const masters = await stage.masters();
  return stage.random() < 1 / 3 ? masters : [masters[Math.floor(stage.random() * masters.length)]!];
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Rounds of a silence, with a breath in between. `silence` gives how long the server was silent. */
function silences(
  name: string,
  from: number,
  to: number,
  silence: (node: StageNode, ms: number) => Promise<number>,
): FaultKind {
  return {
    name,
    lasts: 6000,
    async run(scene, counts) {
      for (let round = 0; round < 2; round++) {
        await pause(150);
        const nodes = await victims(scene);
        const ms = between(scene, round === 0 ? Math.max(from, 1100) : from, to);
        const times = await Promise.all(nodes.map((node) => silence(node, ms)));
        for (const time of times) {
          if (time < ms * 0.8) throw new Error(`${name} of ${ms} ms lasted ${time} ms`);
          count(counts, name);
          count(counts, 'ms of silence', Math.round(time));
        }
      }
      await pause(150);
    },
  };
}

const sleep = silences('sleep', 500, 4000, (node, ms) => timed(() => node.ask('debug', 'sleep', String(ms / 1000))));

const stop = silences('stop', 500, 5000, async (node, ms) => {
  process.kill(node.pid, 'SIGSTOP');
  await pause(20);
  const stopped = isStopped(node.pid);
  const took = await timed(() => pause(ms));
  process.kill(node.pid, 'SIGCONT');
  return stopped ? took : 0;
});

function isStopped(pid: number): boolean {
  return /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

const pauseAll = silences('pause all', 500, 4000, async (node, ms) => {
  await node.ask('client', 'pause', String(ms), 'ALL');
  return timed(() => node.ask('ping'));
});

const pauseWrites = silences('pause writes', 500, 4000, async (node, ms) => {
  await node.ask('client', 'pause', String(ms), 'WRITE');
  return timed(() => node.ask('publish', 'nobody', 'receives'));
});

const slow: FaultKind = {
  name: 'slow line',
  lasts: 6000,
  async run(scene, counts) {
    const lines = [...scene.stage.lines.values()];
    for (const line of lines) line.rate = 100_000;
    for (let round = 0; round < 2; round++) {
      await pause(300);
      const line = lines[Math.floor(scene.stage.random() * lines.length)]!;
      const ms = between(scene, round === 0 ? 1100 : 500, 5000);
      for (const each of round === 0 ? lines : [line]) each.stall(ms);
      count(counts, 'stall');
      await pause(ms + 200);
    }
    for (const line of lines) line.rate = Number.POSITIVE_INFINITY;
    count(counts, 'slow line');
  },
};

/** Lets the lines do harm until each has been done often enough. */
function harming(name: string, harms: readonly Harm[], every: number, times: number): FaultKind {
  return {
    name,
    lasts: 5000,
    async run({ stage, brief }, counts) {
      const before = stage.harmsDone();
      stage.harms = harms;
      stage.harmEvery = every;
      await pause(brief ? 2000 : 4000);
      const done = (harm: Harm): number => stage.harmsDone()[harm] - before[harm];
      await until(`${name}: each harm was done`, () => harms.every((harm) => done(harm) >= (brief ? 1 : times)), 90_000)
        .catch((error) => {
          throw new Error(`${error.message}: ${harms.map((harm) => `${harm} ${done(harm)}`)}`);
        })
        .finally(() => {
          stage.harms = [];
        });
      const after = stage.harmsDone();
      for (const harm of harms) count(counts, harm, after[harm] - before[harm]);
    },
  };
}

const cuts = harming('cuts', ['before', 'insideRequest', 'unanswered', 'inside', 'after'], 60, 3);
const garble = harming('garble', ['garble'], 120, 5);

const unreadable: FaultKind = {
  name: 'unreadable replies',
  lasts: 3000,
  odd: true,
  options: () => ({ maxBulkLength: tooLong }),
  async run({ book }, counts) {
    await pause(2000);
    const refused = (): number =>
      book.entries.filter(({ ledger, outcome }) => ledger === 'odd' && outcome === 'rejected').length;
    await until('replies were refused', () => refused() >= 4);
    count(counts, 'replies refused', refused());
  },
};

function reconnecting(answer: 1 | 2): FaultKind {
  return {
    name: `reconnectOnError ${answer}`,
    lasts: 3000,
    options: (counts) => ({
      reconnectOnError: (error: Error) => {
        if (!error.message.startsWith('WRONGTYPE')) return false;
        count(counts, 'asked whether to reconnect');
        return answer;
      },
    }),
    async run({ stage, client }, counts) {
      const triggers: Promise<unknown>[] = [];
      for (let round = 0; round < 12; round++) {
        const tag = stage.tags[round]!;
        await client.rpush(`{${tag}}:text`, 'x');
        triggers.push(client.incr(`{${tag}}:text`).catch(() => count(counts, 'errors that reconnect')));
        await pause(200);
      }
      await Promise.race([Promise.all(triggers), pause(20_000)]);
      if (!((counts['asked whether to reconnect'] ?? 0) > 0)) throw new Error('reconnectOnError was never asked');
    },
  };
}

const killClients: FaultKind = {
  name: 'CLIENT KILL',
  lasts: 3000,
  async run({ stage }, counts) {
    for (let round = 0; round < 6; round++) {
      for (const node of await stage.masters())
        count(counts, 'clients killed', Number(await node.ask('client', 'kill', 'type', 'normal', 'skipme', 'yes')));
      await pause(300);
    }
    if (!((counts['clients killed'] ?? 0) > 0)) throw new Error('no client was killed');
  },
};

function clusterOf(stage: Stage): ClusterStage {
  if (!(stage instanceof ClusterStage)) throw new Error('not a cluster');
  return stage;
}

async function isMaster(node: StageNode): Promise<boolean> {
  return /role:master/.test(String(await node.ask('info', 'replication')));
}

/** A manual failover is given up by its nodes after 5 s, when the machine is too busy: it is asked for again, and counted. */
async function takeOver(replica: StageNode, counts: Record<string, number>): Promise<void> {
  for (let asked = 1; asked <= 6; asked++) {
    await replica.ask('cluster', 'failover');
    const done = await until('the replica is master', () => isMaster(replica), 6000).catch(() => false);
    if (done) return;
    count(counts, 'failover asked for again');
  }
  throw new Error('the replica did not become master, asked for six times');
}

const failover: FaultKind = {
  name: 'manual failover',
  only: 'cluster',
  lasts: 4000,
  async run(scene, counts) {
    const stage = clusterOf(scene.stage);
    for (const replica of await stage.replicas()) {
      await takeOver(replica, counts);
      await stage.heal();
      await stage.noteOwners();
      count(counts, 'failover');
      await pause(300);
    }
  },
};

const moves: FaultKind = {
  name: 'slot moves',
  only: 'cluster',
  lasts: 4000,
  async run(scene, counts) {
    const stage = clusterOf(scene.stage);
    const end = performance.now() + (scene.brief ? 2500 : 4000);
    while (performance.now() < end) {
      // Where a pause of a server is one of the faults, MIGRATE may give up: the slot stays open until all is over.
      const tag = stage.restedTag();
      if (tag === undefined) {
        await pause(50);
        continue;
      }
      await stage.move(tag).then(
        () => count(counts, 'slot moved'),
        () => count(counts, 'move broken off'),
      );
    }
    if (!((counts['slot moved'] ?? 0) > 0)) throw new Error('no slot was moved');
  },
};

/** Marks what a replica has: a write behind it, on the same master, was acknowledged by WAIT. */
async function confirm(stage: ClusterStage, book: Book): Promise<void> {
  const owner = await stage.owners();
  const byNode = new Map<StageNode, string[]>();
  for (const tag of stage.tags) {
    const node = owner(slotOf(tag));
    byNode.set(node, [...(byNode.get(node) ?? []), tag]);
  }
  await Promise.all(
    [...byNode].map(async ([node, served]) => {
      const entries = book.unconfirmed(new Set(served));
      const answered = (async () => {
        await node.ask('incr', `{${served[0]}}:wait`);
        return Number(await node.ask('wait', '1', '500'));
      })().catch(() => 0);
      if ((await Promise.race([answered, pause(700, 0)])) < 1) return;
      for (const entry of entries) entry.confirmed = true;
    }),
  );
}

/** A master dies or falls silent for good; its replica takes over. */
function crash(
  name: string,
  strike: (node: StageNode) => Promise<void>,
  mend: (node: StageNode) => Promise<void>,
): FaultKind {
  return {
    name,
    only: 'cluster',
    lasts: 5000,
    crash: true,
    async run({ stage: any, book }, counts) {
      const stage = clusterOf(any);
      await stage.nodeTimeout('quick');
      const confirming = repeat(async () => {
        await confirm(stage, book).catch(() => undefined);
        await pause(20);
      });
      await pause(600);
      const masters = await stage.masters();
      const victim = masters[Math.floor(stage.random() * masters.length)]!;
      const { pid } = victim;
      stage.silent.add(pid);
      const from = performance.now();
      await strike(victim);
      await until('another node took over', async () => !(await stage.masters()).includes(victim));
      await stage.noteOwners();
      // Its successor is known; a client may have to find it by its own look at the map.
      await pause(1500);
      stage.noteLoss(victim.address, from, performance.now());
      await confirming.stop();
      await mend(victim);
      stage.silent.delete(pid);
      await stage.nodeTimeout('calm');
      await stage.heal();
      count(counts, name);
    },
  };
}

const kill = crash(
  'SIGKILL',
  (node) => node.kill(),
  (node) => node.restart(),
);
const freeze = crash(
  'frozen for good',
  async (node) => {
    process.kill(node.pid, 'SIGSTOP');
    await pause(20);
    if (!isStopped(node.pid)) throw new Error('it is not frozen');
  },
  async (node) => void process.kill(node.pid, 'SIGCONT'),
);

const restart: FaultKind = {
  name: 'SIGKILL and restart',
  only: 'redis',
  lasts: 2500,
  async run({ stage }, counts) {
    const [node] = stage.nodes;
    for (let round = 0; round < 2; round++) {
      await pause(300);
      await node!.kill();
      await pause(200);
      await node!.restart();
      count(counts, 'SIGKILL and restart');
    }
  },
};

/** Slots move, sockets are cut and servers pause, all at once. */
const storm: FaultKind = {
  name: 'storm',
  lasts: 6000,
  async run(scene, counts) {
    const parts = [cuts, pauseAll, ...(scene.stage.kind === 'cluster' ? [moves] : [])];
    // All of them end before the ledger is read, also where one of them could not do its harm.
    const ended = await Promise.allSettled(parts.map((part) => part.run(scene, counts)));
    for (const part of ended) if (part.status === 'rejected') throw part.reason;
  },
};

export const faults: readonly FaultKind[] = [
  sleep,
  stop,
  pauseAll,
  pauseWrites,
  slow,
  cuts,
  garble,
  unreadable,
  reconnecting(1),
  reconnecting(2),
  killClients,
  failover,
  moves,
  kill,
  freeze,
  restart,
  storm,
];
