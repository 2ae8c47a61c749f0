import assert from 'node:assert/strict';
import { type BundledNode, startNode } from '../../../../server/index.ts';
import { ask, info } from '../../../kit/ask.ts';
import { failOver } from '../../../kit/failover.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../../kit/real-cluster.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';
import { untilEqual, untilLinked } from './kit.ts';

// One cluster of both kinds of nodes: ours as replica of a real master, a real one as replica of our master, and what
// is left of the data when the master goes.

const config = {
  'cluster-node-timeout': '2000',
  'repl-diskless-sync-delay': '0',
  'repl-ping-replica-period': '1',
  'enable-debug-command': 'yes',
};

describe('replication between redis-server and our nodes in one cluster', function () {
  this.timeout(60_000);
  let real: RealCluster;
  let ours: BundledNode[];

  before(async function () {
    needRedisServer(this, 'replication between redis-server and our nodes in one cluster');
    ours = [];
    real = await startRealCluster({ masters: 3, replicas: 1, config });
    for (let at = 0; at < 2; at++) ours.push(await startNode({ cluster: true, bus: 'tcp', config }));
    for (const node of ours) {
      await real.nodes[0]!.ask('cluster', 'meet', node.host, String(node.port), String(node.port + 10_000));
    }
    const ids = [...real.nodes, ...ours].map(({ id }) => id);
    await until('all know all', async () => {
      const views = await Promise.all([...real.nodes, ...ours].map((node) => ask(node, 'CLUSTER', 'NODES')));
      return views.every((view) => ids.every((id) => String(view).includes(id)) && !/handshake/.test(String(view)));
    });
  });

  after(async () => {
    await Promise.all((ours ?? []).map((node) => node.kill()));
    await real?.stop();
  });

  /** Writes to the node until it fails, waiting for `count` replicas each time; what was acknowledged. */
  async function writeUntilLost(
    port: number,
    key: (at: number) => string,
    count: number,
  ): Promise<Map<string, string>> {
    const kept = new Map<string, string>();
    const client = await RespClient.connect(port);
    try {
      for (let at = 0; ; at++) {
        const set = client.call('SET', key(at), String(at));
        const acknowledged = await client.call('WAIT', count, 1000);
        if (String(await set) === 'OK' && Number(acknowledged) >= count) kept.set(key(at), String(at));
      }
    } catch {
      return kept;
    } finally {
      client.close();
    }
  }

  it('our replicas of a real master go on after it dies: all that they had acknowledged is there', async () => {
    const master = real.masters[0]!;
    // Its own replica goes away, so that one of ours must win.
    const view = String(await ask(master, 'CLUSTER', 'NODES'));
    const siblings = real.replicas.filter(({ id }) => new RegExp(`^${id} .* slave ${master.id} `, 'm').test(view));
    for (const sibling of siblings) await sibling.kill();
    for (const node of ours) {
      await ask(node, 'CLUSTER', 'REPLICATE', master.id);
      await untilLinked(node);
    }
    await until('the real nodes know them', async () => {
      const seen = await Promise.all(real.masters.map((node) => ask(node, 'CLUSTER', 'NODES')));
      return seen.every((text) =>
        ours.every(({ id }) => new RegExp(`^${id} .* slave ${master.id} `, 'm').test(String(text))),
      );
    });
    await untilEqual(master, ...ours);
    // A key of slot 0, which is this master's.
    const writing = writeUntilLost(master.port, (at) => `{1bz}${at}`, 2);
    await until('some are kept', async () => Number(await ask(master, 'DBSIZE')) > 200);
    await master.kill();
    const kept = await writing;
    assert.ok(kept.size > 100, `${kept.size} writes`);
    await until('one of ours is master', async () => ours.some(({ role }) => role === 'master'));
    const newPrimary = ours.find(({ role }) => role === 'master')!;
    const other = ours.find((node) => node !== newPrimary)!;
    await until('it serves', async () => /cluster_state:ok/.test(String(await ask(newPrimary, 'CLUSTER', 'INFO'))));
    for (const [key, value] of kept) assert.equal(await ask(newPrimary, 'GET', key), value);
    await until('the other follows', async () => other.masterId === newPrimary.id);
    await untilLinked(other);
    // The second name of the stream spares the sibling a copy.
    const stats = await info(newPrimary, 'stats');
    assert.deepEqual([stats['sync_full'], stats['sync_partial_ok']], ['0', '1']);
    await untilEqual(newPrimary, other);
  });

  it('the old real master comes back as a replica of ours, with our data', async () => {
    const newPrimary = ours.find(({ role }) => role === 'master')!;
    const old = real.masters[0]!;
    await ask(newPrimary, 'SET', '{1bz}new', 'era');
    await old.restart();
    await until('it follows', async () => /role:slave/.test(String(await ask(old, 'INFO', 'replication'))));
    await untilLinked(old);
    await untilEqual(newPrimary, old);
  });

  it('a real replica of our master is made master by CLUSTER FAILOVER, and ours follow it without a copy', async () => {
    const master = ours.find(({ role }) => role === 'master')!;
    const newPrimary = real.masters[0]!;
    await failOver(
      'theirs is master',
      () => ask(newPrimary, 'CLUSTER', 'FAILOVER'),
      async () => master.role === 'replica' && /role:master/.test(String(await ask(newPrimary, 'INFO', 'replication'))),
    );
    for (const node of ours) {
      await until('ours follows', async () => node.masterId === newPrimary.id);
      await untilLinked(node);
    }
    await ask(newPrimary, 'SET', '{1bz}last', 'word');
    await untilEqual(newPrimary, ...ours);
    assert.equal((await info(newPrimary, 'stats'))['sync_full'], '0');
  });
});
