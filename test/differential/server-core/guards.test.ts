// What stands before the commands, on the bundled server and on redis-server: browsers, strangers from elsewhere,
// commands that are offered to nobody, paths, clients that have not authenticated and do not read.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { NodeProcess, startNodeProcess } from '../../kit/node-process.ts';
import { freePort } from '../../kit/ports.ts';
import { needRedisServer } from '../../kit/redis-server.ts';
import { until } from '../../kit/until.ts';

type Program = 'lingcache' | 'redis-server';
const programs: readonly Program[] = ['redis-server', 'lingcache'];

interface Started {
  readonly port: number;
  readonly node: NodeProcess;
}

/** What came back, and whether the server closed. */
async function exchange(port: number, bytes: string, from?: string): Promise<{ text: string; closed: boolean }> {
  const socket = connect({ port, host: '127.0.0.1', ...(from !== undefined && { localAddress: from }) });
  socket.on('error', () => undefined);
  let text = '';
  let closed = false;
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  const gone = new Promise<void>((resolve) => {
    socket.on('close', () => {
      closed = true;
      resolve();
    });
  });
  socket.write(bytes);
  // Until it closes, or nothing more has come for a while; a machine under load is given time for the first of it.
  let seen = -1;
  for (let waited = 0; waited < 3000 && (seen !== text.length || seen === 0); waited += 150) {
    seen = text.length;
    await Promise.race([gone, pause(150)]);
    if (closed) break;
  }
  const found = { text, closed };
  socket.destroy();
  return found;
}

describe('what stands before the commands, beside redis-server', function () {
  this.timeout(60_000);
  let dir: string;
  const started: NodeProcess[] = [];

  const start = async (program: Program, ...args: string[]): Promise<Started> => {
    const port = await freePort();
    const node = await startNodeProcess(port, {
      program,
      dir,
      args: ['--save', '', '--bind', '127.0.0.1', ...args],
    });
    started.push(node);
    return { port, node };
  };

  before(function () {
    needRedisServer(this);
    dir = mkdtempSync(join(tmpdir(), 'lingcache-guards-'));
  });

  after(async () => {
    for (const node of started) await node.end('SIGKILL');
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  });

  it('the words of a browser end the connection, and are logged once a minute', async () => {
    const requests = [
      'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET hacked 1\r\n',
      'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET hacked 1\r\n',
      'PUT / HTTP/1.1\r\nX: y\r\nhOsT: z\r\nSET hacked 1\r\n',
      '*1\r\n$4\r\nPoSt\r\nSET hacked 1\r\n',
    ];
    for (const program of programs) {
      const { port, node } = await start(program);
      for (const request of requests) {
        assert.equal((await exchange(port, request)).closed, true, `${program}: ${request}`);
      }
      assert.equal(await node.ask('EXISTS', 'hacked'), 0);
      assert.equal(node.text.split('Possible SECURITY ATTACK detected').length, 2, program);
    }
  });

  it('clients from elsewhere get the reason why they are refused, as long as there is no password', async () => {
    const answers = await Promise.all(
      programs.map(async (program) => {
        const { port, node } = await start(program);
        const found = [await exchange(port, 'PING\r\n', '127.0.0.2')];
        await node.ask('CONFIG', 'SET', 'protected-mode', 'no');
        found.push(await exchange(port, 'PING\r\n', '127.0.0.2'));
        await node.ask('CONFIG', 'SET', 'protected-mode', 'yes', 'requirepass', 'x');
        found.push(await exchange(port, 'PING\r\n', '127.0.0.2'));
        return found;
      }),
    );
    assert.match(answers[0]![0]!.text, /^-DENIED Redis is running in protected mode/);
    assert.deepEqual(answers[1], answers[0]);
  });

  it('DEBUG and MODULE LOAD are offered to nobody, to this machine, or to all', async () => {
    const words = 'DEBUG SLEEP 0\r\nMULTI\r\nDEBUG SLEEP 0\r\nEXEC\r\nDEBUG\r\n';
    const answers = await Promise.all(
      programs.map(async (program) => {
        const found: string[] = [];
        for (const value of ['no', 'local', 'yes']) {
          const { port } = await start(program, '--enable-debug-command', value, '--protected-mode', 'no');
          for (const from of ['127.0.0.1', '127.0.0.2']) found.push((await exchange(port, words, from)).text);
        }
        return found;
      }),
    );
    assert.match(answers[0]![0]!, /^-ERR DEBUG command not allowed/);
    assert.deepEqual(answers[1], answers[0]);
  });

  it('paths and immutable parameters are refused', async () => {
    const sets = [
      ['dbfilename', 'x.rdb'],
      ['dir', '/tmp'],
      ['enable-debug-command', 'yes'],
      ['enable-protected-configs', 'yes'],
      ['appendfilename', 'x'],
    ];
    for (const value of ['no', 'local', 'yes']) {
      const answers = await Promise.all(
        programs.map(async (program) => {
          const { node } = await start(program, '--enable-protected-configs', value);
          const found: unknown[] = [];
          for (const pair of [...sets, ['dbfilename', '../x.rdb'], ['dir', '/no/such/folder']]) {
            found.push(await node.ask('CONFIG', 'SET', ...pair).catch((error: Error) => error.message));
          }
          return [...found, await node.ask('CONFIG', 'GET', 'dbfilename')];
        }),
      );
      assert.deepEqual(answers[1], answers[0], value);
    }
  });

  for (const [name, value] of [
    ['dbfilename', '../x.rdb'],
    ['dbfilename', 'a/x.rdb'],
    ['appendfilename', '/x.aof'],
    ['appendfilename', ''],
    ['appenddirname', 'a/b'],
    ['appenddirname', ''],
    ['rename-command', 'nosuch x'],
    ['rename-command', 'get set'],
    ['user', 'x +nosuch'],
    ['user', 'x (+get'],
    ['user', 'x &* &a'],
  ] as const) {
    it(`--${name} ${JSON.stringify(value)} does not start`, async () => {
      for (const program of programs) {
        const args = ['--port', String(await freePort()), `--${name}`, ...(value === '' ? [''] : value.split(' '))];
        const node = new NodeProcess({ program, dir, args });
        started.push(node);
        const { code } = await node.ended;
        assert.equal(code, 1, program);
      }
    });
  }

  it('a pipeline of wrong passwords is dropped, a short one answered', async () => {
    for (const program of programs) {
      const { port, node } = await start(program, '--requirepass', 'secret');
      const short = await exchange(port, 'AUTH wrong\r\n'.repeat(100));
      assert.equal(short.text.split('-WRONGPASS').length, 101, program);
      const long = await exchange(port, 'AUTH wrong\r\n'.repeat(20_000));
      assert.deepEqual([long.closed, long.text], [true, ''], program);
      await until('it is logged', () => node.text.includes('for overcoming of output buffer limits'));
    }
  });
});

