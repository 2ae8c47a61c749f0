import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, slotOf } from '../../../../lib/index.ts';
import { makeCertificates, missingOpenssl } from '../../../kit/certificates.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../../kit/real-cluster.ts';
import { until } from '../../../kit/until.ts';
import { type Ended, lingcacheIn } from './kit.ts';

// The command line against redis-server nodes that speak TLS alone, among themselves too, announce addresses that their
// certificate does not name, and want a user and a password.

const inside = '127.0.0.9';
const keys = Array.from({ length: 400 }, (_, at) => `key:${at}`);

describe("lingcache's words on TLS nodes of redis-server", function () {
  this.timeout(120_000);
  const state = mkdtempSync(join(tmpdir(), 'lingcache-tls-'));
  const tls: { ca?: Buffer } = {};
  let real: RealCluster;
  let client: Cluster;

  before(async function () {
    needRedisServer(this, "lingcache's words on TLS nodes");
    const reason = missingOpenssl();
    if (reason !== undefined) {
      console.log(`      skipped: lingcache's words on TLS nodes (${reason})`);
      this.skip();
    }
    real = await startRealCluster({
      tls: true,
      masters: 3,
      replicas: 1,
      config: { bind: '0.0.0.0', 'protected-mode': 'no', requirepass: 'of-nodes', masterauth: 'of-nodes' },
      admin: { tls, password: 'of-nodes' },
      prepare: async (dir) => {
        await makeCertificates(dir);
        tls.ca = readFileSync(join(dir, 'ca.crt'));
        return {
          'tls-cert-file': join(dir, 'node.crt'),
          'tls-key-file': join(dir, 'node.key'),
          'tls-ca-cert-file': join(dir, 'ca.crt'),
          'tls-auth-clients': 'optional',
        };
      },
    });
    for (const node of real.nodes) {
      await node.ask('acl', 'setuser', 'operator', 'on', '>secret', '~*', '&*', '+@all');
      await node.ask('config', 'set', 'cluster-announce-ip', inside);
    }
    await until(
      'everyone announces the other address',
      async () => {
        const views = await Promise.all(real.nodes.map((node) => node.ask('cluster', 'nodes')));
        return views.every((view) => !String(view).includes('127.0.0.1:'));
      },
      30_000,
    );
    const natMap = Object.fromEntries(real.nodes.map(({ port }) => [`${inside}:${port}`, { host: '127.0.0.1', port }]));
    client = new Cluster(real.seeds, { natMap, redisOptions: { tls, username: 'operator', password: 'secret' } });
    await Promise.all(keys.map((key) => client.set(key, key)));
  });
  after(async () => {
    client?.disconnect();
    await real?.stop();
    rmSync(state, { recursive: true, force: true });
  });

  const login = { LINGCACHE_USER: 'operator', LINGCACHE_PASSWORD: 'secret' };
  const trust = (): string[] => ['--tls-ca', join(real.dir, 'ca.crt')];
  const map = (): string[] => [
    '--nat-map',
    real.nodes.map(({ port }) => `${inside}:${port}=127.0.0.1:${port}`).join(','),
  ];
  const run = (env: Readonly<Record<string, string>>, ...args: string[]): Promise<Ended> =>
    lingcacheIn({ XDG_STATE_HOME: state, ...env }, ...args);
  const ok = async (...args: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await run(login, ...args, '--json', ...trust(), ...map());
    assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
    return JSON.parse(stdout);
  };
  const first = (): string => real.nodes[0]!.address;
  const whole = async (): Promise<void> => {
    assert.deepEqual(await Promise.all(keys.map((key) => client.get(key))), keys);
    await until('a check finds nothing', async () => {
      const { stdout } = await run(login, 'check', first(), '--json', ...trust(), ...map());
      return (JSON.parse(stdout) as { healthy: boolean }).healthy;
    });
  };

  it('check and info reach every node', async () => {
    const report = (await ok('check', first())) as { nodes: { reachable: boolean; address: string }[] };
    assert.equal(report.nodes.length, 6);
    assert.ok(report.nodes.every(({ reachable, address }) => reachable && address.startsWith(`${inside}:`)));
    await ok('info', first());
  });

  it('a login as URL, as options and in the environment are one', async () => {
    const url = `rediss://operator:secret@${first()}`;
    assert.equal((await run({}, 'check', url, ...trust(), ...map())).code, 0);
    const options = ['--user', 'operator', '--password', 'secret'];
    assert.equal((await run({}, 'check', first(), ...options, ...trust(), ...map())).code, 0);
    assert.equal((await run({ REDISCLI_AUTH: 'of-nodes' }, 'check', first(), ...trust(), ...map())).code, 0);
  });

  it('a wrong password, an unknown authority and no TLS end with 2 and the reason', async () => {
    const wrong = await run({ ...login, LINGCACHE_PASSWORD: 'wrong' }, 'check', first(), ...trust(), ...map());
    assert.deepEqual([wrong.code, /WRONGPASS/.test(wrong.stderr)], [2, true], wrong.stderr);
    const stranger = await run(login, 'check', first(), '--tls', ...map());
    assert.deepEqual([stranger.code, /certificate/.test(stranger.stderr)], [2, true], stranger.stderr);
    const plain = await run(login, 'check', first(), '--timeout', '2s', ...map());
    assert.equal(plain.code, 2, plain.stderr);
    assert.ok(![wrong, stranger, plain].some(({ stdout, stderr }) => /secret/.test(stdout + stderr)));
    const insecure = await run(login, 'check', first(), '--tls-insecure', ...map());
    assert.equal(insecure.code, 0, insecure.stderr);
  });

  it('without the map other nodes cannot be reached by what they announce, and check says so', async () => {
    const { code, stdout } = await run(login, 'check', first(), '--json', ...trust());
    assert.equal(code, 1);
    const { findings } = JSON.parse(stdout) as { findings: { kind: string; what: string }[] };
    const found = findings.filter(({ kind }) => kind === 'unreachable');
    assert.ok(found.length >= 5);
    assert.match(found[0]!.what, /does not match|altnames/);
  });

  it('reshard moves slots with their keys from node to node by TLS and AUTH', async () => {
    const [source, target] = real.masters;
    const mine = keys.filter((key) => slotOf(key) <= 5460);
    const slots = [...new Set(mine.map((key) => slotOf(key)))].slice(0, 60);
    const line = ['reshard', first(), '--to', target!.id, '--slot-list', slots.join(','), '--yes'];
    const answer = (await ok(...line)) as { moved: number; keys: number; failed: unknown[] };
    assert.equal(answer.moved, 60);
    assert.ok(answer.keys >= 60);
    assert.deepEqual(answer.failed, []);
    assert.equal((await real.ownerOf(slots[0]!)).id, target!.id);
    assert.notEqual(source, target);
    await whole();
  });

  it('rebalance evens out', async () => {
    await ok('rebalance', first(), '--threshold', '0.1', '--yes');
    await whole();
    const { plan } = (await ok('rebalance', first(), '--yes')) as { plan: { moves: unknown[] } };
    assert.deepEqual(plan.moves, []);
  });

  it('del-node and add-node take a node out, and in again', async () => {
    const gone = real.replicas[0]!;
    await ok('del-node', gone.id, first(), '--yes');
    await until(
      'it is alone',
      async () =>
        String(await gone.ask('cluster', 'nodes'))
          .trim()
          .split('\n').length === 1,
    );
    await gone.ask('flushall').catch(() => undefined);
    await ok('add-node', gone.address, first(), '--replica-of', real.masters[0]!.id, '--yes');
    await until('it follows again', async () =>
      /master_link_status:up/.test(String(await gone.ask('info', 'replication'))),
    );
    await until('everyone knows its address', async () => {
      const views = await Promise.all(real.nodes.map((node) => node.ask('cluster', 'nodes')));
      return views.every((view) => String(view).includes(`${inside}:${gone.port}@`));
    });
    await whole();
  });

  it('backup copies every master, and restore brings the keys back', async () => {
    const dir = join(state, 'backup');
    await ok('backup', first(), dir);
    for (const key of keys.slice(0, 200)) await client.del(key);
    await ok('restore', first(), dir, '--replace', '--yes');
    await whole();
  });

  it('failover changes places', async () => {
    const replica = real.replicas[1]!;
    await ok('failover', replica.id, first(), '--yes');
    await until('it is master', async () => /role:master/.test(String(await replica.ask('info', 'replication'))));
    await whole();
  });
});
