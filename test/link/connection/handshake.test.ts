// What a handshake makes of refusals: AUTH and SELECT are required, HELLO may be done without, the rest is courtesy.

import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { libraryVersion } from '../../../lib/base/version.ts';
import { RealWorld } from '../../../lib/base/world.ts';
import { Connection } from '../../../lib/connection/connection.ts';
import { dial } from '../../../lib/connection/dial.ts';
import { type HandshakeOptions, shakeHands } from '../../../lib/connection/handshake.ts';
import { Decoder, pending } from '../../../lib/wire/decoder.ts';

type Answers = (argv: readonly string[]) => string | undefined;

const map3 = '%1\r\n+proto\r\n:3\r\n';

describe('handshake', () => {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  let seen: string[] = [];

  /** A server that answers as given, the handshake included; `undefined` hangs up. */
  async function serve(answers: Answers): Promise<number> {
    seen = [];
    const server = createServer((socket) => {
      sockets.add(socket);
      const decoder = new Decoder();
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => {
        decoder.feed(bytes);
        for (let argv = decoder.read('latin1'); argv !== pending; argv = decoder.read('latin1')) {
          const words = argv as string[];
          seen.push(words.join(' '));
          const reply = answers(words);
          if (reply === undefined) socket.destroy();
          else socket.write(reply);
        }
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as { port: number }).port;
  }

  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });

  async function introduce(answers: Answers, options: HandshakeOptions = {}): Promise<2 | 3> {
    const port = await serve(answers);
    const world = new RealWorld();
    const socket = await dial({ host: '127.0.0.1', port }, world).opened;
    const connection = new Connection(socket, `127.0.0.1:${port}`, {}, world, {
      onClose: () => undefined,
      onPush: () => undefined,
      onDrain: () => undefined,
      onHeard: () => undefined,
    });
    return shakeHands(connection, options).finally(() => connection.destroy(new Error('over')));
  }

  const everything: HandshakeOptions = {
    username: 'u',
    password: 'p',
    connectionName: 'my app',
    readOnly: true,
    inStep: true,
    clientInfoTag: 'a tag',
  };

  const refusals = [
    "-NOPERM User u has no permissions to run the 'x' command\r\n",
    '-ERR unknown command\r\n',
    '-ERR Client names cannot contain spaces, newlines or special characters.\r\n',
    '+whatever\r\n',
    '$-1\r\n',
    ':0\r\n',
  ];
  for (const refusal of refusals) {
    it(`courtesies may be answered with ${refusal.trim()}`, async () => {
      const answers: Answers = ([name]) => (name === 'hello' ? map3 : refusal);
      assert.equal(await introduce(answers, everything), 3);
      assert.deepEqual(seen.slice(0, 2), ['hello 3 AUTH u p', 'client setname my app']);
    });
  }

  for (const refusal of [
    ...refusals,
    '-NOPROTO unsupported protocol version\r\n',
    '-NOAUTH Authentication required.\r\n',
    '-ERR wrong number of arguments\r\n',
    '-ERR Protocol error: HELLO is not for you\r\n',
    '*0\r\n',
    '%0\r\n',
  ]) {
    it(`HELLO answered with ${refusal.trim()}: RESP2 with AUTH`, async () => {
      const answers: Answers = ([name]) => (name === 'hello' ? refusal : '+OK\r\n');
      assert.equal(await introduce(answers, { username: 'u', password: 'p' }), 2);
      assert.ok(seen.includes('auth u p'));
    });
  }

  for (const odd of ['+OK\r\n', '-ERR unknown command\r\n']) {
    it(`HELLO answered with ${odd.trim()}: what was done behind it is not asked for again`, async () => {
      const answers: Answers = ([name]) => (name === 'hello' ? odd : '+OK\r\n');
      assert.equal(await introduce(answers, { connectionName: 'app', readOnly: true, db: 2 }), 2);
      assert.deepEqual(seen, [
        'hello 3',
        'client setname app',
        'select 2',
        'readonly',
        `client SETINFO LIB-VER ${libraryVersion}`,
        'client SETINFO LIB-NAME lingcache',
      ]);
    });
  }

  it('HELLO refused by a server that wants a password: all that was refused with it is asked for behind AUTH', async () => {
    let known = false;
    const answers: Answers = ([name]) => {
      if (name === 'hello') return "-ERR unknown command 'hello'\r\n";
      if (name === 'auth') known = true;
      return known ? '+OK\r\n' : '-NOAUTH Authentication required.\r\n';
    };
    assert.equal(await introduce(answers, { password: 'p', connectionName: 'app', db: 2, clientInfo: false }), 2);
    assert.deepEqual(seen, [
      'hello 3 AUTH default p',
      'client setname app',
      'select 2',
      'auth p',
      'client setname app',
      'select 2',
    ]);
  });

  it('a replica without its master is found out where HELLO is not understood', async () => {
    const answers: Answers = ([name]) =>
      name === 'hello' ? '+OK\r\n' : name === 'info' ? '$23\r\nmaster_link_status:down\r\n' : '+OK\r\n';
    await assert.rejects(introduce(answers, { readOnly: true, inStep: true }), { code: 'MASTERDOWN' });
  });

  it('a refusal that is about who asks stands, and nothing more is tried', async () => {
    for (const [refusal, options] of [
      ['-WRONGPASS invalid username-password pair or user is disabled.\r\n', { password: 'p' }],
      ['-NOAUTH HELLO must be called with the client already authenticated\r\n', {}],
      ['-DENIED Redis is running in protected mode\r\n', {}],
      ['-ERR max number of clients reached\r\n', {}],
    ] as const) {
      await assert.rejects(
        introduce(() => refusal, options),
        { message: refusal.slice(1).trim() },
      );
      assert.ok(!seen.some((words) => words.startsWith('auth')), seen.join());
    }
  });

  it('a refused AUTH ends a RESP2 connection, unless no password is needed', async () => {
    const wrong: Answers = ([name]) => (name === 'auth' ? '-WRONGPASS no\r\n' : '+OK\r\n');
    await assert.rejects(introduce(wrong, { protocol: 2, password: 'p' }), { message: 'WRONGPASS no' });
    const needless: Answers = ([name]) =>
      name === 'auth' ? '-ERR Client sent AUTH, but no password is set\r\n' : '+OK\r\n';
    assert.equal(await introduce(needless, { protocol: 2, password: 'p' }), 2);
  });

  it('a refused SELECT ends the connection and says what to do', async () => {
    const answers: Answers = ([name]) =>
      name === 'hello' ? map3 : name === 'select' ? '-ERR SELECT is not allowed in cluster mode\r\n' : '+OK\r\n';
    await assert.rejects(introduce(answers, { db: 3 }), (error: Error & { hint?: string }) => {
      assert.equal(error.message, 'ERR SELECT is not allowed in cluster mode');
      assert.match(String(error.hint), /database 3 was asked for .* cluster-databases: leave db out/);
      assert.match(String(error.stack), /hint: database 3/);
      return true;
    });
  });

  it('a server that hangs up on the second try is quoted from the first', async () => {
    let hellos = 0;
    const answers: Answers = ([name]) => (name === 'hello' && hellos++ === 0 ? '-ERR go away\r\n' : undefined);
    await assert.rejects(introduce(answers, { password: 'p', clientInfo: false }), { message: 'ERR go away' });
  });
});
