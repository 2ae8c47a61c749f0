// The gate of a server, check by check: what each refuses and lets pass, and which of two reasons a client is given.

import assert from 'node:assert/strict';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { ReplyError } from '../../../../lib/wire/reply.ts';
import { createEngine } from '../../../../server/command/all.ts';
import type { Client } from '../../../../server/engine/client.ts';
import { emptyTransaction } from '../../../../server/engine/client.ts';
import type { Engine } from '../../../../server/engine/engine.ts';
import { gate, held } from '../../../../server/engine/gate.ts';
import { nobody } from '../../../../server/engine/replay.ts';
import { clusterPort, persistencePort, replicationPort } from './ports-kit.ts';

interface Server {
  readonly engine: Engine;
  readonly client: Client;
}

type Cause = (server: Server) => unknown;

const moved = new ReplyError('MOVED 1 127.0.0.1:7001');
const misconf = new ReplyError('MISCONF Errors writing to the AOF file: No space left on device');
const busy = new ReplyError('BUSY Redis is busy running a script.');

/** Every reason but arity, in the order of the gate: what brings it about, and the reply it leads to. */
const causes: readonly (readonly [name: string, cause: Cause, reply: string])[] = [
  ['authentication', authentication, 'NOAUTH Authentication required.'],
  ['access rules', limitUser, "NOPERM this user has no permissions to run the 'set' command"],
  ['cluster slots', ({ engine }) => Object.assign(engine, { cluster: clusterPort(() => moved) }), moved.message],
  ['full memory', fillMemory, "OOM command not allowed when used memory > 'maxmemory'."],
  [
    'failed disk',
    ({ engine }) => Object.assign(engine, { persistence: persistencePort({ refusal: () => misconf }) }),
    misconf.message,
  ],
  ['few replicas', fewReplicas, 'NOREPLICAS Not enough good replicas to write.'],
  [
    'read-only replica',
    ({ engine }) => Object.assign(engine, { readOnly: true }),
    "READONLY You can't write against a read only replica.",
  ],
  [
    'subscriber context',
    (s) => void s.client.channels.add('news'),
    "ERR Can't execute 'set': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
  ],
  [
    'primary down',
    ({ engine }) => Object.assign(engine, { primaryDown: true }),
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  ],
  [
    'loading',
    ({ engine }) => Object.assign(engine, { loading: true }),
    'LOADING Redis is loading the dataset in memory',
  ],
  [
    'first copy',
    ({ engine }) => Object.assign(engine, { copying: true }),
    'LOADING Redis is loading the dataset in memory',
  ],
  ['busy script', ({ engine }) => Object.assign(engine, { busy: busy }), busy.message],
  [
    'replica connection',
    ({ client }) => Object.assign(client, { replicaLink: true }),
    "ERR Replica can't interact with the keyspace",
  ],
  ['pause', (s) => s.engine.pauses.pause('client command', 'writes'), 'held'],
];

/** A read-only node writes nothing to its disk for clients; nothing is evicted while it loads, is busy or is paused. */
const neverTogether = new Set([
  'failed disk and read-only replica',
  'full memory and loading',
  'full memory and busy script',
  'full memory and pause',
]);

function authentication({ engine, client }: Server): void {
  engine.config.set([['requirepass', 'secret']]);
  client.authenticated = false;
}

function limitUser({ engine, client }: Server): void {
  engine.access.acl.define(['limited', 'on', 'nopass', '~*', '+get']);
  client.user = engine.access.acl.get('limited')!;
}

function fillMemory({ engine, client }: Server): void {
  client.store.put('filler', 'x'.repeat(10_000));
  engine.config.set([['maxmemory', '1']]);
}

function fewReplicas({ engine }: Server): void {
  engine.replication = replicationPort({ enoughReplicas: false });
}

function start(...caused: Cause[]): Server {
  const engine = createEngine({ world: new ManualWorld() });
  const server = { engine, client: engine.connect(nobody) };
  for (const cause of caused) cause(server);
  return server;
}

function ask({ engine, client }: Server, line: string): string | undefined {
  const argv = line.split(' ');
  const command = engine.registry.find(argv);
  if (command instanceof ReplyError) return command.message;
  const refusal = gate(engine, client, command.row, argv);
  return refusal === held ? 'held' : refusal?.message;
}

