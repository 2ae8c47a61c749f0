import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { slotOf } from '../../../../lib/index.ts';
import type { CheckReport } from '../../../../server/operator/index.ts';
import { needRedisServer, type RealCluster, type RealNode, startRealCluster } from '../../../kit/real-cluster.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';
import { lingcache } from './kit.ts';

// `lingcache check` and `fix` on redis-server nodes: what redis-cli's own check and fix find and mend, and what they do not.

const run = promisify(execFile);
const tag = 'half';
const slot = slotOf(tag);

interface Place {
  readonly source: RealNode;
  readonly target: RealNode;
  readonly third: RealNode;
}

describe('lingcache check and fix on redis-server', function () {
  this.timeout(90_000);
  let real: RealCluster;
  let place: Place;

  before(async function () {
    needRedisServer(this, 'check and fix on redis-server');
    const config = { 'cluster-require-full-coverage': 'no', 'enable-debug-command': 'yes' };
    real = await startRealCluster({ masters: 3, replicas: 0, config });
  });
  after(() => real?.stop());

  const address = (): string => `127.0.0.1:${real.nodes[0]!.port}`;
  const check = async (): Promise<{ code: number | null; report: CheckReport }> => {
    const { code, stdout } = await lingcache('check', address(), '--json');
    return { code, report: JSON.parse(stdout) as CheckReport };
  };
  const kinds = ({ findings }: CheckReport): string[] =>
    findings.filter(({ severity }) => severity !== 'note').map(({ kind }) => kind);

  async function put(node: RealNode, from: number, to: number, importing: boolean): Promise<void> {
    const client = await RespClient.connect(node.port);
    for (let at = from; at < to; at++) {
      if (importing) await client.call('ASKING');
      assert.equal(await client.call('SET', `{${tag}}${at}`, `v${at}`), 'OK');
    }
    client.close();
  }
  const set = (node: RealNode, ...words: string[]): Promise<unknown> =>
    node.ask('cluster', 'setslot', String(slot), ...words);

  beforeEach(async () => {
    await real.flush();
    await lingcache('fix', address(), '--yes');
    const source = await real.ownerOf(slot);
    const [target, third] = real.nodes.filter(({ id }) => id !== source.id);
    place = { source, target: target!, third: third! };
    await until('it is healthy', async () => (await check()).code === 0);
  });

  const states: [string, (place: Place) => Promise<void>, keys: number][] = [
    [
      'a move broken off half-way, open at both ends',
      async ({ source, target }) => {
        await put(source, 0, 30, false);
        await set(target, 'importing', source.id);
        await set(source, 'migrating', target.id);
        const keys = Array.from({ length: 10 }, (_, at) => `{${tag}}${at}`);
        await source.ask('migrate', '127.0.0.1', String(target.port), '', '0', '5000', 'keys', ...keys);
      },
      30,
    ],
    [
      'a slot that is migrating, and nobody imports it',
      async ({ source, target }) => {
        await put(source, 0, 10, false);
        await set(source, 'migrating', target.id);
      },
      10,
    ],
    [
      'a slot that one imports, and nobody gives',
      async ({ source, target }) => void (await set(target, 'importing', source.id)),
      0,
    ],
    [
      'keys at two importing nodes, and nobody gives',
      async ({ source, target, third }) => {
        await put(source, 0, 5, false);
        await set(target, 'importing', source.id);
        await put(target, 5, 10, true);
        await set(third, 'importing', source.id);
        await put(third, 10, 15, true);
      },
      15,
    ],
    [
      'migrating to one, and another imports as well',
      async ({ source, target, third }) => {
        await put(source, 0, 5, false);
        await set(target, 'importing', source.id);
        await set(third, 'importing', source.id);
        await set(source, 'migrating', target.id);
        await put(third, 5, 8, true);
      },
      8,
    ],
    [
      'nobody owns the slot, and one has its keys',
      async ({ source }) => {
        await put(source, 0, 10, false);
        for (const node of real.nodes) await node.ask('cluster', 'delslots', String(slot));
      },
      10,
    ],
    [
      'nobody owns the slot, and two have keys of it',
      async ({ source, target }) => {
        await put(source, 0, 4, false);
        await set(target, 'importing', source.id);
        await put(target, 4, 10, true);
        await set(target, 'stable');
        for (const node of real.nodes) await node.ask('cluster', 'delslots', String(slot));
      },
      10,
    ],
    [
      'nobody owns the slot, and nobody has keys',
      async () => void (await Promise.all(real.nodes.map((node) => node.ask('cluster', 'delslots', String(slot))))),
      0,
    ],
    [
      'the same key at both ends of an open slot',
      async ({ source, target }) => {
        await put(source, 0, 6, false);
        await set(target, 'importing', source.id);
        await put(target, 0, 6, true);
      },
      6,
    ],
  ];
  for (const [name, make, keys] of states) {
    it(`mends: ${name}`, async () => {
      await make(place);
      const before = await check();
      assert.equal(before.code, 1, JSON.stringify(before.report.findings));
      assert.ok(before.report.findings.some(({ fixable }) => fixable));
      // What redis-cli finds is found.
      const theirs = await run('redis-cli', ['--cluster', 'check', address()]).catch(
        (error: { stdout: string }) => error,
      );
      assert.match(theirs.stdout, /ERR|WARNING/);
      const plan = await lingcache('fix', address(), '--plan');
      assert.equal(plan.code, 0);
      assert.equal((await check()).code, 1, 'a plan changes nothing');
      const fixed = await lingcache('fix', address(), '--yes', '--json');
      assert.equal(fixed.code, 0, fixed.stdout + fixed.stderr);
      await until('it is healthy', async () => (await check()).code === 0);
      const mended = await run('redis-cli', ['--cluster', 'check', address()]);
      assert.match(mended.stdout, /All 16384 slots covered/);
      assert.doesNotMatch(mended.stdout, /ERR|WARNING/);
      const owner = await real.ownerOf(slot);
      const counts = await Promise.all(real.nodes.map((node) => node.ask('cluster', 'countkeysinslot', String(slot))));
      assert.deepEqual(
        counts,
        real.nodes.map((node) => (node === owner ? keys : 0)),
      );
      for (let at = 0; at < keys; at++) assert.equal(await owner.ask('get', `{${tag}}${at}`), `v${at}`);
    });
  }

  it('leaves both values of a key that differs, and says where they are', async () => {
    const { source, target } = place;
    await put(source, 0, 1, false);
    await set(target, 'importing', source.id);
    const client = await RespClient.connect(target.port);
    await client.call('ASKING');
    await client.call('SET', `{${tag}}0`, 'other');
    const { code, stdout } = await lingcache('fix', address(), '--yes', '--json');
    assert.equal(code, 1);
    assert.match(
      (JSON.parse(stdout) as { failed: { reason: string }[] }).failed[0]!.reason,
      /key '\{half\}0' differs at/,
    );
    assert.equal(await source.ask('get', `{${tag}}0`), 'v0');
    await client.call('ASKING');
    assert.equal(await client.call('GET', `{${tag}}0`), 'other');
    await client.call('ASKING');
    await client.call('DEL', `{${tag}}0`);
    client.close();
  });

  it('finds parameters that differ, memory near its limit and epochs that collide', async () => {
    const { source, target } = place;
    await source.ask('config', 'set', 'maxmemory', '2mb');
    const { report } = await check();
    assert.ok(kinds(report).includes('parameter') && kinds(report).includes('memory'), kinds(report).join(' '));
    const finding = report.findings.find(({ kind }) => kind === 'parameter')!;
    assert.match(finding.what, /maxmemory differs/);
    assert.match(finding.where.join(), new RegExp(`2097152: 127.0.0.1:${source.port}`));
    await source.ask('config', 'set', 'maxmemory', '0');
    assert.notEqual(source, target);
  });

  it('names the slots of a node that is gone, and exits with 2 when none answers', async () => {
    const { third } = place;
    const asked = real.nodes.find((node) => node !== third)!;
    third.freeze();
    try {
      const silent = await lingcache('check', `127.0.0.1:${asked.port}`, '--json', '--timeout', '500ms');
      assert.equal(silent.code, 1);
      const report = JSON.parse(silent.stdout) as CheckReport;
      assert.match(report.findings.find(({ kind }) => kind === 'unreachable')!.what, /master of 54\d\d slots/);
    } finally {
      third.thaw();
    }
    await until('it is healthy', async () => (await check()).code === 0);
    assert.equal((await lingcache('check', '127.0.0.1:1', '--json')).code, 2);
    assert.equal((await lingcache('check')).code, 2);
    assert.equal((await lingcache('fix', address())).code, 0);
  });

  it('info and slots show who owns what', async () => {
    const { source } = place;
    await put(source, 0, 3, false);
    const output = await lingcache('info', address());
    assert.match(output.stdout, /3 keys in 3 masters/);
    const { stdout } = await lingcache('slots', address(), `key:${tag}`, '--json');
    const state = { start: slot, end: slot, owner: source.id, address: source.address, keys: 3, state: 'stable' };
    assert.deepEqual(JSON.parse(stdout), [state]);
    const all = JSON.parse((await lingcache('slots', address(), '--json')).stdout) as (typeof state)[];
    assert.equal(
      all.reduce((sum, { start, end }) => sum + end - start + 1, 0),
      16_384,
    );
    assert.equal(new Set(all.map(({ owner }) => owner)).size, 3);
    assert.equal((await lingcache('slots', address(), '20000')).code, 2);
  });
});
