// Six nodes of two kinds as processes, in pairs of a master and a replica of the other kind, and what is done to them.

import { spawn } from 'node:child_process';
import { type ConfiguredNode, type Kind, startProcess } from '../../kit/configured-node.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { until as untilOf } from '../../kit/until.ts';
import { chanceFrom } from '../../unit/server/bus/packet-kit.ts';
import { countedPrefix } from './data.ts';

export const nodeTimeoutMs = 3000;
const timeoutMs = 60_000;
/** Redis-server gives up a manual failover after 5 s. */
const manualFailoverMs = 6000;

const settings: Readonly<Record<string, string>> = {
  'cluster-enabled': 'yes',
  'cluster-node-timeout': String(nodeTimeoutMs),
  'enable-debug-command': 'yes',
  'repl-diskless-sync-delay': '0',
  'repl-ping-replica-period': '1',
  'repl-backlog-size': '16mb',
  // Written only by SHUTDOWN: a node that is stopped in order knows how far it was.
  save: '86400 100000000',
};

export interface Member {
  readonly process: ConfiguredNode;
  readonly id: string;
  alive: boolean;
}

interface Line {
  readonly id: string;
  readonly port: number;
  readonly flags: readonly string[];
  readonly master: string;
}

export class MixedCluster {
  readonly members: readonly Member[];
  readonly #chance: (bound: number) => number;
  readonly #dead: Member[] = [];

  private constructor(members: readonly Member[], seed: number) {
    this.members = members;
    this.#chance = chanceFrom(seed + 77);
  }

  /** Kinds by turns; odd seeds begin with a real one, so that masters are two real ones and one of ours. */
  static async start(
    seed: number,
    more: (at: number) => Readonly<Record<string, string>> = () => ({}),
  ): Promise<MixedCluster> {
    const members: Member[] = [];
    try {
      for (let at = 0; at < 6; at++) {
        const kind: Kind = (at + seed) % 2 === 0 ? 'ours' : 'real';
        const process = await startProcess(kind, { ...settings, ...more(at) });
        members.push({ process, id: String(await process.say('CLUSTER', 'MYID')), alive: true });
      }
    } catch (error) {
      await Promise.all(members.map((member) => member.process.end()));
      throw error;
    }
    return new MixedCluster(members, seed);
  }

  get seeds(): { host: string; port: number }[] {
    return this.members.map(({ process }) => ({ host: process.host, port: process.port }));
  }

  async end(): Promise<void> {
    await Promise.all(this.members.map(({ process }) => process.end()));
  }

  /** What every node last said, for a failure. */
  picture(): string {
    return this.members
      .map(
        ({ process, id, alive }) =>
          `\n--- ${process.kind} ${process.port} ${id}${alive ? '' : ' dead'}\n${process.log().split('\n').slice(-25).join('\n')}`,
      )
      .join('\n');
  }

  // ---- steps

  async create(): Promise<string> {
    const addresses = this.members.map(({ process }) => `${process.host}:${process.port}`);
    await this.#cli('create', ...addresses, '--cluster-replicas', '1', '--cluster-yes');
    await this.agreed();
    // redis-cli draws by lot who follows whom where all share one host; here each pair is to be of two kinds.
    const lines = await this.#lines(this.members[0]!);
    const masters = this.members.filter(({ id }) => lines.find((line) => line.id === id)!.master === '-');
    const replicas = this.members.filter((member) => !masters.includes(member));
    for (const master of masters) {
      const at = replicas.findIndex(({ process }) => process.kind !== master.process.kind);
      const [replica] = replicas.splice(Math.max(at, 0), 1);
      await ok(replica!.process, 'CLUSTER', 'REPLICATE', master.id);
    }
    await this.agreed();
    await this.inStep();
    return `masters ${masters.map(({ process }) => process.kind).join(', ')}, each with a replica of the other kind`;
  }

