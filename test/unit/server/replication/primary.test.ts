import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { InProcessSaver } from '../../../../server/persistence/saver/in-process.ts';
import { BackgroundSaves } from '../../../../server/persistence/saver/saver.ts';
import type { ReplicaFacts } from '../../../../server/replication/attached-replica.ts';
import { History } from '../../../../server/replication/history.ts';
import { Primary, type PrimarySettings } from '../../../../server/replication/primary.ts';

/** The few things of a socket that a replica's needs; what is written to it is kept. */
class FakeSocket extends EventEmitter {
  text = '';
  destroyed = false;
  paused = false;
  writableLength = 0;
  writableNeedDrain = false;

  write(bytes: Buffer | string): boolean {
    this.text += typeof bytes === 'string' ? bytes : bytes.toString('latin1');
    return true;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }
}

const facts: ReplicaFacts = {
  host: 'h',
  port: 1,
  eof: true,
  psync: true,
  psync2: true,
  copyOnly: false,
  functionsOnly: false,
};
const ping = '*1\r\n$4\r\nping\r\n';
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

describe('a master and its replicas over time', () => {
  let world: ManualWorld;
  let history: History;
  let settings: { -readonly [name in keyof PrimarySettings]: PrimarySettings[name] };
  let host: { relaying: boolean; quiet: boolean; pingsFirst: boolean; captures: number; mayCapture: boolean };
  let primary: Primary;
  beforeEach(() => {
    world = new ManualWorld();
    history = new History(world, () => 16_384);
    settings = {
      diskless: true,
      disklessDelayMs: 0,
      disklessEnough: 0,
      checksum: true,
      compress: true,
      pingEveryMs: 10_000,
      timeoutMs: 60_000,
      backlogTtlMs: 3_600_000,
      limit: { hard: 0, soft: 0, softSeconds: 0 },
    };
    host = { relaying: false, quiet: false, pingsFirst: false, captures: 0, mayCapture: true };
    primary = new Primary(world, history, settings, {
      capture: () => {
        host.captures++;
        return { aux: [], functions: [], databases: [] };
      },
      pace: () => undefined,
      describe: ([name]) => ({ name: name!.toLowerCase(), ofKeys: false }),
      saves: new BackgroundSaves(new InProcessSaver()),
      disk: undefined,
      get mayCapture() {
        return host.mayCapture;
      },
      get relaying() {
        return host.relaying;
      },
      get quiet() {
        return host.quiet;
      },
      get pingsFirst() {
        return host.pingsFirst;
      },
    });
  });
  afterEach(() => primary.close());

  interface Attached {
    readonly socket: FakeSocket;
    hear(text: string): void;
  }
  const attach = (more: Partial<ReplicaFacts> = {}, position?: { id: string; next: number }): Attached => {
    const socket = new FakeSocket();
    const hear = primary.attach({ ...facts, ...more }, socket as unknown as Socket, position);
    return { socket, hear: (text) => hear(Buffer.from(text, 'latin1')) };
  };
  const ack = (offset: number): string =>
    `*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$${String(offset).length}\r\n${offset}\r\n`;
  const online = async (): Promise<Attached> => {
    const replica = attach();
    await turns();
    replica.hear(ack(0));
    replica.socket.text = '';
    return replica;
  };

  it('those that wait for more to come get a sign of life each second, then one copy for all', async () => {
    settings.disklessDelayMs = 5000;
    const first = attach();
    world.forward(2100);
    const second = attach();
    assert.equal(first.socket.text, '\n\n');
    world.forward(2900);
    await turns();
    assert.equal(host.captures, 1);
    assert.match(first.socket.text, /^\n{4,5}\+FULLRESYNC /);
    assert.match(second.socket.text, /^\n{2,3}\+FULLRESYNC /);
  });

  it('makes no copy of half a script: those that wait get theirs when it is over', async () => {
    settings.disklessDelayMs = 5000;
    host.mayCapture = false;
    const first = attach();
    world.forward(6000);
    await turns();
    const second = attach({ eof: false });
    await turns();
    primary.goOn();
    await turns();
    assert.equal(host.captures, 0);
    host.mayCapture = true;
    primary.goOn();
    await turns();
    assert.equal(host.captures, 2);
    for (const { socket } of [first, second]) assert.match(socket.text, /\+FULLRESYNC /);
  });

  it('does not wait for more than enough, nor where a length is wanted', async () => {
    settings.disklessDelayMs = 5000;
    settings.disklessEnough = 2;
    attach();
    await turns();
    assert.equal(host.captures, 0);
    attach();
    await turns();
    assert.equal(host.captures, 1);
    attach({ eof: false });
    await turns();
    assert.equal(host.captures, 2);
  });

  it('counts a replica from the end of its copy on, for as long as it is heard', async () => {
    const replica = attach();
    assert.equal(primary.heardWithin(3000), 0);
    await turns();
    // It has all of the copy, and is yet to acknowledge it.
    assert.equal(primary.heardWithin(3000), 1);
    world.forward(2000);
    replica.hear(ack(0));
    world.forward(2000);
    assert.equal(primary.heardWithin(3000), 1);
    world.forward(2000);
    assert.equal(primary.heardWithin(3000), 0);
  });

  it('pings its replicas when it is time, unless a failover waits for the stream to stand still', async () => {
    const { socket, hear } = await online();
    world.forward(9000);
    await turns();
    assert.equal(socket.text, '');
    world.forward(1000);
    await turns();
    assert.equal(socket.text, ping);
    assert.equal(primary.offset, 14);
    host.quiet = true;
    hear(ack(14));
    world.forward(30_000);
    await turns();
    assert.equal(primary.offset, 14);
  });

  it('lets go of a replica that is silent for too long, not of one that says anything', async () => {
    const quiet = await online();
    const lively = await online();
    for (let second = 0; second < 70; second++) {
      world.forward(1000);
      lively.hear(ack(0));
    }
    assert.ok(quiet.socket.destroyed);
    assert.ok(!lively.socket.destroyed);
    assert.equal(primary.replicas.length, 1);
  });

  it('lets go of a replica that speaks out of turn, and reads past what it does not know', async () => {
    const strange = await online();
    strange.hear('\n\n*3\r\n$8\r\nreplconf\r\n$3\r\nack\r\n$3\r\nabc\r\n');
    assert.ok(!strange.socket.destroyed);
    assert.equal(primary.replicas[0]!.acked, 0);
    strange.hear('*1\r\n!nonsense\r\n');
    assert.ok(strange.socket.destroyed);
    const curious = await online();
    curious.hear('*1\r\n$4\r\nPING\r\n');
    assert.ok(curious.socket.destroyed);
    assert.match(world.lines.at(-1)!, /^Replica generated a reply to command 'ping', disconnecting it: h:1/);
  });

  it('lets go of a replica that stays over the soft limit for its time', async () => {
    settings.limit = { hard: 0, soft: 1000, softSeconds: 10 };
    const replica = await online();
    replica.socket.writableLength = 2000;
    for (let second = 0; second < 9; second++) {
      world.forward(1000);
      replica.hear(ack(0));
    }
    assert.ok(!replica.socket.destroyed);
    replica.socket.writableLength = 10;
    world.forward(1000);
    replica.socket.writableLength = 2000;
    world.forward(9000);
    assert.ok(!replica.socket.destroyed);
    world.forward(2000);
    assert.ok(replica.socket.destroyed);
  });

  it('forgets the history some time after the last replica has gone', async () => {
    const { socket } = await online();
    world.forward(50_000);
    const { id } = history;
    socket.destroy();
    world.forward(3_600_000);
    assert.equal(history.id, id);
    world.forward(2000);
    assert.ok(!history.kept);
    assert.notEqual(history.id, id);
  });

  it('hands its own master’s bytes on as they are, and adds none', async () => {
    const { socket } = await online();
    host.relaying = true;
    primary.feed([{ db: 0, argv: ['SET', 'not', 'mine'] }]);
    world.forward(20_000);
    primary.relay(Buffer.from(ping));
    await turns();
    assert.equal(socket.text, ping);
    host.relaying = false;
    primary.resume();
    primary.feed([{ db: 3, argv: ['DEL', 'k'] }]);
    primary.feed([{ db: 3, argv: ['DEL', 'l'] }]);
    await turns();
    const select = '*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n';
    assert.equal(socket.text, `${ping}${select}*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*2\r\n$3\r\nDEL\r\n$1\r\nl\r\n`);
  });

  it('answers who waits for acknowledgements once: when they come, when time is up, or when it steps down', async () => {
    const replica = await online();
    primary.feed([{ db: 0, argv: ['DEL', 'k'] }]);
    const heard: string[] = [];
    primary.wait(1, 1000, (count) => heard.push(`a${count}`));
    primary.wait(2, 1000, (count) => heard.push(`b${count}`));
    primary.wait(2, 0, (count) => heard.push(`c${count}`));
    primary.wait(1, 0, (count) => heard.push(`d${count}`))();
    await turns();
    assert.match(replica.socket.text, /GETACK/);
    replica.hear(ack(42));
    assert.deepEqual(heard, []);
    replica.hear(ack(43));
    assert.deepEqual(heard, ['a1']);
    world.forward(1000);
    assert.deepEqual(heard, ['a1', 'b1']);
    primary.stepDown();
    assert.deepEqual(heard, ['a1', 'b1', 'c1']);
    assert.ok(replica.socket.destroyed);
  });
});
