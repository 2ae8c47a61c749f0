// A cluster of processes of both kinds whose bus is parted: the smaller part, a master and the replica of another, stops
// taking writes; the larger one elects a replica and goes on; mended, all are one again, with what the larger part
// acknowledged. `node build/test/fault/mixed/partition.js [--seeds 1..2]`
// Prints what each took; ends with 1 at the first thing that is not as it should be.

import { parseArgs } from 'node:util';
import { slotOf } from '../../../lib/wire/slot.ts';
import { missingRedisServer } from '../../kit/real-cluster.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { type Member, MixedCluster, nodeTimeoutMs, pause, until } from './kit.ts';
import { BusDoors } from './partition-doors.ts';

/** A master takes notice some ticks after the time is up, later on a busy machine. */
const slackMs = 2000;
const quietMs = 3000;
const restMs = 5;

/** Writes to one node until it is stopped; remembers when it last got OK. */
class Writer {
  acknowledged = 0;
  lastOkAt = Number.NEGATIVE_INFINITY;
  lastRefusal = '';
  readonly written = new Map<string, string>();
  readonly #run: Promise<void>;
  #stopping = false;

  constructor(member: Member, key: string) {
    this.#run = this.#write(member.process.port, key);
  }

  async #write(port: number, key: string): Promise<void> {
    const client = await RespClient.connect(port);
    for (let at = 0; !this.#stopping; at++) {
      const name = `{${key}}${at}`;
      const reply = await client.call('SET', name, String(at));
      if (reply instanceof Error) this.lastRefusal = reply.message;
      else {
        this.acknowledged++;
        this.lastOkAt = performance.now();
        this.written.set(name, String(at));
      }
      await pause(restMs);
    }
    client.close();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#run;
  }
}

async function keyOf(master: Member): Promise<string> {
  const slots = (await master.process.say('CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
  const mine = slots.filter(([, , [, port]]) => port === master.process.port);
  for (let at = 0; ; at++) {
    const slot = slotOf(`key:${at}`);
    if (mine.some(([from, to]) => slot >= from && slot <= to)) return `key:${at}`;
  }
}

async function roleOf(member: Member): Promise<string> {
  return String(/role:(\w+)/.exec(String(await member.process.say('INFO', 'replication')))?.[1]);
}

/** Parts the cluster so that a master of `kind` is in the smaller part; what came of it. */
async function partOnce(cluster: MixedCluster, doors: BusDoors, kind: 'ours' | 'real'): Promise<string> {
  const pairs = await cluster.pairs();
  const lost = pairs.find(({ master }) => master.process.kind === kind)!;
  const stray = pairs.find((pair) => pair !== lost)!.replica;
  const key = await keyOf(lost.master);
  const small = new Writer(lost.master, key);
  await pause(300);
  const cutAt = performance.now();
  doors.part([lost.master.id, stray.id]);
  await until('the replica in the larger part takes over', async () => (await roleOf(lost.replica)) === 'master');
  const electedAfter = performance.now() - cutAt;
  const large = new Writer(lost.replica, key);
  await until('the larger part takes writes', async () => large.acknowledged > 0);
  const servesAfter = performance.now() - cutAt;
  await pause(quietMs);
  const stoppedAfter = small.lastOkAt - cutAt;
  if (stoppedAfter > nodeTimeoutMs + slackMs) throw new Error(`the smaller part took a write ${stoppedAfter} ms after`);
  if (!small.lastRefusal.startsWith('CLUSTERDOWN')) throw new Error(`the smaller part says ${small.lastRefusal}`);
  if ((await roleOf(stray)) !== 'slave') throw new Error('a replica in the smaller part became master');
  await Promise.all([small.stop(), large.stop()]);
  const healAt = performance.now();
  doors.heal();
  await cluster.agreed();
  await cluster.inStep();
  const healedAfter = performance.now() - healAt;
  if ((await roleOf(lost.master)) !== 'slave') throw new Error('the old master does not follow');
  const newPrimary = await RespClient.connect(lost.replica.process.port);
  for (const [name, value] of large.written) {
    const found = await newPrimary.call('GET', name);
    if (found !== value) throw new Error(`${name} is ${String(found)}, not ${value}`);
  }
  newPrimary.close();
  return (
    `last write of the smaller part after ${ms(stoppedAfter)}, the ${lost.replica.process.kind} replica elected after ` +
    `${ms(electedAfter)}, serves after ${ms(servesAfter)}, ${large.acknowledged} writes all kept; one again ` +
    `${ms(healedAfter)} after mending; same data: ${await cluster.compare()}`
  );
}

const ms = (value: number): string => `${Math.round(value)} ms`;

async function prove(seed: number): Promise<void> {
  const doors = await BusDoors.open(6);
  const cluster = await MixedCluster.start(seed, (at) => ({ 'cluster-announce-bus-port': String(doors.ports[at]) }));
  try {
    for (const [at, { id, process }] of cluster.members.entries()) doors.lead(at, id, process.port + 10_000);
    console.log(`seed ${seed}: ${await cluster.create()}`);
    for (const kind of ['real', 'ours'] as const) {
      console.log(`  a ${kind} master cut off: ${await partOnce(cluster, doors, kind)}`);
    }
    console.log(`  ${doors.dropped} pieces of the bus were dropped`);
  } catch (error) {
    console.log(cluster.picture());
    throw error;
  } finally {
    doors.close();
    await cluster.end();
  }
}

const { values } = parseArgs({ options: { seeds: { type: 'string', default: '1..2' } } });
const missing = missingRedisServer();
if (missing !== undefined) {
  console.log(`skipped: ${missing}`);
  process.exit();
}
const bounds = values.seeds.split('..').map(Number);
for (let seed = bounds[0]!; seed <= (bounds[1] ?? bounds[0]!); seed++) await prove(seed);
process.exit();
