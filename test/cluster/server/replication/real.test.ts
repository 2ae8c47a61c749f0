import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { type BundledNode, startNode } from '../../../../server/index.ts';
import { type AnyNode, ask, info } from '../../../kit/ask.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../../kit/redis-server.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';
import { seedOf, untilEqual, untilLinked, write } from './kit.ts';

// Our nodes and redis-server 7.0 as each other's masters and replicas, outside a cluster.

const realArguments = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'];

describe('replication with redis-server', function () {
  this.timeout(60_000);
  const ours: BundledNode[] = [];
  const reals: RealNode[] = [];
  const startOurs = async (config: Record<string, string> = {}): Promise<BundledNode> => {
    const node = await startNode({ config: { 'repl-ping-replica-period': '1', ...config } });
    ours.push(node);
    return node;
  };
  const startReal = async (...args: string[]): Promise<RealNode> => {
    const node = await startRealNode([...realArguments, ...args]);
    reals.push(node);
    return node;
  };
  const follow = async (replica: AnyNode, master: AnyNode): Promise<void> => {
    await ask(replica, 'REPLICAOF', '127.0.0.1', master.port);
  };

  before(function () {
    needRedisServer(this);
  });

  afterEach(async () => {
    await Promise.all(ours.splice(0).map((node) => node.kill()));
    await Promise.all(reals.splice(0).map((node) => node.kill()));
  });

  const pairs: Readonly<Record<string, () => Promise<[AnyNode, AnyNode]>>> = {
    'a real replica of our master, diskless yes': async () => [
      await startOurs({ 'repl-diskless-sync': 'yes' }),
      await startReal(),
    ],
    'a real replica of our master, diskless no': async () => [
      await startOurs({ 'repl-diskless-sync': 'no' }),
      await startReal(),
    ],
    'our replica of a real master': async () => [await startReal(), await startOurs()],
  };
  for (const [name, startPair] of Object.entries(pairs)) {
    it(`${name} has its data, through cuts`, async () => {
      const chance = new ManualWorld({ seed: seedOf() });
      const [master, replica] = await startPair();
      await write(master, chance, 1500);
      await follow(replica, master);
      await write(master, chance, 1500);
      await untilLinked(replica);
      await untilEqual(master, replica);
      for (let cuts = 0; cuts < 3; cuts++) {
        const writing = write(master, chance, 700);
        assert.equal(await ask(master, 'CLIENT', 'KILL', 'TYPE', 'replica'), 1);
        await writing;
        await untilLinked(replica);
      }
      await untilEqual(master, replica);
      const stats = await info(master, 'stats');
      assert.deepEqual([stats['sync_full'], stats['sync_partial_ok']], ['1', '3']);
    });
  }

  it('a chain of ours, theirs and ours hands the same stream on; offsets and names are one', async () => {
    const chance = new ManualWorld({ seed: seedOf() });
    const top = await startOurs();
    const middle = await startReal();
    const bottom = await startOurs();
    const last = await startReal();
    await follow(middle, top);
    await untilLinked(middle);
    await follow(bottom, middle);
    await untilLinked(bottom);
    await follow(last, bottom);
    await untilLinked(last);
    await write(top, chance, 1500);
    await untilEqual(top, middle, bottom, last);
    const views = await Promise.all([top, middle, bottom, last].map((node) => info(node)));
    assert.equal(new Set(views.map((view) => view['master_replid'])).size, 1);
    assert.deepEqual(await ask(top, 'WAIT', 1, 5000), 1);
  });

  it('after a promotion of ours, its real sibling and then its real master go on without a copy', async () => {
    const chance = new ManualWorld({ seed: seedOf() });
    const master = await startReal();
    const newPrimary = await startOurs();
    const sibling = await startReal();
    await follow(newPrimary, master);
    await follow(sibling, master);
    await write(master, chance, 800);
    await untilLinked(newPrimary);
    await untilLinked(sibling);
    await untilEqual(master, newPrimary, sibling);
    const { master_replid: old } = await info(master);
    await ask(newPrimary, 'REPLICAOF', 'NO', 'ONE');
    await follow(sibling, newPrimary);
    await follow(master, newPrimary);
    await untilLinked(sibling);
    await untilLinked(master);
    await write(newPrimary, chance, 800);
    await untilEqual(master, newPrimary, sibling);
    const view = await info(newPrimary);
    assert.equal(view['master_replid2'], old);
    assert.notEqual(view['master_replid'], old);
    const stats = await info(newPrimary, 'stats');
    assert.deepEqual([stats['sync_full'], stats['sync_partial_ok']], ['0', '2']);
  });

  it('after a promotion of theirs, its sibling and its master of ours go on without a copy', async () => {
    const chance = new ManualWorld({ seed: seedOf() });
    const master = await startOurs();
    const newPrimary = await startReal();
    const sibling = await startOurs();
    await follow(newPrimary, master);
    await follow(sibling, master);
    await untilLinked(newPrimary);
    await untilLinked(sibling);
    await write(master, chance, 800);
    await untilEqual(master, newPrimary, sibling);
    await ask(newPrimary, 'REPLICAOF', 'NO', 'ONE');
    await follow(sibling, newPrimary);
    await follow(master, newPrimary);
    await untilLinked(sibling);
    await untilLinked(master);
    await write(newPrimary, chance, 800);
    await untilEqual(master, newPrimary, sibling);
    const stats = await info(newPrimary, 'stats');
    assert.deepEqual([stats['sync_full'], stats['sync_partial_ok']], ['0', '2']);
  });

  describe('a node that comes back with its snapshot goes on without a copy', () => {
    let dir: string;
    beforeEach(() => {
      dir = mkdtempSync(join(tmpdir(), 'lingcache-replication-'));
    });
    afterEach(() => rmSync(dir, { recursive: true, force: true }));

    /** Writes of which none runs out later: a key that did while its node was away is a reason for a copy. */
    const writeCalmly = async (node: AnyNode): Promise<void> => {
      await write(node, new ManualWorld({ seed: seedOf() }), 500);
      await new Promise((resolve) => setTimeout(resolve, 100));
    };

    it('ours as a replica', async () => {
      const master = await startReal();
      const replica = await startOurs({ dir, save: '', replicaof: `127.0.0.1 ${master.port}` });
      await untilLinked(replica);
      await writeCalmly(master);
      await untilEqual(master, replica);
      await ask(replica, 'SAVE');
      await writeCalmly(master);
      await replica.restart();
      await untilLinked(replica);
      await untilEqual(master, replica);
      const stats = await info(master, 'stats');
      assert.deepEqual([stats['sync_full'], stats['sync_partial_ok']], ['1', '1']);
    });

    it('ours as a master: its replica goes on where both were, and takes a copy when it was further', async () => {
      const master = await startOurs({ dir, save: '' });
      const replica = await startReal();
      await follow(replica, master);
      await untilLinked(replica);
      await writeCalmly(master);
      await untilEqual(master, replica);
      await ask(master, 'CONFIG', 'SET', 'repl-ping-replica-period', '1000');
      await untilEqual(master, replica);
      await ask(master, 'SAVE');
      await master.restart();
      await until('it goes on', async () => (await info(master, 'stats'))['sync_partial_ok'] === '1');
      await untilEqual(master, replica);
      assert.equal((await info(master, 'stats'))['sync_full'], '0');
      await ask(master, 'SAVE');
      await ask(master, 'SET', 'not', 'saved');
      await untilEqual(master, replica);
      await master.restart();
      await until('it takes a copy', async () => (await info(master, 'stats'))['sync_full'] === '1');
      await untilEqual(master, replica);
      assert.equal(await ask(replica, 'GET', 'not'), null);
    });
  });

  it('ROLE, INFO, CLIENT LIST and refusals are the same on both sides', async () => {
    const pairs = [
      [await startOurs(), await startOurs()],
      [await startReal(), await startReal()],
    ] as const;
    const [mine, theirs] = await Promise.all(
      pairs.map(async ([master, replica]) => {
        await follow(replica, master);
        await untilLinked(replica);
        await ask(master, 'SET', 'k', 'v');
        await untilEqual(master, replica);
        await until('it is online', async () => (await info(master))['slave0']?.includes('state=online'));
        const answers: unknown[] = [];
        for (const line of [
          'REPLCONF a',
          'REPLCONF listening-port x',
          'REPLCONF foo bar',
          'REPLCONF rdb-only 2',
          'REPLCONF rdb-filter-only x',
          'REPLCONF capa foo',
          `REPLCONF ip-address ${'x'.repeat(255)}`,
          `REPLCONF ip-address ${'x'.repeat(256)}`,
          'PSYNC ? x',
          'REPLICAOF a b',
          'REPLICAOF 127.0.0.1 99999',
          `REPLICAOF 127.0.0.1 ${master.port}`,
          'FAILOVER',
          'FAILOVER ABORT',
          'FAILOVER TIMEOUT 0',
          'FAILOVER TO x',
          'FAILOVER FORCE',
          'SET k w',
          'WAIT 1 1',
        ]) {
          answers.push(await ask(replica, ...line.split(' ')).then(String, (error: Error) => error.message));
        }
        const fields = async (node: AnyNode): Promise<string[]> => Object.keys(await info(node));
        const kinds = async (node: AnyNode, type: string): Promise<string[]> =>
          [...String(await ask(node, 'CLIENT', 'LIST', 'TYPE', type)).matchAll(/flags=(\w+) /g)].map(
            (found) => found[1]!,
          );
        const role = (await ask(replica, 'ROLE')) as unknown[];
        return {
          answers,
          master: await fields(master),
          replica: await fields(replica),
          clients: [await kinds(master, 'replica'), await kinds(replica, 'master')],
          role: [role[0], role[3], typeof role[4]],
        };
      }),
    );
    assert.deepEqual(mine, theirs);
  });

  it('FAILOVER: ours and theirs change places, there and back, without a copy', async () => {
    const chance = new ManualWorld({ seed: seedOf() });
    const [first, second] = [await startOurs(), await startReal()];
    await follow(second, first);
    await untilLinked(second);
    await write(first, chance, 300);
    for (const [master, replica] of [
      [first, second],
      [second, first],
    ] as const) {
      const copies = (await info(replica))['sync_full'];
      await ask(master, 'FAILOVER', 'TO', '127.0.0.1', replica.port, 'TIMEOUT', 20_000);
      await until('the failover is over', async () => {
        const { role, master_failover_state } = await info(master);
        return role === 'slave' && master_failover_state === 'no-failover';
      });
      assert.equal((await info(replica))['role'], 'master');
      await untilLinked(master);
      await write(replica, chance, 300);
      await untilEqual(master, replica);
      assert.equal((await info(replica))['sync_full'], copies);
    }
  });

  it('passwords are asked for and given, both ways', async () => {
    const locked = ['--requirepass', 'secret', '--masterauth', 'secret'];
    const real = await startReal(...locked);
    const mine = await startOurs({ requirepass: 'secret' });
    const login = async (node: AnyNode, ...argv: string[]): Promise<unknown> => {
      const client = await RespClient.connect(node.port);
      await client.call('AUTH', 'secret');
      const reply = await client.call(...argv);
      client.close();
      return reply;
    };
    const up = async (node: AnyNode): Promise<boolean> =>
      String(await login(node, 'INFO', 'replication')).includes('master_link_status:up');
    await login(real, 'SET', 'a', '1');
    await login(mine, 'REPLICAOF', '127.0.0.1', String(real.port));
    assert.equal(await up(mine), false);
    await login(mine, 'CONFIG', 'SET', 'masterauth', 'wrong');
    await login(mine, 'CONFIG', 'SET', 'masterauth', 'secret');
    await until('ours is let in', () => up(mine));
    assert.equal(await login(mine, 'GET', 'a'), '1');
    await login(mine, 'REPLICAOF', 'NO', 'ONE');
    await login(real, 'REPLICAOF', '127.0.0.1', String(mine.port));
    await until('theirs is let in', () => up(real));
  });
});