describe('the gate', () => {
  it('is open to a server in good order', () => {
    for (const line of ['SET k v', 'GET k', 'PING', 'SUBSCRIBE news', 'EXEC'])
      assert.equal(ask(start(), line), undefined);
  });

  for (const [name, cause, reply] of causes) {
    it(`refuses a write for: ${name}`, () => assert.equal(ask(start(cause), 'SET k v'), reply));
  }

  it('names the first reason of any two, in this order', () => {
    for (const [first, [name, cause, reply]] of causes.entries()) {
      for (const [laterName, later] of causes.slice(first + 1)) {
        if (neverTogether.has(`${name} and ${laterName}`)) continue;
        assert.equal(ask(start(later, cause), 'SET k v'), reply, `${name} before ${laterName}`);
      }
    }
  });

  it('counts the words before anything else', () => {
    const everything = start(...causes.map(([, cause]) => cause));
    assert.equal(ask(everything, 'SET k'), "ERR wrong number of arguments for 'set' command");
  });

  it('lets pass what the reason is not about', () => {
    const passing: Readonly<Record<string, readonly string[]>> = {
      authentication: ['AUTH secret', 'HELLO 3', 'QUIT'],
      'access rules': ['GET k'],
      'cluster slots': ['PING', 'ECHO k', 'PUBLISH ch hi'],
      'full memory': ['GET k', 'DEL k', 'PING'],
      'failed disk': ['GET k', 'INFO'],
      'few replicas': ['GET k', 'PUBLISH ch hi'],
      'read-only replica': ['GET k', 'PUBLISH ch hi'],
      'subscriber context': ['SUBSCRIBE more', 'PING', 'RESET', 'QUIT'],
      'primary down': ['INFO', 'REPLICAOF NO ONE', 'CONFIG GET port'],
      loading: ['INFO', 'CONFIG GET port', 'SUBSCRIBE news'],
      'first copy': ['INFO', 'CONFIG GET port'],
      'busy script': ['QUIT', 'SHUTDOWN NOSAVE', 'MULTI'],
      'replica connection': ['PING', 'ECHO k'],
      pause: ['GET k', 'PING'],
    };
    for (const [name, cause] of causes) {
      const lines = passing[name]!;
      assert.ok(lines.length > 0, name);
      for (const line of lines) assert.equal(ask(start(cause), line), undefined, `${name}: ${line}`);
    }
  });

  it('PING is refused while the disk fails, though it writes nothing', () => {
    const server = start((s) => {
      s.engine.persistence = persistencePort({ refusal: () => misconf });
    });
    assert.equal(ask(server, 'PING'), misconf.message);
  });

  it('EXEC is refused for what any command of its queue is refused for', () => {
    for (const [name, cause, reply] of causes) {
      if (name === 'authentication' || name === 'access rules' || name === 'busy script') continue;
      const server = start();
      const argv = ['SET', 'k', 'v'];
      const command = server.engine.registry.get('set')!;
      const { flags } = command.row;
      server.client.transaction = {
        ...emptyTransaction(),
        queue: [{ command, argv }],
        anyFlags: flags,
        allFlags: flags,
        replicates: true,
      };
      cause(server);
      assert.equal(ask(server, 'EXEC'), reply.replace("execute 'set'", "execute 'exec'"), name);
    }
  });

  it('a transaction takes no command that is not allowed inside of one', () => {
    const server = start();
    server.client.transaction = emptyTransaction();
    assert.equal(ask(server, 'SUBSCRIBE news'), undefined);
    assert.equal(ask(server, 'SHUTDOWN'), 'ERR Command not allowed inside a transaction');
  });

  it('a pause of all commands holds reads too, but no stream of a replica', () => {
    const server = start((s) => s.engine.pauses.pause('shutdown', 'all'));
    assert.equal(ask(server, 'GET k'), 'held');
    server.client.replicaLink = true;
    assert.equal(ask(server, 'PING'), undefined);
  });

  it('a pause of writes holds what may reach replicas', () => {
    const server = start((s) => s.engine.pauses.pause('failover', 'writes'));
    for (const line of ['PUBLISH ch hi', 'SPUBLISH ch hi', 'PFCOUNT hll', 'DEL k']) {
      assert.equal(ask(server, line), 'held', line);
    }
  });

  it('DEBUG needs the configuration to allow it', () => {
    assert.match(ask(start(), 'DEBUG SLEEP 0')!, /^ERR DEBUG command not allowed/);
  });
});
