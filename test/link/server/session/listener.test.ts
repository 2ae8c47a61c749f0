// How the bundled server is reached: TLS, a unix path, addresses that cannot be bound, silent clients.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { startStandalone } from '../../../../server/embedded/standalone.ts';
import { RespClient } from '../../../kit/resp-client.ts';

describe('the listener of the bundled server', () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'lingcache-listener-'));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it('listens on a unix path', async () => {
    const path = join(folder, 'socket');
    const server = await startStandalone({ path });
    try {
      const socket = connect(path);
      socket.write('PING\r\nCLIENT INFO\r\n');
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.end();
      await once(socket, 'close');
      assert.match(Buffer.concat(chunks).toString(), new RegExp(`^\\+PONG\\r\\n\\$\\d+\\r\\nid=1 addr=${path}:0 `));
    } finally {
      await server.close();
    }
  });

  it('speaks TLS, and survives a client that does not', async function () {
    const key = join(folder, 'key.pem');
    const cert = join(folder, 'cert.pem');
    try {
      const subject = ['-subj', '/CN=localhost', '-days', '1', '-nodes'];
      execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-keyout', key, '-out', cert, ...subject], {
        stdio: 'ignore',
      });
    } catch {
      console.log('      skipped: no openssl to make a certificate with');
      this.skip();
    }
    const server = await startStandalone({ tls: { key: readFileSync(key), cert: readFileSync(cert) } });
    try {
      const plain = connect(server.port, '127.0.0.1');
      plain.on('error', () => undefined);
      plain.write('PING\r\n');
      await once(plain, 'close');
      const socket = connectTls({
        port: server.port,
        host: '127.0.0.1',
        ca: readFileSync(cert),
        servername: 'localhost',
      });
      await once(socket, 'secureConnect');
      socket.write('PING\r\n');
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      assert.equal(chunk.toString(), '+PONG\r\n');
      socket.destroy();
    } finally {
      await server.close();
    }
  });

  it('rejects when the address is taken, and leaves nothing behind', async () => {
    const first = await startStandalone();
    try {
      await assert.rejects(startStandalone({ port: first.port }), { code: 'EADDRINUSE' });
      const client = await RespClient.connect(first.port);
      assert.equal(await client.call('PING'), 'PONG');
      client.close();
    } finally {
      await first.close();
    }
  });

  it('says which port it took', async () => {
    const server = await startStandalone();
    try {
      const client = await RespClient.connect(server.port);
      assert.deepEqual(await client.call('CONFIG', 'GET', 'port'), ['port', String(server.port)]);
      client.close();
    } finally {
      await server.close();
    }
  });

  it('closes silent clients after CONFIG timeout, but not subscribers', async () => {
    const world = new ManualWorld();
    const server = await startStandalone({ engine: { world, config: { timeout: '10' } } });
    try {
      const [silent, listener] = [await RespClient.connect(server.port), await RespClient.connect(server.port)];
      assert.equal(await silent.call('PING'), 'PONG');
      await listener.call('SUBSCRIBE', 'c');
      world.forward(9000);
      assert.equal(server.engine.clients.size, 2);
      world.forward(3000);
      await silent.untilClosed();
      assert.deepEqual(await listener.call('PING'), ['pong', '']);
      listener.close();
    } finally {
      await server.close();
    }
  });
});
