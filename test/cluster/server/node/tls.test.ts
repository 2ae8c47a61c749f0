import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { slotOf } from '../../../../lib/wire/slot.ts';
import { makeCertificates, missingOpenssl } from '../../../kit/certificates.ts';
import { type NodeProcess, type NodeProcessOptions, startNodeProcess } from '../../../kit/node-process.ts';
import { freePort } from '../../../kit/ports.ts';
import { needRedisServer } from '../../../kit/real-cluster.ts';
import { until } from '../../../kit/until.ts';

// Nodes of ours and redis-server in one cluster where everything between nodes is under TLS, each with a port of either
// kind for clients.

const run = promisify(execFile);

interface Node {
  readonly process: NodeProcess;
  readonly port: number;
  readonly tlsPort: number;
  readonly id: string;
}

describe('a cluster under TLS of our nodes and redis-server', function () {
  this.timeout(60_000);
  let dir: string;
  let files: string[];
  const nodes: Node[] = [];
  const running: NodeProcess[] = [];

  async function start(program: NonNullable<NodeProcessOptions['program']>, name: string): Promise<Node> {
    const [port, tlsPort] = [await freePort(), await freePort()];
    const args = [
      ...['--cluster-enabled', 'yes', '--cluster-config-file', `${name}.conf`, '--dbfilename', `${name}.rdb`],
      ...['--cluster-node-timeout', '1000', '--repl-diskless-sync-delay', '0', '--save', '', '--bind', '127.0.0.1'],
      ...['--tls-port', String(tlsPort), '--tls-cluster', 'yes', '--tls-replication', 'yes', ...files],
    ];
    const process = await startNodeProcess(port, { program, dir, args });
    running.push(process);
    const id = String(await process.ask('cluster', 'myid'));
    return { process, port, tlsPort, id };
  }

  /** redis-cli over TLS. */
  async function cli(node: Node, ...words: string[]): Promise<string> {
    const tls = ['--tls', '--cacert', 'ca.crt', '--cert', 'node.crt', '--key', 'node.key'];
    const { stdout } = await run('redis-cli', [...tls, '-p', String(node.tlsPort), ...words], { cwd: dir });
    return stdout.trim();
  }

  const views = (): Promise<string[]> =>
    Promise.all(nodes.map(async ({ process }) => String(await process.ask('cluster', 'nodes'))));

  before(async function () {
    needRedisServer(this, 'a cluster under TLS of our nodes and redis-server');
    const reason = missingOpenssl();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      this.skip();
    }
    dir = mkdtempSync(join(tmpdir(), 'lingcache-tls-'));
    await makeCertificates(dir);
    files = ['--tls-cert-file', 'node.crt', '--tls-key-file', 'node.key', '--tls-ca-cert-file', 'ca.crt'];
    const programs = ['lingcache', 'lingcache', 'redis-server', 'lingcache', 'redis-server'] as const;
    nodes.push(...(await Promise.all(programs.map((program, at) => start(program, `node-${at}`)))));
  });

  after(async () => {
    await Promise.all(running.map((process) => process.end('SIGKILL')));
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  });

  it('meets by the ports with TLS, and gives every client the port it can use', async () => {
    const [first, second, third] = nodes as [Node, Node, Node];
    for (const { tlsPort } of nodes.slice(1)) await first.process.ask('cluster', 'meet', '127.0.0.1', tlsPort);
    await until('all know all', async () =>
      (await views()).every((view) =>
        nodes.every(({ id, port }) => new RegExp(`^${id} 127.0.0.1:${port}@\\d+ .* connected`, 'm').test(view)),
      ),
    );
    for (const [at, { process }] of [first, second, third].entries()) {
      await process.ask('cluster', 'addslotsrange', [0, 5461, 10923][at]!, [5460, 10922, 16383][at]!);
    }
    await until('all are ok', async () => {
      const infos = await Promise.all(nodes.map(({ process }) => process.ask('cluster', 'info')));
      return infos.every((text) => /cluster_state:ok/.test(String(text)));
    });
    const seen = await cli(first, 'cluster', 'nodes');
    for (const { id, tlsPort } of nodes) {
      assert.match(seen, new RegExp(`^${id} 127.0.0.1:${tlsPort}@${tlsPort + 10_000} `, 'm'));
    }
    for (const node of [second, third]) {
      const shards = (await node.process.ask('cluster', 'shards')) as unknown[][];
      const announced = shards.flatMap((shard) =>
        (shard[3] as unknown[][]).map((fields) => fields.slice(0, 6).map(String)),
      );
      const wanted = nodes.map(({ id, port, tlsPort }) => ['id', id, 'port', `${port}`, 'tls-port', `${tlsPort}`]);
      assert.deepEqual(announced.sort(), wanted.sort());
    }
    // `foo` is in the third node's share.
    const slot = slotOf('foo');
    await assert.rejects(first.process.ask('get', 'foo'), new RegExp(`MOVED ${slot} 127.0.0.1:${third.port}$`));
    assert.equal(await cli(first, 'get', 'foo'), `MOVED ${slot} 127.0.0.1:${third.tlsPort}`);
    assert.equal(await cli(first, '-c', 'set', 'foo', 'bar'), 'OK');
    assert.equal(await cli(second, '-c', 'get', 'foo'), 'bar');
  });

  it('replicates in both directions', async () => {
    const [first, , third, ours, real] = nodes as [Node, Node, Node, Node, Node];
    await cli(first, '-c', 'set', 'bar', 'baz');
    await ours.process.ask('cluster', 'replicate', third.id);
    await real.process.ask('cluster', 'replicate', first.id);
    for (const { process } of [ours, real]) {
      await until('its link is up', async () =>
        /master_link_status:up/.test(String(await process.ask('info', 'replication'))),
      );
      await process.ask('readonly');
    }
    await until('its key is there', async () => (await ours.process.ask('get', 'foo')) === 'bar');
    await cli(first, '-c', 'set', 'hello', 'there');
    await until(
      'a write comes over',
      async () => (await real.process.ask('dbsize')) === (await first.process.ask('dbsize')),
    );
    const address = (await real.process.ask('role')) as unknown[];
    assert.equal(Number(address[2]), first.tlsPort);
    const replicas = ((await third.process.ask('role')) as [string, number, string[][]])[2];
    assert.deepEqual(
      replicas.map(([host, port]) => `${host}:${port}`),
      [`127.0.0.1:${ours.tlsPort}`],
    );
  });

  it('moves slots with their keys', async () => {
    const [first, second] = nodes as [Node, Node];
    // Slots 0 to 4.
    const keys = Array.from({ length: 40_000 }, (_, at) => `k${at}`).filter((key) => slotOf(key) < 5);
    for (const key of keys) await first.process.ask('set', key, 'v');
    const reshard = ['--cluster', 'reshard', `127.0.0.1:${first.tlsPort}`, '--cluster-from', first.id];
    await cli(first, ...reshard, '--cluster-to', second.id, '--cluster-slots', '5', '--cluster-yes');
    assert.ok(keys.length > 3);
    for (const key of keys) assert.equal(await second.process.ask('get', key), 'v');
  });

  it('lets nobody without a certificate of its authority onto the bus', async () => {
    const [first] = nodes as [Node];
    const plain = connect(first.tlsPort + 10_000, '127.0.0.1');
    plain.on('error', () => undefined);
    plain.write('RCmb\0\0\x08\xd0'.padEnd(2256, '\0'), 'latin1');
    await once(plain, 'close');
    const args = ['s_client', '-connect', `127.0.0.1:${first.tlsPort + 10_000}`, '-CAfile', 'ca.crt'];
    const stranger = run('openssl', [...args, '-ign_eof', '-quiet'], { cwd: dir });
    await assert.rejects(stranger, /certificate required|alert/);
  });

  it('elects our replica when redis-server is killed', async () => {
    const [, second, third, ours] = nodes as [Node, Node, Node, Node];
    await third.process.end('SIGKILL');
    await until('it serves', async () => (await cli(second, '-c', 'get', 'foo')) === 'bar', 30_000);
    assert.equal(((await ours.process.ask('role')) as unknown[])[0], 'master');
    nodes.splice(2, 1);
  });
});
