import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BundledNode, startNode } from '../../../../server/index.ts';
import { ask } from '../../../kit/ask.ts';
import { failOver } from '../../../kit/failover.ts';
import { type NodeProcess, startNodeProcess } from '../../../kit/node-process.ts';
import { freePort } from '../../../kit/ports.ts';
import { needRedisServer } from '../../../kit/real-cluster.ts';
import { until } from '../../../kit/until.ts';

// The id of a shard is announced on the bus and kept on the disk, with a redis-server 7.0 in between that knows of neither.

describe('shards keep their ids', function () {
  this.timeout(60_000);
  let dir: string;
  let real: NodeProcess;
  let realPort: number;
  const ours: BundledNode[] = [];

  async function start(name: string, port?: number): Promise<BundledNode> {
    mkdirSync(join(dir, name), { recursive: true });
    const config = { dir: join(dir, name), 'cluster-announce-hostname': `${name}.test` };
    const node = await startNode({ cluster: true, bus: 'tcp', config, ...(port !== undefined && { port }) });
    ours.push(node);
    return node;
  }

  const myShard = async (node: BundledNode): Promise<string> => String(await ask(node, 'CLUSTER', 'MYSHARDID'));
  const meetReal = (node: BundledNode): Promise<unknown> => ask(node, 'CLUSTER', 'MEET', '127.0.0.1', realPort);

  before(async function () {
    needRedisServer(this, 'shards keep their ids');
    dir = mkdtempSync(join(tmpdir(), 'lingcache-shards-'));
    mkdirSync(join(dir, 'real'));
    realPort = await freePort();
    const args = ['--cluster-enabled', 'yes', '--save', '', '--cluster-announce-hostname', 'real.test'];
    real = await startNodeProcess(realPort, { program: 'redis-server', dir: join(dir, 'real'), args });
  });

  after(async () => {
    await Promise.all(ours.map((node) => node.kill()));
    await real?.end('SIGKILL');
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  });

  it('through a failover, for a node that comes later, and through a restart', async () => {
    const first = await start('first');
    const second = await start('second');
    await ask(first, 'CLUSTER', 'ADDSLOTSRANGE', 0, 8191);
    await real.ask('cluster', 'addslotsrange', 8192, 16_383);
    await meetReal(first);
    await meetReal(second);
    await until('they know each other', () => second.state!.nodes.get(first.id)?.handshake === false);
    assert.notEqual(await myShard(second), await myShard(first));
    await ask(second, 'CLUSTER', 'REPLICATE', first.id);
    const shard = await myShard(first);
    assert.equal(await myShard(second), shard);
    await until('the replica is in step', async () =>
      /master_link_status:up/.test(String(await ask(second, 'INFO', 'replication'))),
    );
    await until('the master knows', () => first.state!.nodes.get(second.id)?.role === 'replica');
    const isOver = (): boolean => second.role === 'master' && first.role === 'replica';
    await failOver('the second is master', () => ask(second, 'CLUSTER', 'FAILOVER'), isOver);
    assert.deepEqual([await myShard(first), await myShard(second)], [shard, shard]);

    const third = await start('third');
    await meetReal(third);
    await until('the third knows', () => third.state!.nodes.get(second.id)?.shard === shard);
    await ask(third, 'CLUSTER', 'REPLICATE', second.id);
    assert.equal(await myShard(third), shard);

    await until('the third is known', () => second.state!.nodes.get(third.id)?.role === 'replica');
    await second.kill();
    const again = await start('second', second.port);
    assert.equal(again.id, second.id);
    assert.equal(await myShard(again), shard);
  });

  it('in a nodes.conf that redis-server 7.0 starts with', async () => {
    const second = ours.at(-1)!;
    const shard = await myShard(second);
    await second.kill();
    const file = join(dir, 'second', 'nodes.conf');
    assert.match(readFileSync(file, 'latin1'), new RegExp(`^vars .* shard-${second.id} ${shard}$`, 'm'));
    const copy = join(dir, 'copy');
    mkdirSync(copy);
    copyFileSync(file, join(copy, 'nodes.conf'));
    const args = ['--cluster-enabled', 'yes', '--save', ''];
    const other = await startNodeProcess(await freePort(), { program: 'redis-server', dir: copy, args });
    try {
      const text = String(await other.ask('cluster', 'nodes'));
      assert.match(text, new RegExp(`^${second.id} .* myself,master - .* 0-8191$`, 'm'));
      assert.equal(text.trim().split('\n').length, 4);
    } finally {
      await other.end('SIGKILL');
    }
  });

  it('and no word about them to redis-server 7.0, which would complain', () => {
    assert.doesNotMatch(real.text, /extension/i);
  });
});