  async reshard(from: Kind, to: Kind, slots: number): Promise<string> {
    const pick = async (kind: Kind): Promise<Member> => {
      const masters = await this.#masters(kind);
      if (masters.length === 0) throw new Error(`no ${kind} master`);
      return masters[this.#chance(masters.length)]!;
    };
    const [source, target] = [await pick(from), await pick(to)];
    const plan = ['--cluster-from', source.id, '--cluster-to', target.id, '--cluster-slots', String(slots)];
    await this.#cli('reshard', `${source.process.host}:${source.process.port}`, ...plan, '--cluster-yes');
    await this.agreed();
    return `${slots} slots`;
  }

  /** All connections to replicas end; they must go on from where they were. */
  async cutLinks(kind: Kind): Promise<string> {
    const notes: string[] = [];
    for (const master of await this.#masters(kind)) {
      const before = await stats(master.process);
      await ok(master.process, 'CLIENT', 'KILL', 'TYPE', 'replica');
      await until('its replica went on', async () => (await stats(master.process)).partial > before.partial);
      const after = await stats(master.process);
      if (after.full !== before.full) throw new Error('the replica took a whole copy');
      notes.push(`+${after.partial - before.partial} partial`);
    }
    await this.inStep();
    return notes.join(', ');
  }

  /** It saves what it has and how far it is, and goes on from there. */
  async restartReplica(kind: Kind): Promise<string> {
    const notes: string[] = [];
    for (const { master, replica } of await this.pairs()) {
      if (replica.process.kind !== kind) continue;
      const before = await stats(master.process);
      await shutDown(replica.process);
      await pause(300);
      await replica.process.start();
      await this.inStep();
      const after = await stats(master.process);
      notes.push(`+${after.partial - before.partial} partial, +${after.full - before.full} full`);
      if (after.full !== before.full)
        throw new Error(`the replica took a whole copy\n${replica.process.log().slice(-3000)}`);
    }
    return notes.join('; ');
  }

  async killMaster(kind: Kind): Promise<string> {
    const pair = (await this.pairs()).find(({ master }) => master.process.kind === kind);
    if (pair === undefined) throw new Error(`no ${kind} master with a replica`);
    const { master, replica } = pair;
    const start = performance.now();
    await master.process.kill();
    master.alive = false;
    this.#dead.push(master);
    await until('its replica took over', async () =>
      /role:master/.test(String(await replica.process.say('INFO', 'replication'))),
    );
    const took = performance.now() - start;
    await this.agreed();
    return `its ${replica.process.kind} replica took over after ${Math.round(took)} ms, all agree after ${Math.round(performance.now() - start)} ms`;
  }

  async restartDead(): Promise<string> {
    const notes: string[] = [];
    for (const member of this.#dead.splice(0)) {
      await member.process.start();
      member.alive = true;
    }
    await this.agreed();
    await this.inStep();
    for (const { master, replica } of await this.pairs()) {
      const { full, partial } = await stats(master.process);
      notes.push(
        `${replica.process.kind} follows ${master.process.kind} (of its life: ${full} full, ${partial} partial)`,
      );
    }
    if (notes.length !== 3) throw new Error(`${notes.length} pairs: ${notes.join(', ')}`);
    return notes.join('; ');
  }

  async failover(kind: Kind): Promise<string> {
    const flapsBefore = this.#flaps();
    let changed = 0;
    for (const { master, replica } of await this.pairs()) {
      if (replica.process.kind !== kind) continue;
      const before = await stats(replica.process);
      await this.#takeOver(replica);
      await this.agreed();
      await this.inStep();
      const after = await stats(replica.process);
      if (after.full !== before.full)
        throw new Error(`the ${master.process.kind} master that stepped down took a whole copy`);
      changed++;
    }
    const flaps = this.#flaps() - flapsBefore;
    return `${changed} changed roles, those that stepped down went on without a copy, ${flaps} times a real node saw the cluster fail`;
  }

  /** As often as it takes: redis-server lets a request expire that comes too soon after an election. */
  async #takeOver(replica: Member): Promise<void> {
    let askedAt = Number.NEGATIVE_INFINITY;
    await until(`${replica.process.port} is master`, async () => {
      if (performance.now() - askedAt > manualFailoverMs) {
        await ok(replica.process, 'CLUSTER', 'FAILOVER');
        askedAt = performance.now();
      }
      return /role:master/.test(String(await replica.process.say('INFO', 'replication')));
    });
  }

