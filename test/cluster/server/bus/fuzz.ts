// Unknown nodes at the bus port: random bytes and mutated packets, by the hundred thousand, against a running cluster.
// Run as a script, any bad input of which there is a proof:
//   node build/test/cluster/server/bus/fuzz.js [--kind packets|rdb|restore|psync|nodes|aof|scripts|acl|door|tracking|all]
//     [--runs 100000]
//     [--seed 1] [--alone]
// `--alone`: payloads of RESTORE and definitions of users are not given to redis-server, too, which takes a hundred
// times as long.
// Ends with 1 when something is not what it was before, or an input did more than be taken or refused.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodesText } from '../../../../server/cluster/text.ts';
import { type BundledCluster, startCluster } from '../../../../server/index.ts';
import { fuzzAcl } from '../../../fault/fuzz/acl.ts';
import { fuzzAof } from '../../../fault/fuzz/aof.ts';
import { fuzzDoor } from '../../../fault/fuzz/door.ts';
import { type Chance, type InputReport, reportText } from '../../../fault/fuzz/kit.ts';
import { fuzzNodes } from '../../../fault/fuzz/nodes.ts';
import { fuzzPsync } from '../../../fault/fuzz/psync.ts';
import { fuzzRdb } from '../../../fault/fuzz/rdb.ts';
import { fuzzRestore } from '../../../fault/fuzz/restore.ts';
import { fuzzScripts } from '../../../fault/fuzz/scripts.ts';
import { fuzzTracking } from '../../../fault/fuzz/tracking.ts';
import { chanceFrom, mutated, vectors } from '../../../unit/server/bus/packet-kit.ts';

export interface FuzzReport {
  readonly packets: number;
  /** Packets that made sense and were learned from, or could have been. */
  readonly heard: number;
  /** Connections that the nodes closed. */
  readonly closed: number;
  /** What the nodes say of the cluster, before and after. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** Most nodes in handshake seen at once on one node. */
  readonly handshakes: number;
}

const config = { 'cluster-node-timeout': '1000' };
const batch = 200;
const settleMs = 10_000;

/** What may not change: nodes, roles, slots, epochs, health. */
function views(cluster: BundledCluster): string[] {
  return cluster.nodes.map(({ server, state }) => {
    const epochs = `${state!.currentEpoch} ${state!.lastVoteEpoch} ${server.member.up}`;
    return `${epochs}\n${nodesText(state!, () => undefined)}`;
  });
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: port + 10_000 });
  socket.on('error', () => undefined).resume();
  await once(socket, 'connect');
  return socket;
}

function noise(chance: (bound: number) => number): Buffer {
  return Buffer.from(Array.from({ length: 1 + chance(64) }, () => chance(256)));
}

/** Most packets get a frame in order, or the link would be closed at the first. */
function framed(packet: Buffer, chance: (bound: number) => number): Buffer {
  if (packet.length < 2256 || chance(2 * batch) === 0) return packet.length < 2256 ? Buffer.alloc(0) : packet;
  packet.write('RCmb', 0, 'latin1');
  packet.writeUInt32BE(packet.length, 4);
  if (chance(8) > 0) packet.writeUInt16BE(1, 8);
  return packet;
}

function heardBy(cluster: BundledCluster): number {
  let sum = 0;
  for (const { server } of cluster.nodes) for (const count of server.member.links.stats.received.values()) sum += count;
  return sum;
}

export async function fuzz(packets: number, seed: number): Promise<FuzzReport> {
  await using cluster = await startCluster({ bus: 'tcp', masters: 3, replicas: 0, config });
  const chance = chanceFrom(seed);
  const originals = vectors.map(({ hex }) => Buffer.from(hex, 'hex'));
  const before = views(cluster);
  const heardBefore = heardBy(cluster);
  const sockets: (Socket | undefined)[] = cluster.nodes.map(() => undefined);
  let closed = 0;
  let handshakes = 0;
  for (let sent = 0; sent < packets; ) {
    const at = chance(cluster.nodes.length);
    if (sockets[at]?.destroyed) closed++;
    if (sockets[at] === undefined || sockets[at].destroyed) sockets[at] = await dial(cluster.nodes[at]!.port);
    const chunks: Buffer[] = [];
    for (let left = batch; left > 0 && sent < packets; left--, sent++) {
      const packet = mutated(originals[chance(originals.length)]!, chance);
      chunks.push(chance(4 * batch) === 0 ? noise(chance) : framed(packet, chance));
    }
    sockets[at].write(Buffer.concat(chunks));
    await new Promise((resolve) => setImmediate(resolve));
    if (sent % (50 * batch) === 0) await pause(20);
    const strange = [...cluster.nodes[at]!.state!.nodes.values()].filter((node) => node.handshake).length;
    handshakes = Math.max(handshakes, strange);
  }
  await pause(200);
  const heard = heardBy(cluster) - heardBefore;
  for (const socket of sockets) socket?.destroy();
  const end = performance.now() + settleMs;
  while (performance.now() < end && views(cluster).some((view, at) => view !== before[at])) await pause(100);
  return { packets, heard, closed, before, after: views(cluster), handshakes };
}

async function fuzzPackets(runs: number, seed: number): Promise<boolean> {
  const report = await fuzz(runs, seed);
  const same = report.after.every((view, at) => view === report.before[at]);
  if (!same) console.log(`before:\n${report.before.join('\n')}\nafter:\n${report.after.join('\n')}`);
  console.log(
    `packets: ${report.packets}, ${report.heard} of them made sense, ${report.closed} links closed, ` +
      `${report.handshakes} handshakes at once at most: ${same ? 'nothing changed' : 'the cluster changed'}`,
  );
  return same;
}

type Fuzz = (runs: number, chance: Chance, against: boolean) => Promise<InputReport>;

const others: Readonly<Record<string, Fuzz>> = {
  aof: fuzzAof,
  rdb: fuzzRdb,
  restore: fuzzRestore,
  psync: fuzzPsync,
  nodes: fuzzNodes,
  scripts: fuzzScripts,
  acl: fuzzAcl,
  door: fuzzDoor,
  tracking: fuzzTracking,
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      kind: { type: 'string', default: 'packets' },
      runs: { type: 'string', default: '100000' },
      packets: { type: 'string' },
      seed: { type: 'string', default: '1' },
      alone: { type: 'boolean', default: false },
    },
  });
  const runs = Number(values.packets ?? values.runs);
  const seed = Number(values.seed);
  const known = ['packets', ...Object.keys(others)];
  const kinds = values.kind === 'all' ? known : values.kind.split(',');
  for (const kind of kinds) {
    if (!known.includes(kind)) throw new Error(`--kind ${kind} is none of ${known.join(', ')}, all`);
    if (kind === 'packets') process.exitCode = (await fuzzPackets(runs, seed)) ? process.exitCode : 1;
    else console.log(reportText(await others[kind]!(runs, chanceFrom(seed), !values.alone)));
  }
  process.exit();
}
