// The time to connect is the network's: a test that has put its own clock in place of the global timers must neither
// end a connection early by moving it, nor make one wait for ever by standing still.

import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { Redis } from '../../../lib/index.ts';
import { FakeNode } from '../../kit/fake-node.ts';

interface FakeTimer {
  readonly run: () => void;
  readonly ms: number;
}

/** Global timers that only run when the test runs them. */
class FakeClock {
  readonly #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  readonly timers = new Map<object, FakeTimer>();

  install(): void {
    const fake = (run: () => void, ms = 0): object => {
      const handle = { unref: () => handle, ref: () => handle };
      this.timers.set(handle, { run, ms });
      return handle;
    };
    globalThis.setTimeout = fake as never;
    globalThis.clearTimeout = ((handle: object) => this.timers.delete(handle)) as never;
  }

  /** Runs what would fall due within `ms`. */
  forward(ms: number): void {
    for (const [handle, timer] of [...this.timers]) {
      if (timer.ms > ms || !this.timers.delete(handle)) continue;
      timer.run();
    }
  }

  restore(): void {
    Object.assign(globalThis, this.#real);
  }
}

describe('client: the global clock and the time to connect', () => {
  const clock = new FakeClock();
  const closing: (() => unknown)[] = [];

  afterEach(async () => {
    clock.restore();
    for (const close of closing.splice(0)) await close();
  });

  async function listen(accept: (socket: Socket) => void): Promise<number> {
    const server: Server = createServer(accept);
    const sockets = new Set<Socket>();
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    });
    return (server.address() as { port: number }).port;
  }

  it('a clock moved by an hour does not end a connection that is being made', async () => {
    let letIn: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      letIn = resolve;
    });
    const held: Socket[] = [];
    const node = await FakeNode.start(() => '+PONG\r\n');
    closing.push(() => node.close());
    node.answer = (argv, socket) => {
      if (argv[0] !== 'info') return '+PONG\r\n';
      held.push(socket);
      letIn();
      return undefined;
    };
    clock.install();
    const client = new Redis({ host: '127.0.0.1', port: node.port, retryStrategy: null });
    closing.push(() => client.disconnect());
    const errors: Error[] = [];
    client.on('error', (error) => errors.push(error));
    // Before the socket is open, and again while the server thinks.
    clock.forward(3_600_000);
    const answer = client.ping();
    await asked;
    clock.forward(3_600_000);
    held[0]!.write('$9\r\nloading:0\r\n');
    assert.equal(await answer, 'PONG');
    assert.deepEqual(errors, []);
    assert.equal(node.connections, 1);
  });

  for (const tls of [false, true]) {
    it(`a clock that stands still does not keep a mute server's connection waiting (${tls ? 'TLS' : 'RESP'} handshake)`, async () => {
      const port = await listen(() => {});
      clock.install();
      const client = new Redis({
        host: '127.0.0.1',
        port,
        connectTimeout: 100,
        retryStrategy: null,
        lazyConnect: true,
        ...(tls ? { tls: true } : {}),
      });
      const reported = new Promise<Error>((resolve) => client.once('error', resolve));
      await assert.rejects(client.connect());
      assert.match((await reported).message, /ETIMEDOUT/);
    });
  }

  it('connectTimeout 0 sets no limit to the handshake', async () => {
    const node = await FakeNode.start(() => '+PONG\r\n');
    closing.push(() => node.close());
    const client = new Redis({ host: '127.0.0.1', port: node.port, connectTimeout: 0, retryStrategy: null });
    closing.push(() => client.disconnect());
    assert.equal(await client.ping(), 'PONG');
  });
});
