import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { type BundledCluster, type BundledNode, startCluster, startNode } from '../../../../server/index.ts';
import { until } from '../../../kit/until.ts';

// redis-cli 7.0 and redis-benchmark against the bundled cluster, and `lingcache up` as users run it.

const run = promisify(execFile);
const main = new URL('../../../../server/tools/main.js', import.meta.url).pathname;

function needTools(context: Mocha.Context): void {
  const missing = ['redis-cli', 'redis-benchmark'].filter((tool) => spawnSync(tool, ['--version']).status !== 0);
  if (missing.length === 0) return;
  if (process.env['CI'] === 'true') throw new Error(`${missing.join(', ')} missing, and CI must not skip its tests`);
  console.log(`      skipped: ${missing.join(', ')} not installed`);
  context.skip();
}

/** Gives what it printed; throws with that when it ends badly. */
async function cli(...args: string[]): Promise<string> {
  const ended = await run('redis-cli', args, { timeout: 60_000 }).catch((error: Error & { stdout: string }) => {
    throw new Error(`${error.message}\n${error.stdout}`);
  });
  return ended.stdout;
}

const onePort = (cluster: BundledCluster): string => String(cluster.ports[0]);

describe("redis' own tools on the bundled cluster", function () {
  this.timeout(60_000);
  let cluster: BundledCluster;

  before(async function () {
    needTools(this);
    cluster = await startCluster();
    for (let at = 0; at < 20; at++)
      assert.match(await cli('-c', '-p', onePort(cluster), 'SET', `key:${at}`, `v${at}`), /OK\n$/);
  });
  after(() => cluster?.close());

  it('redis-cli -c follows redirects', async () => {
    const port = onePort(cluster);
    for (let at = 0; at < 20; at++)
      assert.match(await cli('-c', '-p', port, 'GET', `key:${at}`), new RegExp(`v${at}\n$`));
  });

  it('--cluster check and info find nothing wrong', async () => {
    const check = await cli('--cluster', 'check', `127.0.0.1:${onePort(cluster)}`);
    assert.match(check, /All nodes agree about slots configuration/);
    assert.match(check, /All 16384 slots covered/);
    assert.doesNotMatch(check, /ERR|WARNING/);
    assert.match(await cli('--cluster', 'info', `127.0.0.1:${onePort(cluster)}`), /in 3 masters/);
  });

  it('--cluster reshard and rebalance move slots and keys', async () => {
    const [from, to] = cluster.nodes as [BundledNode, BundledNode];
    const before = from.slots;
    const args = ['--cluster-from', from.id, '--cluster-to', to.id, '--cluster-slots', '150', '--cluster-yes'];
    await cli('--cluster', 'reshard', `127.0.0.1:${onePort(cluster)}`, ...args);
    assert.deepEqual(from.slots, [[150, before[0]![1]]]);
    // redis-cli starts only when all nodes answer the same.
    await cluster.settled();
    await cli('--cluster', 'rebalance', `127.0.0.1:${onePort(cluster)}`, '--cluster-threshold', '1');
    const counts = cluster.nodes.slice(0, 3).map(({ slots }) => slots.reduce((sum, [a, b]) => sum + b - a + 1, 0));
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 2, counts.join(' '));
    for (let at = 0; at < 20; at++)
      assert.match(await cli('-c', '-p', onePort(cluster), 'GET', `key:${at}`), new RegExp(`v${at}\n$`));
  });

  it('redis-benchmark --cluster runs without an error, pipelined too', async () => {
    for (const extra of [[], ['-P', '16']]) {
      const args = ['--cluster', '-p', onePort(cluster), '-t', 'set,get', '-n', '5000', '-q', ...extra];
      const { stdout, stderr } = await run('redis-benchmark', args, { timeout: 60_000 });
      assert.match(stdout, /GET: [\d.]+ requests per second/);
      assert.doesNotMatch(stdout + stderr, /error|ERR/i);
    }
  });

  it('--cluster create, add-node and del-node build a cluster out of single nodes', async () => {
    const config = { 'cluster-node-timeout': '2000' };
    const nodes = await Promise.all(Array.from({ length: 5 }, () => startNode({ cluster: true, config })));
    try {
      const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
      const created = await cli('--cluster', 'create', ...addresses.slice(0, 3), '--cluster-yes');
      assert.match(created, /All 16384 slots covered/);
      await cli(
        '--cluster',
        'add-node',
        addresses[3]!,
        addresses[0]!,
        '--cluster-slave',
        '--cluster-master-id',
        nodes[0]!.id,
      );
      assert.deepEqual([nodes[3]!.role, nodes[3]!.masterId], ['replica', nodes[0]!.id]);
      await cli('--cluster', 'add-node', addresses[4]!, addresses[0]!);
      // redis-cli waits for the node that it talks to; the others hear of a new one by gossip.
      const known = (): boolean =>
        nodes.slice(0, 4).every(({ state }) => state?.nodes.get(nodes[4]!.id)?.handshake === false);
      await until('all know the new node', known);
      await cli('--cluster', 'del-node', addresses[0]!, nodes[4]!.id);
      assert.equal(nodes[0]!.state!.nodes.size, 4);
    } finally {
      await Promise.all(nodes.map((node) => node.kill()));
    }
  });
});

describe('lingcache up', () => {
  async function ended(child: ChildProcess): Promise<{ code: number | null; out: string; err: string }> {
    let [out, err] = ['', ''];
    child.stdout!.on('data', (chunk) => (out += chunk));
    child.stderr!.on('data', (chunk) => (err += chunk));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out, err };
  }
  const lingcache = (...args: string[]): ChildProcess => spawn(process.execPath, [main, ...args]);

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`says how to connect and ends cleanly on ${signal}`, async () => {
      const child = lingcache('up', '--port', '0', '--masters', '3', '--replicas', '0');
      try {
        const end = ended(child);
        await once(child.stdout!, 'data');
        child.kill(signal);
        const { code, out, err } = await end;
        assert.equal(code, 0);
        assert.match(
          out,
          /cluster ready: 3 masters, 0 replicas[\s\S]+redis-cli -c -h 127\.0\.0\.1 -p \d+[\s\S]+stopped\n$/,
        );
        assert.equal(err, '');
      } finally {
        child.kill('SIGKILL');
      }
    });
  }

  const bad: [string[], RegExp][] = [
    [['up', '--masters', 'x'], /--masters: 'x' is not an integer within 1\.\.500/],
    [['up', '--port', '70000'], /--port: '70000'/],
    [['up', '--nosuch'], /--nosuch/],
    [['nosuch'], /unknown command 'nosuch'/],
  ];
  for (const [args, message] of bad) {
    it(`refuses ${args.join(' ')}`, async () => {
      const { code, err } = await ended(lingcache(...args));
      assert.equal(code, 2);
      assert.match(err, message);
    });
  }

  it('has a help and a version', async () => {
    assert.match((await ended(lingcache('--help'))).out, /Usage: lingcache[\s\S]+ up /);
    assert.match((await ended(lingcache('--version'))).out, /^\d+\.\d+\.\d+\n$/);
  });
});
