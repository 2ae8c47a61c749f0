// Every node of a real cluster stands behind a proxy that cuts, delays, halves, stalls and garbles, while slots move.
// A mixed load goes through, every reply is judged. CHAOS_SECONDS (default 9, for all cases together) and CHAOS_SEED may be given; the seed fixes
// what load and proxies draw, not how the sockets interleave.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, type ClusterOptions, slotOf } from '../../lib/index.ts';
import { ProxyRing } from '../kit/proxy.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../kit/real-cluster.ts';
import { type Repeated, repeat } from '../kit/repeat.ts';
import { until } from '../kit/until.ts';
import { agreement } from './agreement.ts';
import { type LoadOptions, MixedLoad } from './mixed/load.ts';

const seconds = Number(process.env['CHAOS_SECONDS'] ?? 9);
const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000);

const chances = { cut: 0.004, cutInside: 0.004, delay: 0.05, halve: 0.05, stall: 0.0005, garble: 0.008 };

interface Case {
  readonly name: string;
  readonly options: ClusterOptions;
  readonly load?: Partial<LoadOptions>;
}

/** An answer that cannot be read fails its call, and writes behind it: nobody knows whether they were done. */
function isGarbled(error: Error & { code?: string }): boolean {
  return error.code === 'EPROTO' || (error.code === 'ERR_BROKEN_STREAM' && !/^m?get$/.test(commandOf(error)));
}

const cases: Case[] = [
  { name: 'RESP3', options: {}, load: { mayFail: isGarbled } },
  { name: 'RESP2', options: { redisOptions: { protocol: 2 } }, load: { mayFail: isGarbled } },
  {
    name: 'at most once',
    options: { resend: 'readonly' },
    // Writes whose outcome is unknown fail; reads do only where their own answer is garbled.
    load: { atMostOnce: true, mayFail: (error) => !/^m?get$/.test(commandOf(error)) || isGarbled(error) },
  },
];

function commandOf(error: Error & { command?: { name: string } }): string {
  return error.command?.name ?? 'none';
}

/**
 * A slot rests for longer than any byte is held up on its way: a write with ASKING that arrives when its slot has gone and
 * is being moved in again makes a second copy of its key, whoever sends it.
 */
const restOfSlot = 4000;

/** Moves slots that hold keys of the load to and fro until stopped. */
function keepMoving(cluster: RealCluster, slots: readonly number[]): Repeated {
  const moved: number[] = [];
  return repeat(async (count) => {
    const at = count % slots.length;
    const rest = (moved[at] ?? Number.NEGATIVE_INFINITY) + restOfSlot - performance.now();
    if (rest > 0) await pause(rest);
    const slot = slots[at]!;
    const owner = await cluster.ownerOf(slot);
    const others = cluster.masters.filter((node) => node.id !== owner.id);
    await cluster.moveSlot(slot, others[count % others.length]!);
    moved[at] = performance.now();
    await agreement(cluster.nodes);
  });
}

describe('fault: proxies that cut, delay, stall and garble', function () {
  this.timeout(120_000 + seconds * 1000);
  let cluster: RealCluster;

  before(async function () {
    needRedisServer(this, 'chaos tests');
    cluster = await startRealCluster();
  });
  after(() => cluster?.stop());
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') console.log(`        CHAOS_SEED=${seed}`);
    await cluster?.flush();
  });

  for (const [at, { name, options, load: loadOptions }] of cases.entries()) {
    it(`${name}: every reply is judged, nothing is lost, nothing stays open`, async () => {
      const ring = await ProxyRing.start(cluster.nodes, { chances }, seed + at);
      const client = new Cluster(ring.seeds, { natMap: ring.natMap, ...options });
      const unhandled: unknown[] = [];
      const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
      process.on('unhandledRejection', onUnhandled);
      try {
        const load = new MixedLoad(client, { seed: seed + 10 + at, ...loadOptions });
        load.start();
        await until('the load runs', () => load.total > 100);
        const moves = keepMoving(
          cluster,
          load.keys.map((key) => slotOf(key)),
        );
        ring.stormy = true;
        await pause((seconds / cases.length) * 1000);
        await until('every fault has happened', () =>
          (['cut', 'cutInside', 'delay', 'halve', 'garble'] as const).every((fault) => ring.counts[fault] > 0),
        );
        const moved = await moves.stop();
        ring.stormy = false;
        const unsettled = await load.stop(30_000);
        await load.verify();
        await until('garbled connections are closed', () => ring.garbledOpen === 0, 10_000);
        console.log(
          `        seed ${seed}: ${load.total} steps, ${moved} slots moved, ${JSON.stringify(ring.counts)}, errors ${JSON.stringify([...load.errors])}`,
        );
        assert.deepEqual(load.wrong, []);
        assert.deepEqual(load.refused, []);
        assert.equal(unsettled, 0, 'promises that never settled');
        assert.deepEqual(unhandled, []);
        // The weather was real.
        assert.ok(load.total > 200 && moved > 0);
      } finally {
        process.off('unhandledRejection', onUnhandled);
        client.disconnect();
        await ring.stop();
      }
    });
  }
});
