import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { RealWorld } from '../../../../lib/base/world.ts';
import { type BundledNode, startNode } from '../../../../server/index.ts';
import { openNode } from '../../../../server/node/node.ts';
import { missingOpenssl } from '../../../kit/certificates.ts';
import { startNodeProcess } from '../../../kit/node-process.ts';
import { freePort } from '../../../kit/ports.ts';
import { RespClient } from '../../../kit/resp-client.ts';

// Where a node listens, and CONFIG SET of it: what redis 7.0 takes and refuses, in its words.

const failed = (name: string, why: string): string =>
  `ERR CONFIG SET failed (possibly related to argument '${name}') - ${why}`;

async function opens(port: number, host = '127.0.0.1'): Promise<boolean> {
  const socket = connect(port, host);
  const open = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return open;
}

describe('CONFIG SET of the addresses of a node', () => {
  let node: BundledNode;
  let client: RespClient;

  before(async () => {
    node = await startNode({ cluster: true, bus: 'tcp' });
    client = await RespClient.connect(node.port);
  });

  after(async () => {
    client?.close();
    await node?.kill();
  });

  const set = async (...words: (string | number)[]): Promise<string> => {
    const reply = await client.call('CONFIG', 'SET', ...words);
    return reply instanceof Error ? reply.message : String(reply);
  };
  const get = async (name: string): Promise<string> => ((await client.call('CONFIG', 'GET', name)) as string[])[1]!;

  it('port: listens there, no longer at the old one, keeps its clients, and announces it to the cluster', async () => {
    const [before, port] = [node.port, await freePort()];
    assert.equal(await set('port', port), 'OK');
    assert.deepEqual([await opens(port), await opens(before)], [true, false]);
    assert.equal(await client.call('PING'), 'PONG');
    assert.equal(await get('port'), String(port));
    // The bus stays where it is.
    assert.match(String(await client.call('CLUSTER', 'NODES')), new RegExp(`:${port}@${before + 10_000} myself`));
  });

  it('port: one that is taken is refused, and all is as before', async () => {
    const other = await startNode();
    const port = Number(await get('port'));
    try {
      const words = ['maxclients', 77, 'port', other.port] as const;
      assert.equal(await set(...words), failed('port', 'Unable to listen on this port. Check server logs.'));
      assert.deepEqual([await opens(port), await get('port'), await get('maxclients')], [true, String(port), '10000']);
    } finally {
      await other.kill();
    }
  });

  it('bind: several addresses, of which those with `-` may be missing; an unknown one is refused', async () => {
    const port = Number(await get('port'));
    assert.equal(await set('bind', '127.0.0.1 127.0.0.2 -192.0.2.1'), 'OK');
    assert.deepEqual([await opens(port), await opens(port, '127.0.0.2')], [true, true]);
    assert.equal(await set('bind', '127.0.0.3 192.0.2.1'), failed('bind', 'Failed to bind to specified addresses.'));
    assert.deepEqual([await opens(port, '127.0.0.2'), await opens(port, '127.0.0.3')], [true, false]);
    assert.equal(await set('bind', '127.0.0.3'), 'OK');
    assert.deepEqual([await opens(port), await opens(port, '127.0.0.3')], [false, true]);
    assert.equal(await set('bind', '*'), 'OK');
    assert.equal(await opens(port, '127.0.0.2'), true);
  });

  it('tls-port: with what it needs, and with another certificate; without, it is refused', async function () {
    const reason = missingOpenssl();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      this.skip();
    }
    const dir = mkdtempSync(join(tmpdir(), 'lingcache-doors-'));
    try {
      const port = await freePort();
      const unfit = failed('tls-port', 'Unable to update TLS configuration. Check server logs.');
      assert.equal(await set('tls-port', port), unfit);
      for (const name of ['first', 'second']) {
        const names = ['-keyout', `${name}.key`, '-out', `${name}.crt`, '-subj', `/CN=${name}`];
        const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
        execFileSync('openssl', ['req', '-x509', ...key, ...names], { cwd: dir, stdio: 'ignore' });
      }
      const files = (name: string): string[] => [
        ...['tls-cert-file', join(dir, `${name}.crt`)],
        ...['tls-key-file', join(dir, `${name}.key`)],
      ];
      assert.equal(await set(...files('first'), 'tls-auth-clients', 'no', 'tls-port', port), 'OK');
      const nameOf = async (): Promise<unknown> => {
        const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
        await once(socket, 'secureConnect');
        const { CN } = socket.getPeerCertificate().subject;
        socket.destroy();
        return CN;
      };
      assert.equal(await nameOf(), 'first');
      assert.equal(await set(...files('second')), 'OK');
      assert.equal(await nameOf(), 'second');
      const wrong = failed('tls-cert-file', 'Unable to update TLS configuration. Check server logs.');
      assert.equal(await set('tls-cert-file', join(dir, 'none')), wrong);
      assert.equal(await nameOf(), 'second');
      assert.equal(await set('tls-port', 0), 'OK');
      assert.equal(await opens(port), false);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('is no part of a transaction, and a number must be a port', async () => {
    const port = await get('port');
    await client.call('MULTI');
    await client.call('CONFIG', 'SET', 'port', '1');
    const [refusal] = (await client.call('EXEC')) as [Error];
    assert.equal(refusal.message, failed('port', 'not possible inside a transaction or a script'));
    assert.equal(await set('tls-port', 65_536), failed('tls-port', 'argument must be between 0 and 65535 inclusive'));
    assert.equal(await get('port'), port);
  });

  it('port 0 closes the door for good, not on those inside', async () => {
    const port = Number(await get('port'));
    assert.equal(await set('port', 0), 'OK');
    assert.equal(await opens(port), false);
    assert.equal(await client.call('PING'), 'PONG');
  });
});

describe('a node with several addresses', () => {
  it('has its client port and its bus port at each', async () => {
    const world = new RealWorld();
    const hosts = ['127.0.0.1', '127.0.0.2', '-192.0.2.1'];
    const node = await openNode({ world, host: hosts[0]!, hosts, port: 0, cluster: true, bus: 'tcp', config: {} });
    try {
      for (const port of [node.port, node.cport]) {
        assert.deepEqual([await opens(port), await opens(port, '127.0.0.2')], [true, true]);
      }
    } finally {
      await node.close();
    }
    const missing = ['127.0.0.1', '192.0.2.1'];
    const asked = { world, host: missing[0]!, hosts: missing, port: 0, cluster: true, bus: 'tcp', config: {} } as const;
    await assert.rejects(openNode(asked), /EADDRNOTAVAIL/);
  });
});

describe('loglevel', () => {
  it('warning leaves out what goes well', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'lingcache-log-'));
    const node = await startNodeProcess(await freePort(), { dir, args: ['--loglevel', 'warning', '--save', ''] });
    try {
      await node.ask('config', 'set', 'loglevel', 'notice');
      const { text } = await node.end('SIGTERM');
      assert.doesNotMatch(text, /Ready to accept|Server initialized/);
      assert.match(text, /^\d+:M .* # Received SIGTERM scheduling shutdown...\n.* \* .* bye bye...\n$/s);
    } finally {
      await node.end('SIGKILL');
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