  /** Times that a real node thought the cluster down, by their logs. */
  #flaps(): number {
    const logs = this.members.filter(({ process }) => process.kind === 'real').map(({ process }) => process.log());
    return logs.join('').split('Cluster state changed: fail').length - 1;
  }

  // ---- what must hold

  /** Every replica is linked and has everything that its master has. */
  async inStep(): Promise<void> {
    await until('replicas are in step', async () => {
      const pairs = await this.pairs();
      for (const { master, replica } of pairs) {
        const [mine, theirs] = await Promise.all([
          info(master.process, 'replication'),
          info(replica.process, 'replication'),
        ]);
        if (theirs['master_link_status'] !== 'up')
          throw new Error(`${replica.process.port}: ${theirs['master_link_status']}`);
        if (mine['master_repl_offset'] !== theirs['master_repl_offset'])
          throw new Error(`${replica.process.port}: ${theirs['master_repl_offset']} of ${mine['master_repl_offset']}`);
      }
      return true;
    });
  }

  /** Both of each pair hold the same keys with the same values. */
  async compare(): Promise<string> {
    const notes: string[] = [];
    for (const { master, replica } of await this.pairs()) {
      const [mine, theirs] = await Promise.all([digests(master.process), digests(replica.process)]);
      for (const [key, digest] of mine) {
        if (theirs.get(key) !== digest)
          throw new Error(
            `${key}: ${digest} of ${master.process.kind} ${master.process.port}, ${theirs.get(key)} of ${replica.process.kind} ${replica.process.port}`,
          );
      }
      if (mine.size !== theirs.size)
        throw new Error(`${mine.size} keys of ${master.process.port}, ${theirs.size} of ${replica.process.port}`);
      notes.push(`${master.process.kind}/${replica.process.kind} ${mine.size}`);
    }
    return notes.join(', ');
  }

  /** All that run see the same masters, replicas and slots, and nobody in trouble. */
  async agreed(): Promise<void> {
    await until('all nodes agree', async () => {
      const views = await Promise.all(this.#alive().map((member) => this.#view(member)));
      if (new Set(views).size > 1) throw new Error(views.join('\n'));
      return true;
    });
  }

  async #view(member: Member): Promise<string> {
    const text = String(await member.process.say('CLUSTER', 'INFO'));
    if (!text.includes('cluster_state:ok')) throw new Error(`${member.process.port}: ${text.split('\r\n')[0]}`);
    const alive = new Set(this.#alive().map(({ id }) => id));
    const lines = (await this.#lines(member)).filter(({ id }) => alive.has(id));
    for (const { port, flags } of lines) {
      if (flags.some((flag) => /fail|handshake|noaddr/.test(flag)))
        throw new Error(`${member.process.port}: ${port} is ${flags}`);
    }
    const slots = (await member.process.say('CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
    const owners = slots.map(([from, to, [, port]]) => `${from}-${to} ${port}`).sort();
    const masters = lines.map(({ port, master }) => `${port} of ${master}`).sort();
    return [...owners, ...masters].join(', ');
  }

  async #lines(member: Member): Promise<Line[]> {
    const text = String(await member.process.say('CLUSTER', 'NODES'));
    return text
      .trim()
      .split('\n')
      .map((row) => {
        const [id, address, flags, master] = row.split(' ') as [string, string, string, string];
        return { id, port: Number(/:(\d+)@/.exec(address)?.[1]), flags: flags.split(','), master };
      });
  }

  #alive(): Member[] {
    return this.members.filter(({ alive }) => alive);
  }

  async #masters(kind: Kind): Promise<Member[]> {
    const lines = await this.#lines(this.#alive()[0]!);
    return this.#alive().filter(
      ({ id, process }) => process.kind === kind && lines.find((line) => line.id === id)?.master === '-',
    );
  }

  async pairs(): Promise<{ master: Member; replica: Member }[]> {
    const alive = this.#alive();
    const lines = await this.#lines(alive[0]!);
    return alive.flatMap((replica) => {
      const followed = lines.find(({ id }) => id === replica.id)?.master;
      const master = alive.find(({ id }) => id === followed);
      return master === undefined ? [] : [{ master, replica }];
    });
  }

  async #cli(...words: string[]): Promise<void> {
    const child = spawn('redis-cli', ['--cluster', ...words]);
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    child.stderr.on('data', (chunk) => (text += chunk));
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0) throw new Error(`redis-cli --cluster ${words[0]}: ${text.slice(-1500)}`);
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** As until() of the kit, with the limit that two kinds of servers on one machine need. */
export const until = (what: string, holds: () => Promise<boolean>): Promise<boolean> => untilOf(what, holds, timeoutMs);

async function ok(node: ConfiguredNode, ...words: string[]): Promise<unknown> {
  const reply = await node.say(...words);
  if (reply instanceof Error) throw new Error(`${node.kind} ${node.port}: ${words.join(' ')}: ${reply.message}`);
  return reply;
}

async function info(node: ConfiguredNode, section: string): Promise<Record<string, string>> {
  const text = String(await ok(node, 'INFO', section));
  return Object.fromEntries([...text.matchAll(/^(\w+):(.*)\r$/gm)].map(([, name, value]) => [name, value]));
}

async function stats(node: ConfiguredNode): Promise<{ full: number; partial: number }> {
  const lines = await info(node, 'stats');
  return { full: Number(lines['sync_full']), partial: Number(lines['sync_partial_ok']) };
}

async function shutDown(node: ConfiguredNode): Promise<void> {
  await node.say('SHUTDOWN', 'SAVE').catch(() => undefined);
  await until(`${node.port} is down`, () =>
    node.say('PING').then(
      () => false,
      () => true,
    ),
  );
  await node.kill();
}

/** Key -> what it holds, for all keys; what depends on the form of a value alone is left out. */
async function digests(node: ConfiguredNode): Promise<Map<string, string>> {
  const client = await RespClient.connect(node.port);
  try {
    await client.call('READONLY');
    const found = new Map<string, string>();
    let cursor = '0';
    do {
      const [next, keys] = (await client.call('SCAN', cursor, 'COUNT', '1000')) as [string, string[]];
      cursor = next;
      const plain = keys.filter((key) => !key.startsWith(countedPrefix));
      if (plain.length > 0) {
        const values = (await client.call('DEBUG', 'DIGEST-VALUE', ...plain)) as string[];
        for (const [at, key] of plain.entries()) found.set(key, values[at]!);
      }
      const counted = keys.filter((key) => key.startsWith(countedPrefix));
      const counts = await Promise.all(counted.map((key) => client.call('PFCOUNT', key)));
      for (const [at, key] of counted.entries()) found.set(key, String(counts[at]));
    } while (cursor !== '0');
    return found;
  } finally {
    client.close();
  }
}
