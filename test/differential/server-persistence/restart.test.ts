// Processes that end and come back, ours and redis-server: what a primary sends its replica for the keys that ran out
// meanwhile, files that are damaged or hold keys without elements, a crash that was asked for.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NodeProcess, startNodeProcess } from '../../kit/node-process.ts';
import { freePort } from '../../kit/ports.ts';
import { needRedisServer } from '../../kit/redis-server.ts';
import { until } from '../../kit/until.ts';

const programs = ['redis-server', 'lingcache'] as const;
type Program = (typeof programs)[number];

/** Without a checksum: a set without members, a string, a list of one block without elements. */
const withEmptyKeys = Buffer.from('REDIS0009\xfe\x00\x02\x03set\x00\x00\x01k\x01v\x01\x04list\x00\xff', 'latin1');

describe('processes that come back, ours and redis-server', function () {
  this.timeout(60_000);
  const folders: string[] = [];
  const started: NodeProcess[] = [];

  before(function () {
    needRedisServer(this);
  });
  afterEach(async () => {
    for (const node of started.splice(0)) {
      node.child.kill('SIGKILL');
      await node.ended;
    }
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  const folder = (): string => {
    const made = mkdtempSync(join(tmpdir(), 'lingcache-restart-'));
    folders.push(made);
    return made;
  };
  const start = async (program: Program, dir: string, port: number, ...more: string[]): Promise<NodeProcess> => {
    const fixed = ['--bind', '127.0.0.1', '--enable-debug-command', 'yes'];
    const node = await startNodeProcess(port, { program, dir, args: [...fixed, ...more] });
    started.push(node);
    return node;
  };
  const field = async (node: NodeProcess, section: string, name: string): Promise<string> =>
    new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(String(await node.ask('info', section)))?.[1] ?? '';

  for (const program of programs) {
    it(`${program}: a replica goes on where it was, and hears of what ran out while its primary was away`, async () => {
      const [port, other] = [await freePort(), await freePort()];
      const dir = folder();
      const saves = ['--save', '3600 1', '--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '3600'];
      let primary = await start(program, dir, port, ...saves);
      const replica = await start(program, folder(), other, '--save', '', '--replicaof', `127.0.0.1 ${port}`);
      await until(
        'the replica has its copy',
        async () => (await field(replica, 'replication', 'master_link_status')) === 'up',
      );
      await primary.ask('debug', 'set-active-expire', '0');
      await primary.ask('set', 'stays', '1');
      for (let at = 0; at < 50; at++) await primary.ask('set', `gone${at}`, 'v', 'px', 20);
      await until('the replica has them', async () => (await replica.ask('dbsize')) === 51);
      await new Promise((resolve) => setTimeout(resolve, 40));
      await primary.ask('shutdown', 'now').catch(() => undefined);
      await primary.ended;
      primary = await start(program, dir, port, ...saves);
      await until('it goes on', async () => (await field(primary, 'stats', 'sync_partial_ok')) === '1');
      assert.equal(await field(primary, 'stats', 'sync_full'), '0');
      assert.equal(await field(primary, 'persistence', 'rdb_last_load_keys_expired'), '50');
      await until('it has heard of all', async () => (await replica.ask('dbsize')) === 1);
      assert.equal(await primary.ask('debug', 'digest'), await replica.ask('debug', 'digest'));
      await primary.ask('config', 'resetstat');
      assert.equal(await field(primary, 'stats', 'sync_partial_ok'), '0');
    });

    it(`${program}: a replica in a cluster keeps what ran out while it was away until its primary says so`, async () => {
      const dir = folder();
      const args = ['--cluster-enabled', 'yes', '--save', '', '--repl-diskless-sync-delay', '0'];
      const [port, other] = [await freePort(), await freePort()];
      const primary = await start(program, folder(), port, ...args);
      let replica = await start(program, dir, other, ...args);
      await primary.ask('cluster', 'addslotsrange', '0', '16383');
      await replica.ask('cluster', 'meet', '127.0.0.1', String(port));
      const id = String(await primary.ask('cluster', 'myid'));
      const isReplica = async (): Promise<boolean> =>
        (await field(replica, 'replication', 'master_link_status')) === 'up';
      await until('they know each other', async () => String(await replica.ask('cluster', 'nodes')).includes(id));
      await until('it follows', async () => String(await replica.ask('cluster', 'replicate', id)) === 'OK');
      await until('it has its copy', isReplica);
      await until('it serves', async () => String(await primary.ask('cluster', 'info')).includes('cluster_state:ok'));
      await primary.ask('debug', 'set-active-expire', '0');
      await primary.ask('set', 'stays', '1');
      for (let at = 0; at < 20; at++) await primary.ask('set', `gone${at}`, 'v', 'px', 20);
      await until('it has them', async () => (await replica.ask('dbsize')) === 21);
      await replica.ask('save');
      await new Promise((resolve) => setTimeout(resolve, 40));
      replica.child.kill('SIGKILL');
      await replica.ended;
      replica = await start(program, dir, other, ...args);
      assert.equal(await replica.ask('dbsize'), 21);
      assert.equal(await field(replica, 'persistence', 'rdb_last_load_keys_expired'), '0');
      await until('it follows again', isReplica);
      assert.equal(await field(primary, 'stats', 'sync_partial_ok'), '1', 'it goes on where it was');
      await primary.ask('debug', 'set-active-expire', '1');
      await until('it hears that they are gone', async () => (await replica.ask('dbsize')) === 1);
    });

    it(`${program}: keys of a file that have no elements are left out, and named in the log`, async () => {
      const dir = folder();
      writeFileSync(join(dir, 'dump.rdb'), Buffer.concat([withEmptyKeys, Buffer.alloc(8)]));
      const node = await start(program, dir, await freePort(), '--save', '');
      assert.equal(await node.ask('dbsize'), 1);
      assert.equal(await node.ask('get', 'k'), 'v');
      for (const word of ['skipping empty key: set', 'skipping empty key: list', 'empty keys skipped: 2']) {
        assert.ok(node.text.includes(word), word);
      }
    });

    it(`${program}: DEBUG SEGFAULT ends it with a report`, async () => {
      const node = await start(program, folder(), await freePort(), '--save', '', '--crash-memcheck-enabled', 'no');
      await node.ask('debug', 'segfault').catch(() => undefined);
      await node.ended;
      assert.match(node.text, /crashed by signal: 11/);
      assert.match(node.text, /STACK TRACE/);
    });
  }
});
