// The chain of checks and the engine's ports, without sockets and with time that moves when the test moves it.

import assert from 'node:assert/strict';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { NullArray, type Reply, ReplyError, Status } from '../../../../lib/wire/reply.ts';
import type { GuardRequest } from '../../../../server/cluster/guard.ts';
import { createEngine } from '../../../../server/command/all.ts';
import type { Client, ReplySink } from '../../../../server/engine/client.ts';
import { execute } from '../../../../server/engine/dispatch.ts';
import type { Engine } from '../../../../server/engine/engine.ts';
import type { Effect, Ports } from '../../../../server/engine/ports.ts';
import { clusterPort, replicationPort } from './ports-kit.ts';

class Recorder implements ReplySink {
  readonly address = '127.0.0.1:1';
  readonly localAddress = '127.0.0.1:2';
  readonly fd = 8;
  readonly sent: Reply[] = [];
  readonly settled: (Reply | undefined)[] = [];
  closed = false;
  send(reply: Reply): void {
    this.sent.push(reply);
  }
  settle(reply: Reply | undefined): void {
    this.settled.push(reply);
  }
  close(): void {
    this.closed = true;
  }
  useProtocol(): void {}
  restrict(): void {}
  outputBytes(): number {
    return 0;
  }
  inputBytes(): number {
    return 0;
  }
}

interface Bench {
  readonly world: ManualWorld;
  readonly engine: Engine;
  readonly connect: () => { client: Client; sink: Recorder; say: (line: string) => unknown };
}

function bench(ports: Partial<Ports> = {}, clusterEnabled = false): Bench {
  const world = new ManualWorld();
  const engine = createEngine({ world, ports, clusterEnabled });
  const connect: Bench['connect'] = () => {
    const sink = new Recorder();
    const client = engine.connect(sink);
    const say = (line: string): unknown => plain(execute(engine, client, line.split(' ')));
    return { client, sink, say };
  };
  return { world, engine, connect };
}

function plain(reply: Reply | undefined): unknown {
  if (reply instanceof ReplyError) return `-${reply.message}`;
  if (reply instanceof Status) return `+${reply.text}`;
  return Array.isArray(reply) ? reply.map(plain) : reply;
}

const moved = '-MOVED 1 127.0.0.1:7001';

describe('the chain of checks', () => {
  it('asks for existence and arity before the password, and for the password before anything else', () => {
    const { engine, connect } = bench({ cluster: clusterPort(() => new ReplyError(moved.slice(1))) });
    engine.config.set([['requirepass', 'secret']]);
    const { say } = connect();
    assert.match(String(say('FOO')), /^-ERR unknown command/);
    assert.match(String(say('GET')), /^-ERR wrong number/);
    assert.equal(say('GET k'), '-NOAUTH Authentication required.');
    assert.equal(say('AUTH secret'), '+OK');
    assert.equal(say('GET k'), moved);
  });

  it('hands the guard the keys, whether it writes, and ASKING for one command', () => {
    const requests: GuardRequest[] = [];
    const { connect } = bench({
      cluster: clusterPort((request) => {
        requests.push(request);
        return undefined;
      }),
    });
    const { client, say } = connect();
    client.asking = true;
    say('MSET a 1 b 2');
    assert.equal(client.asking, false);
    client.readonly = true;
    say('GET k');
    say('PING');
    say('SPUBLISH ch hi');
    say('ZUNIONSTORE d 2 a b');
    assert.deepEqual(
      requests.map(({ keys, write, shardChannel, asking, readonly }) => [keys, write, shardChannel, asking, readonly]),
      [
        [['a', 'b'], true, false, true, false],
        [['k'], false, false, false, true],
        [['ch'], false, true, false, true],
        [['d', 'a', 'b'], true, false, false, true],
      ],
    );
  });

  it('spoils the transaction a redirect fell into, and answers a redirect at EXEC itself', () => {
    let refuse = false;
    const { connect } = bench({ cluster: clusterPort(() => (refuse ? new ReplyError(moved.slice(1)) : undefined)) });
    const { client, say } = connect();
    say('MULTI');
    refuse = true;
    assert.equal(say('SET a 1'), moved);
    refuse = false;
    assert.equal(say('EXEC'), '-EXECABORT Transaction discarded because of previous errors.');
    say('MULTI');
    say('SET a 1');
    refuse = true;
    assert.equal(say('EXEC'), moved);
    assert.equal(client.transaction, undefined);
    refuse = false;
    assert.equal(say('GET a'), null);
  });

  it('answers READONLY, MASTERDOWN and LOADING in that order, and lets harmless words pass', () => {
    const { engine, connect } = bench();
    const { say } = connect();
    engine.loading = true;
    assert.equal(say('GET k'), '-LOADING Redis is loading the dataset in memory');
    engine.primaryDown = true;
    assert.match(String(say('GET k')), /^-MASTERDOWN/);
    engine.readOnly = true;
    assert.match(String(say('SET k v')), /^-READONLY/);
    assert.equal(say('PING'), "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.");
    assert.equal(typeof (say('CONFIG GET port') as object), 'object');
  });

  it('EXEC is checked again for all its queue: what was fine when it was queued may not be now', () => {
    const { engine, connect } = bench();
    const { client, say } = connect();
    const changed = [
      ['GET k', 'primaryDown', 'MASTERDOWN'],
      ['GET k', 'loading', 'LOADING'],
      ['GET k', 'copying', 'LOADING'],
      ['SET k 1', 'readOnly', 'READONLY'],
    ] as const;
    for (const [line, state, code] of changed) {
      say('MULTI');
      say('PING');
      assert.equal(say(line), '+QUEUED');
      engine[state] = true;
      assert.match(String(say('EXEC')), new RegExp(`^-EXECABORT Transaction discarded because of: ${code} `));
      engine[state] = false;
      assert.equal(client.transaction, undefined);
    }
    say('MULTI');
    say('INFO nothing');
    engine.primaryDown = true;
    assert.ok(Array.isArray(say('EXEC')));
  });

  it('refuses a write inside a transaction on a replica', () => {
    const { engine, connect } = bench();
    const { say } = connect();
    say('MULTI');
    say('SET k v');
    engine.readOnly = true;
    const refusal = "READONLY You can't write against a read only replica.";
    assert.equal(say('EXEC'), `-EXECABORT Transaction discarded because of: ${refusal}`);
    assert.equal(say('EXEC'), '-ERR EXEC without MULTI');
  });

  it('refuses what cluster mode does not allow', () => {
    const { connect } = bench({}, true);
    const { say } = connect();
    assert.equal(say('SELECT 1'), '-ERR SELECT is not allowed in cluster mode');
    assert.equal(say('SELECT 0'), '+OK');
    assert.equal(say('SWAPDB 0 1'), '-ERR SWAPDB is not allowed in cluster mode');
  });
});

