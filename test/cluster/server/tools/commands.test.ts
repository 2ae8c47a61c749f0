import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, slotOf } from '../../../../lib/index.ts';
import { type ConfiguredNode, startProcess } from '../../../kit/configured-node.ts';
import {
  bundledServer,
  needRedisServer,
  type RealCluster,
  type RealNode,
  startRealCluster,
} from '../../../kit/real-cluster.ts';
import { findServer, needServer } from '../../../kit/servers.ts';
import { until } from '../../../kit/until.ts';
import { type Ended, lingcacheIn } from './kit.ts';

// The words that change a cluster, through the command line as users run it, on redis-server, Valkey 9 and our nodes.

const state = mkdtempSync(join(tmpdir(), 'lingcache-state-'));
const lingcache = (...args: string[]): Promise<Ended> => lingcacheIn({ XDG_STATE_HOME: state }, ...args);
after(() => rmSync(state, { recursive: true, force: true }));

async function ok(...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await lingcache(...args, '--json');
  assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
  return JSON.parse(stdout);
}

const kinds = ['redis-7', 'valkey-9', 'bundled'] as const;

for (const kind of kinds) {
  describe(`lingcache's words on a cluster of ${kind}`, function () {
    this.timeout(120_000);
    let real: RealCluster;
    let client: Cluster;
    const keys = Array.from({ length: 600 }, (_, at) => `key:${at}`);

    before(async function () {
      if (kind === 'redis-7') needRedisServer(this, "lingcache's words on redis-server");
      if (kind === 'valkey-9') needServer(this, kind, "lingcache's words on Valkey 9");
      const server = kind === 'bundled' ? bundledServer : findServer(kind)!;
      real = await startRealCluster({ server, masters: 3, replicas: 1 });
      client = new Cluster(real.seeds);
      await Promise.all(keys.map((key) => client.set(key, `v ${key}`)));
    });
    after(async () => {
      client?.disconnect();
      await real?.stop();
    });

    const first = (): string => real.nodes[0]!.address;
    /** All keys are there, and a check finds nothing but what is `expected`. */
    const whole = async (...expected: readonly string[]): Promise<void> => {
      const values = await Promise.all(keys.map((key) => client.get(key)));
      assert.deepEqual(
        values,
        keys.map((key) => `v ${key}`),
      );
      await until(`a check finds ${expected.join() || 'nothing'}`, async () => {
        const { stdout } = await lingcache('check', first(), '--json');
        const { findings } = JSON.parse(stdout) as { findings: { severity: string; kind: string }[] };
        const found = findings.filter(({ severity }) => severity !== 'note').map(({ kind }) => kind);
        assert.deepEqual(found, expected);
        return true;
      });
    };
    const slotsAt = async (node: RealNode): Promise<number> => {
      const text = String(await real.nodes.find((one) => one.pid > 0)!.ask('cluster', 'nodes'));
      const line = text.split('\n').find((one) => one.startsWith(node.id))!;
      const ranges = line
        .split(' ')
        .slice(8)
        .filter((word) => /^\d/.test(word));
      return ranges.reduce((sum, range) => {
        const [start, end = start] = range.split('-').map(Number);
        return sum + end! - start! + 1;
      }, 0);
    };

    it('reshard moves what was asked for, and nothing without a yes', async () => {
      const [a, b] = real.masters as [RealNode, RealNode];
      const before = await slotsAt(a);
      const line = ['reshard', first(), '--from', a.id, '--to', b.id, '--slots', '300'];
      const refused = await lingcache(...line);
      assert.equal(refused.code, 2);
      assert.match(refused.stdout, new RegExp(`${a.address} -> ${b.address}: 300 slots`));
      assert.equal(await slotsAt(a), before);
      const { moved, failed } = (await ok(...line, '--yes')) as { moved: number; failed: unknown[] };
      assert.deepEqual([moved, failed], [300, []]);
      assert.equal(await slotsAt(a), before - 300);
      await whole();
    });

    it('rebalance shows its plan, keeps weights, and evens out', async () => {
      const [a, b, c] = real.masters as [RealNode, RealNode, RealNode];
      const shown = (await ok('rebalance', first(), '--weight', `${b.id}=2`, '--plan')) as {
        plan: { moves: unknown[] };
      };
      assert.ok(shown.plan.moves.length >= 1);
      await ok('rebalance', first(), '--threshold', '0', '--yes');
      const counts = await Promise.all([a, b, c].map(slotsAt));
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join(' '));
      assert.deepEqual(((await ok('rebalance', first(), '--yes')) as { plan: { moves: unknown[] } }).plan.moves, []);
      assert.equal((await lingcache('rebalance', first(), '--weight', 'nobody=2', '--yes')).code, 1);
      assert.equal((await lingcache('rebalance', first(), '--weight', `${b.id}`, '--yes')).code, 2);
      await whole();
    });

    it('failover, forth by the master and back by the replica', async () => {
      const [master, replica] = [real.masters[0]!, real.replicas[0]!];
      const { to } = (await ok('failover', master.id, first())) as { to: { id: string } };
      assert.equal(to.id, replica.id);
      await until('the old master follows', async () =>
        /role:slave[\s\S]*link_status:up/.test(String(await master.ask('info', 'replication'))),
      );
      await ok('failover', master.address, first(), '--yes');
      await until('the replica follows again', async () =>
        /role:slave[\s\S]*link_status:up/.test(String(await replica.ask('info', 'replication'))),
      );
      assert.ok((await slotsAt(master)) > 5000);
      await whole();
    });

    it('call, set-timeout and a drill of failovers reach every node', async () => {
      const answers = (await ok('call', '--masters', first(), 'DBSIZE')) as { reply: number }[];
      assert.equal(
        answers.reduce((sum, { reply }) => sum + reply, 0),
        keys.length,
      );
      assert.equal((await lingcache('call', first(), 'NO-SUCH-COMMAND')).code, 1);
      await ok('set-timeout', '4321', first());
      for (const node of real.nodes) {
        assert.match(String(await node.ask('config', 'get', 'cluster-node-timeout')), /4321/);
      }
      // As the nodes that join later have it: a check finds parameters that differ.
      await ok('set-timeout', '3000', first(), '--yes');
      const drill = (await ok('rolling-restart', first(), '--drill', '--fail-back', '--yes')) as { done: unknown[] };
      assert.equal(drill.done.length, 6);
      await whole();
    });

    it('an empty node joins, gets slots, is drained and leaves; a replica joins and leaves', async () => {
      const server = kind === 'bundled' ? bundledServer : findServer(kind)!;
      const other = await startRealCluster({ server, masters: 2, replicas: 0 });
      try {
        const [one, two] = other.nodes as [RealNode, RealNode];
        const busy = await lingcache('add-node', one.address, first(), '--yes');
        assert.equal(busy.code, 1);
        assert.match(busy.stderr, /is member of a cluster already/);
        for (const node of other.nodes) await node.ask('cluster', 'reset', 'hard');
        const joined = (await ok('add-node', one.address, first())) as { id: string };
        const master = real.masters[1]!;
        const replica = (await ok('add-node', two.address, first(), '--replica-of', master.id)) as {
          id: string;
        };
        for (const node of real.nodes) {
          const lines = String(await node.ask('cluster', 'nodes')).split('\n');
          assert.match(lines.find((line) => line.startsWith(replica.id))!, new RegExp(` slave ${master.id} `));
        }
        await ok('rebalance', first(), '--max-slots', '800', '--yes');
        assert.ok(Number(await one.ask('dbsize')) > 5);
        // The new master has no replica, and the others have.
        await whole('no-replica');
        const kept = await lingcache('del-node', joined.id, first(), '--yes');
        assert.equal(kept.code, 1);
        assert.match(kept.stderr, /has \d+ slots; --drain moves them away first/);
        const drained = await lingcache('del-node', joined.id, first(), '--drain', '--yes');
        assert.equal(drained.code, 0, drained.stdout + drained.stderr);
        await ok('del-node', replica.id, first(), '--yes');
        for (const node of real.nodes) {
          const view = String(await node.ask('cluster', 'nodes'));
          assert.ok(!view.includes(joined.id) && !view.includes(replica.id));
        }
        await whole();
      } finally {
        await other.stop();
      }
    });

    it('import brings the keys of a single server, and says which are there already', async () => {
      const settings = { appendonly: 'no' };
      const single = await startProcess(kind === 'bundled' ? 'ours' : 'real', settings);
      try {
        // What newer servers store, an older one cannot read: the keys go the way that the versions allow.
        for (let at = 0; at < 250; at++) await single.say('SET', `import:${at}`, `i${at}`);
        await single.say('SET', 'key:1', 'another');
        const from = `127.0.0.1:${single.port}`;
        const { code, stdout, stderr } = await lingcache('import', from, first(), '--yes', '--json');
        assert.equal(code, 1, stderr);
        assert.deepEqual(JSON.parse(stdout), { imported: 250, refused: 1, interrupted: false });
        assert.equal(await single.say('DBSIZE'), 1);
        for (let at = 0; at < 250; at++) assert.equal(await client.get(`import:${at}`), `i${at}`);
        await whole();
      } finally {
        await single.end();
      }
    });
  });
}

