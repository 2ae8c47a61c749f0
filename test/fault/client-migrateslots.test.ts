// Atomic slot migration of Valkey 9 (CLUSTER MIGRATESLOTS) under load: whole ranges of slots change their owner while
// calls go on. No call may fail and no value be wrong. The longest call is measured and printed, since the migration
// pauses its slots: the source holds back writes to them while the last of its log is on its way and the target takes
// over, and answers what it held with MOVED.

import { equal, ok } from 'node:assert/strict';
import { Cluster, slotOf } from '../../lib/index.ts';
import { type RealCluster, type RealNode, startRealCluster } from '../kit/real-cluster.ts';
import { needServer } from '../kit/servers.ts';
import { until } from '../kit/until.ts';

/** Rounds of moving there and back; MIGRATE_ROUNDS for longer measurements. */
const rounds = Number(process.env['MIGRATE_ROUNDS'] ?? 3);
const keyCount = 3000;
/** Slots that move, of the first master. */
const [first, last] = [0, 1999];

interface Call {
  readonly moves: boolean;
  readonly write: boolean;
  /** Milliseconds. */
  readonly took: number;
}

/** One writer a key: each value is its own, and what was acknowledged last must be read. */
class Writer {
  readonly calls: Call[] = [];
  readonly #client: Cluster;
  readonly #keys: readonly string[];
  readonly #versions = new Map<string, number>();
  stopped = false;

  constructor(client: Cluster, keys: readonly string[]) {
    this.#client = client;
    this.#keys = keys;
  }

  async run(): Promise<void> {
    for (let at = 0; !this.stopped; at++) {
      const key = this.#keys[at % this.#keys.length]!;
      const version = (this.#versions.get(key) ?? 0) + 1;
      await this.#timed(key, true, async () => equal(await this.#client.incr(key), version));
      this.#versions.set(key, version);
      await this.#timed(key, false, async () => equal(await this.#client.get(key), String(version)));
    }
  }

  async check(): Promise<void> {
    for (const [key, version] of this.#versions) equal(await this.#client.get(key), String(version));
  }

  async #timed(key: string, write: boolean, act: () => Promise<unknown>): Promise<void> {
    const slot = slotOf(key);
    const began = performance.now();
    await act();
    this.calls.push({ moves: slot >= first && slot <= last, write, took: performance.now() - began });
  }
}

const worst = (calls: readonly Call[]): number => calls.reduce((most, { took }) => Math.max(most, took), 0);

describe('client while CLUSTER MIGRATESLOTS moves slots under load', function () {
  this.timeout(180_000);
  let cluster: RealCluster;

  before(async function () {
    const server = needServer(this, 'valkey-9', 'CLUSTER MIGRATESLOTS under load');
    cluster = await startRealCluster({ server, replicas: 1 });
  });
  after(() => cluster?.stop());

  /** Resolves to the milliseconds that the migration took. */
  const migrate = async (from: RealNode, to: RealNode): Promise<number> => {
    const began = performance.now();
    equal(await from.ask('cluster', 'migrateslots', 'slotsrange', String(first), String(last), 'node', to.id), 'OK');
    await until('the migration has ended', async () => {
      const [newest] = (await from.ask('cluster', 'getslotmigrations')) as string[][];
      const state = newest?.[newest.indexOf('state') + 1];
      if (state === 'failed' || state === 'cancelled') throw new TypeError(`migration ${state}: ${newest!.join(' ')}`);
      return state === 'success';
    });
    return performance.now() - began;
  };

  for (const scaleReads of ['master', 'all'] as const) {
    it(`no error, no wrong value; scaleReads ${scaleReads}`, async () => {
      // Replicas may lag: what they say is not judged here, only that they answer.
      const client = new Cluster(cluster.seeds, { scaleReads: 'master' });
      const reader = new Cluster(cluster.seeds, { scaleReads });
      const errors: Error[] = [];
      client.on('error', (error) => errors.push(error));
      const keys = Array.from({ length: keyCount }, (_, at) => `${scaleReads}:${at}`);
      const writers = Array.from(
        { length: 16 },
        (_, at) =>
          new Writer(
            client,
            keys.filter((_key, i) => i % 16 === at),
          ),
      );
      let stopped = false;
      let reads = 0;
      try {
        const running = writers.map((writer) => writer.run());
        const reading = (async () => {
          for (; !stopped; reads++) await reader.get(keys[reads % keyCount]!);
        })();
        await until('every writer has begun', () => writers.every(({ calls }) => calls.length > 100));
        const quiet = worst(writers.flatMap((writer) => writer.calls.splice(0)));
        const times: number[] = [];
        for (let round = 0; round < rounds; round++) {
          const [one, two] = [cluster.masters[0]!, cluster.masters[1]!];
          times.push(await migrate(one, two), await migrate(two, one));
        }
        for (const writer of writers) writer.stopped = true;
        stopped = true;
        await Promise.all([...running, reading]);
        const calls = writers.flatMap((writer) => writer.calls);
        const moving = calls.filter(({ moves }) => moves);
        ok(moving.length > 0 && client.stats().redirects.moved > 0 && reads > 0, 'slots moved under load');
        await Promise.all(writers.map((writer) => writer.check()));
        equal(errors.length, 0, errors[0]?.message);
        const shown = (list: readonly Call[]): string => worst(list).toFixed(0);
        console.log(
          `      ${calls.length} calls, ${times.length} migrations of ${times.map((ms) => ms.toFixed(0)).join(', ')} ms; ` +
            `longest call: ${quiet.toFixed(0)} ms before, then writes to moving slots ${shown(moving.filter(({ write }) => write))}, ` +
            `reads of them ${shown(moving.filter(({ write }) => !write))}, other slots ${shown(calls.filter(({ moves }) => !moves))}`,
        );
      } finally {
        for (const writer of writers) writer.stopped = true;
        stopped = true;
        client.disconnect();
        reader.disconnect();
      }
    });
  }
});