describe('the engine', () => {
  it('gives the effects of a transaction as one unit, a lazy expiry before the write that met it', () => {
    const units: string[][] = [];
    const note = (effects: readonly Effect[]): void => {
      units.push(effects.map((effect) => `${effect.db} ${effect.argv.join(' ')}`));
    };
    const { world, connect } = bench({ replication: replicationPort({ onEffects: note }) });
    const { say } = connect();
    say('SET k v PX 20');
    world.forward(25);
    say('SETNX k w');
    say('MULTI');
    say('SELECT 3');
    say('SET a 1');
    say('GET a');
    say('DEL a');
    say('EXEC');
    assert.deepEqual(units.slice(1), [
      ['0 DEL k', '0 SETNX k w'],
      ['3 SET a 1', '3 DEL a'],
    ]);
  });

  it('replicates background expiry', () => {
    const units: string[] = [];
    const { world, connect, engine } = bench({
      replication: replicationPort({ onEffects: (effects) => units.push(effects[0]!.argv.join(' ')) }),
    });
    connect().say('SET k v PX 20');
    world.forward(200);
    assert.equal(units[1], 'DEL k');
    engine.stop();
    assert.equal(world.pending, 0);
  });

  it('keeps a command that waits for replicas blocked until the replicas have acknowledged', () => {
    let done: ((count: number) => void) | undefined;
    const { connect } = bench({
      replication: replicationPort({
        wait: (_count, _timeout, settle) => {
          done = settle;
          return () => undefined;
        },
      }),
    });
    const { client, sink, say } = connect();
    assert.equal(say('WAIT 1 0'), undefined);
    assert.equal(client.blocked?.kind, 'later');
    done!(1);
    done!(2);
    assert.deepEqual(sink.settled, [1]);
    assert.equal(client.blocked, undefined);
  });

  it('does not wait inside a transaction', () => {
    let cancelled = 0;
    const counts: number[] = [];
    const { client, sink, say } = bench({
      replication: replicationPort({
        wait: (count, _timeout, settle) => {
          counts.push(count);
          if (counts.length > 1) settle(2);
          return () => cancelled++;
        },
      }),
    }).connect();
    for (const line of ['MULTI', 'WAIT 1 0', 'WAIT 1 0', 'BLPOP l 0']) say(line);
    assert.deepEqual(say('EXEC'), [0, 2, NullArray.value]);
    assert.deepEqual(counts, [0, 0]);
    assert.equal(cancelled, 1);
    assert.equal(client.blocked, undefined);
    assert.deepEqual(sink.settled, []);
  });

  it('ends the waits that the owner of the slots refuses', () => {
    const { engine, connect } = bench();
    const [one, two] = [connect(), connect()];
    one.say('BLPOP a 0');
    two.say('BLPOP b 0');
    const refusal = new ReplyError('MOVED 1 127.0.0.1:7001');
    engine.blocked.refuse((_client, argv) => (argv[1] === 'a' ? refusal : undefined));
    assert.deepEqual(one.sink.settled, [refusal]);
    assert.deepEqual(two.sink.settled, []);
    assert.equal(engine.blocked.count, 1);
    engine.disconnect(two.client);
    assert.equal(engine.blocked.count, 0);
  });

  it('ends a wait when its time is up, to the millisecond', () => {
    const { world, connect } = bench();
    const { sink, say } = connect();
    say('BLPOP a 0.5');
    world.forward(499);
    assert.equal(sink.settled.length, 0);
    world.forward(1);
    assert.equal(sink.settled.length, 1);
  });

  it('answers an internal error instead of falling over, and logs where it was', () => {
    const { engine, world, connect } = bench();
    engine.add({
      lolwut: () => {
        throw new TypeError('a bug');
      },
    });
    const { say } = connect();
    assert.equal(say('LOLWUT'), '-ERR internal error');
    assert.match(world.lines.join('\n'), /a bug/);
    assert.equal(say('PING'), '+PONG');
  });

  it('keeps a slow log within its limits', () => {
    const { engine, world, connect } = bench();
    engine.add({
      lolwut: () => {
        world.forward(50);
        return 'x';
      },
    });
    const { say } = connect();
    say('CONFIG SET slowlog-max-len 2');
    for (const word of ['a', 'b', 'c']) say(`LOLWUT ${word} ${'y'.repeat(200)}`);
    const entries = say('SLOWLOG GET') as unknown[][];
    assert.deepEqual(
      entries.map((entry) => [entry[0], entry[2], (entry[3] as string[])[1]]),
      [
        [2, 50000, 'c'],
        [1, 50000, 'b'],
      ],
    );
    assert.match((entries[0]![3] as string[])[2]!, /^y{128}\.\.\. \(72 more bytes\)$/);
  });

  it('reports what tools ask INFO for', () => {
    const { connect } = bench({}, true);
    const { say } = connect();
    const info = (): string => (say('INFO') as { text: string }).text;
    assert.match(info(), /^# Server\r\nredis_version:7\.0\.15\r\n/);
    assert.match(info(), /\r\ncluster_enabled:1\r\n/);
    assert.match(info(), /\r\nrole:master\r\n/);
    assert.match(info(), /\r\nloading:0\r\n/);
    assert.doesNotMatch(info(), /db0:/);
    say('SET k v');
    assert.match(info(), /\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n/);
  });

  it('goes by the wall clock where time is absolute, and by its own where it is a while', () => {
    const { world, connect } = bench();
    const { say } = connect();
    const seconds = (): number => Number((say('TIME') as string[])[0]);
    const before = seconds();
    say('SET k v PX 5000');
    say(`SET at v EXAT ${before + 30}`);
    say('XADD s * f v');
    world.sleep(10_000);
    assert.equal(seconds(), before + 10);
    assert.equal(say('GET k'), null);
    assert.equal(say('TTL at'), 20);
    assert.ok(Number(String(say('XADD s * f v')).split('-')[0]) >= (before + 10) * 1000);
    world.sleep(20_000);
    assert.equal(say('EXISTS at'), 0);
    assert.match((say('INFO server') as { text: string }).text, new RegExp(`server_time_usec:${before + 30}`));
  });
});

describe('names and counters', () => {
  it('a subcommand cannot be called by a name with a bar', () => {
    const { say } = bench().connect();
    assert.match(String(say('config|get *')), /^-ERR unknown command 'config\|get'/);
    assert.match(String(say('CLIENT|ID')), /^-ERR unknown command/);
  });

  it('a wait that ends with an error counts as a failed call', () => {
    const { engine, connect } = bench();
    const { client, say } = connect();
    say('BLPOP list 0');
    engine.blocked.answer(client, new ReplyError('UNBLOCKED by hand'));
    assert.equal(engine.registry.get('blpop')!.failed, 1);
    assert.equal(engine.errorCodes.get('UNBLOCKED'), 1);
  });
});