describe('a client that does not read', function () {
  this.timeout(60_000);
  let dir: string;
  let node: NodeProcess | undefined;
  let socket: Socket | undefined;

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'lingcache-guards-'));
  });

  after(async () => {
    socket?.destroy();
    await node?.end('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  it('has its requests taken in, not run: its replies do not pile up, and neither side waits for the other', async () => {
    const port = await freePort();
    node = await startNodeProcess(port, { dir, args: ['--save', ''] });
    await node.ask('SET', 'big', 'x'.repeat(1 << 20));
    socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.pause();
    // Asks for far more than any buffer on the way holds.
    for (let sent = 0; sent < 200; sent++) socket.write('GET big\r\n'.repeat(5));
    const padding = `SET pad ${'y'.repeat(60_000)}\r\n`;
    for (let sent = 0; sent < 500; sent++) socket.write(padding);
    await until('all that it sends is taken in', () => socket!.writableLength === 0, 40_000);
    const taken = Math.max(
      ...[...String(await node.ask('CLIENT', 'LIST')).matchAll(/ qbuf=(\d+)/g)].map((match) => Number(match[1])),
    );
    assert.ok(taken > 16 << 20, `only ${taken} bytes of requests wait to be run`);
    const output = Number(/ omem=(\d{6,})/.exec(String(await node.ask('CLIENT', 'LIST')))?.[1]);
    assert.ok(output < 64 << 20, `${output} bytes of replies wait`);
    // Once it reads again it gets all of them.
    let got = 0;
    socket.on('data', (chunk: Buffer) => {
      got += chunk.length;
    });
    socket.resume();
    await until('every reply is there', () => got >= 1000 * (1 << 20), 40_000);
    await until('the rest was run', async () => (await node!.ask('STRLEN', 'pad')) === 60_000);
  });
});