describe('lingcache create and the end of a run', function () {
  this.timeout(90_000);
  let nodes: ConfiguredNode[] = [];

  before(async function () {
    needRedisServer(this, 'lingcache create on redis-server');
    const settings = { 'cluster-enabled': 'yes', 'cluster-node-timeout': '3000' };
    nodes = await Promise.all(
      Array.from({ length: 6 }, (_, at) => startProcess(at % 2 === 0 ? 'real' : 'ours', settings)),
    );
  });
  after(() => Promise.all(nodes.map((node) => node.end())));

  const addresses = (): string[] => nodes.map(({ port }) => `127.0.0.1:${port}`);

  it('builds a cluster out of empty nodes, ours and others', async () => {
    assert.equal((await lingcache('create', ...addresses().slice(0, 2), '--yes')).code, 2);
    await nodes[5]!.say('CLUSTER', 'ADDSLOTS', '5');
    const full = await lingcache('create', ...addresses(), '--replicas', '1', '--yes');
    assert.equal(full.code, 1);
    await nodes[5]!.say('CLUSTER', 'DELSLOTS', '5');
    const { created } = (await ok('create', ...addresses(), '--replicas', '1', '--yes')) as {
      created: { slots: number[]; replicas: string[] }[];
    };
    assert.deepEqual(
      created.map(({ slots, replicas }) => [slots, replicas.length]),
      [
        [[0, 5460], 1],
        [[5461, 10_922], 1],
        [[10_923, 16_383], 1],
      ],
    );
    await until('it is healthy', async () => (await lingcache('info', addresses()[0]!)).code === 0);
    assert.equal((await lingcache('create', ...addresses(), '--yes')).code, 1);
  });

  it('Ctrl-C stops a reshard at a safe point, and --resume goes on', async () => {
    const client = new Cluster([{ host: '127.0.0.1', port: nodes[0]!.port }]);
    for (let at = 0; at < 400; at++) await client.set(`{${at % 40}}${at}`, String(at));
    const [to] = addresses();
    const view = String(await nodes[0]!.say('CLUSTER', 'NODES'));
    const toId = view
      .split('\n')
      .find((line) => line.includes('myself'))!
      .split(' ')[0]!;
    const slots = Array.from({ length: 40 }, (_, at) => slotOf(`{${at}}`)).join(',');
    const main = new URL('../../../../server/tools/main.js', import.meta.url).pathname;
    const line = [
      'reshard',
      to!,
      '--slot-list',
      slots,
      '--to',
      toId,
      '--keys-per-second',
      '100',
      '--batch',
      '2',
      '--yes',
    ];
    const child = spawn(process.execPath, [main, ...line], {
      env: { ...process.env, XDG_STATE_HOME: state },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk) => (said += chunk));
    const ended = once(child, 'close');
    await until('slots are open', async () => /\[/.test(String(await nodes[0]!.say('CLUSTER', 'NODES'))));
    const second = await lingcache(
      'reshard',
      to!,
      '--slot-list',
      '0',
      '--to',
      toId,
      '--yes',
      '--journal',
      join(state, 'other.json'),
    );
    assert.equal(second.code, 1);
    assert.match(second.stderr, /slots are open already|another operator is changing/);
    child.kill('SIGINT');
    assert.equal((await ended)[0], 130);
    assert.match(said, /slots are left: lingcache reshard \S+ --resume goes on/);
    await ok('reshard', to!, '--resume');
    const after = String(await nodes[0]!.say('CLUSTER', 'NODES'));
    assert.doesNotMatch(after, /\[/);
    for (let at = 0; at < 400; at++) assert.equal(await client.get(`{${at % 40}}${at}`), String(at));
    client.disconnect();
  });

  it('what cannot be reached or is no cluster ends with 2', async () => {
    const single = await startProcess('real', {});
    try {
      const { code, stderr } = await lingcache('check', `127.0.0.1:${single.port}`);
      assert.deepEqual([code, /cluster support disabled/.test(stderr)], [2, true]);
    } finally {
      await single.end();
    }
    const file = join(state, 'broken.json');
    writeFileSync(file, '{');
    const { code, stderr } = await lingcache('reshard', addresses()[0]!, '--journal', file, '--resume');
    assert.deepEqual([code, /broken\.json: not JSON/.test(stderr), readFileSync(file, 'utf8')], [1, true, '{']);
  });
});
