import assert from 'node:assert/strict';
import { RealWorld } from '../../../lib/base/world.ts';
import { Call, CallFlag, type CallSink } from '../../../lib/connection/call.ts';
import {
  ReconnectingConnection,
  type ReconnectingOptions,
  type ReconnectingState,
} from '../../../lib/connection/reconnecting-connection.ts';
import { bulk, FakeNode } from '../../kit/fake-node.ts';
import { until } from '../../kit/until.ts';

class Watch implements CallSink {
  readonly states: ReconnectingState[] = [];
  readonly silences: boolean[] = [];
  readonly replies: unknown[] = [];
  readonly lost: { words: string; written: boolean; reason: Error }[] = [];
  readonly connection: ReconnectingConnection;
  #waiters: (() => void)[] = [];

  constructor(node: FakeNode, options: Partial<ReconnectingOptions> = {}) {
    const all = { host: '127.0.0.1', port: node.port, retryDelay: () => 5, holdWhileDown: false, ...options };
    this.connection = new ReconnectingConnection(node.key, all, new RealWorld(), {
      onState: (_connection, state) => this.#note(() => this.states.push(state)),
      onSilence: (_connection, silent) => this.#note(() => this.silences.push(silent)),
    });
  }

  call(...argv: string[]): Call {
    return new Call(argv, -1, 0, 'utf8', undefined, this);
  }

  onReply(_call: Call, reply: unknown): void {
    this.#note(() => this.replies.push(reply));
  }

  onLost(call: Call, reason: Error): void {
    this.#note(() => this.lost.push({ words: call.argv.join(' '), written: call.written, reason }));
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  #note(act: () => void): void {
    act();
    for (const waiter of this.#waiters.splice(0)) waiter();
  }
}

describe('connection: reconnecting', () => {
  let node: FakeNode;
  let watch: Watch;
  beforeEach(async () => {
    node = await FakeNode.start((argv) => (argv[0] === 'hang' ? undefined : bulk(argv.join(' '))));
    watch = new Watch(node);
  });
  afterEach(async () => {
    watch.connection.close(new Error('test over'));
    await node.close();
  });

  async function up(): Promise<void> {
    watch.connection.open();
    await watch.until(() => watch.connection.state === 'up');
  }

  it('dials for the first call, and sends what waited meanwhile in order', async () => {
    for (const word of ['a', 'b', 'c']) assert.equal(watch.connection.send(watch.call('get', word)), true);
    await watch.until(() => watch.replies.length === 3);
    assert.deepEqual(watch.replies, ['get a', 'get b', 'get c']);
    assert.deepEqual(watch.states, ['dialing', 'up']);
  });

  it('sends what waited before what is sent by those who hear that it is up', async () => {
    let sent = false;
    const connection: ReconnectingConnection = new ReconnectingConnection(
      node.key,
      { host: '127.0.0.1', port: node.port, retryDelay: () => 5, holdWhileDown: false },
      new RealWorld(),
      {
        onState: (_connection, state) => {
          if (state === 'up') sent = connection.send(watch.call('get', 'later'));
        },
      },
    );
    try {
      assert.equal(connection.send(watch.call('set', 'waited')), true);
      await watch.until(() => watch.replies.length === 2);
      assert.equal(sent, true);
      assert.deepEqual(watch.replies, ['set waited', 'get later']);
    } finally {
      connection.close(new Error('test over'));
    }
  });

  it('dials again after a loss and hands back what was unanswered', async () => {
    await up();
    watch.connection.send(watch.call('hang'));
    await new Promise((resolve) => setImmediate(resolve));
    node.cut();
    await watch.until(() => watch.lost.length === 1);
    assert.equal(watch.lost[0]!.written, true);
    await watch.until(() => watch.connection.state === 'up');
    assert.deepEqual(watch.states, ['dialing', 'up', 'backoff', 'dialing', 'up']);
  });

  it('refuses calls while it backs off', async () => {
    watch = new Watch(node, { retryDelay: () => 60_000 });
    await up();
    node.cut();
    await watch.until(() => watch.connection.state === 'backoff');
    assert.equal(watch.connection.send(watch.call('get', 'x')), false);
  });

  it('stays down when the strategy gives up', async () => {
    watch = new Watch(node, { retryDelay: () => null });
    await up();
    node.cut();
    await watch.until(() => watch.connection.state === 'ended');
    assert.equal(watch.connection.send(watch.call('get', 'x')), false);
  });

  it('replaces its connection without losing an answer', async () => {
    await up();
    watch.connection.send(watch.call('get', 'old'));
    watch.connection.renew();
    watch.connection.send(watch.call('get', 'new'));
    await watch.until(() => watch.replies.length === 2);
    assert.deepEqual(watch.replies.toSorted(), ['get new', 'get old']);
    assert.equal(node.connections, 2);
  });

  it('closes gently: what is in flight is answered', async () => {
    await up();
    watch.connection.send(watch.call('get', 'last'));
    watch.connection.close(new Error('leaving'), true);
    await watch.until(() => watch.replies.length === 1);
    assert.deepEqual(watch.lost, []);
  });

  it('leaves: what is in flight is answered, nothing more is taken, and it ends when the peer closes', async () => {
    await up();
    watch.connection.send(watch.call('get', 'last'));
    const gone = watch.connection.leave(new Error('leaving'));
    assert.equal(watch.connection.send(watch.call('get', 'late')), false);
    assert.equal(watch.connection.state, 'up');
    await gone;
    assert.deepEqual(watch.replies, ['get last']);
    assert.deepEqual(watch.lost, []);
    assert.deepEqual(watch.states, ['dialing', 'up', 'ended']);
  });

  it('leaves and comes back: calls that the peer did not answer are lost, then it dials again', async () => {
    await up();
    watch.connection.send(watch.call('hang'));
    await watch.connection.leave(new Error('leaving'), true);
    assert.equal(watch.lost[0]!.reason.message, 'leaving');
    await watch.until(() => watch.connection.state === 'up');
    assert.deepEqual(watch.states, ['dialing', 'up', 'backoff', 'dialing', 'up']);
  });

  it('leaves for good although it was to come back', async () => {
    await up();
    const both = [watch.connection.leave(new Error('a while'), true), watch.connection.leave(new Error('for good'))];
    await Promise.all(both);
    assert.deepEqual(watch.states, ['dialing', 'up', 'ended']);
    assert.equal(node.connections, 1);
  });

  it('takes the latest options at each dial', async () => {
    const other = await FakeNode.start(() => bulk('from the other'));
    let port = node.port;
    watch = new Watch(node, {
      latest: () => ({ host: '127.0.0.1', port, address: `127.0.0.1:${port}`, connectionName: `to ${port}` }),
    });
    await up();
    port = other.port;
    node.cut();
    await watch.until(() => watch.connection.state === 'backoff');
    await watch.until(() => watch.connection.state === 'up');
    watch.connection.send(watch.call('get', 'x'));
    await watch.until(() => watch.replies.length === 1);
    assert.equal(watch.connection.address, other.key);
    assert.equal(other.count('client', 'setname'), 1);
    watch.connection.close(new Error('test over'));
    await other.close();
  });

  it('leaves nothing open when closed while dialing or shaking hands', async () => {
    for (const turns of [0, 1, 2, 3, 5]) {
      const one = new Watch(node);
      one.connection.open();
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      one.connection.close(new Error('never mind'));
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(node.open, 0);
  });

  describe('silence', () => {
    const limits = { silence: 20, deadline: Number.POSITIVE_INFINITY };
    let looking: NodeJS.Timeout | undefined;
    afterEach(() => clearInterval(looking));

    async function fallSilent(more: { deadline?: number; hasty?: boolean } = {}): Promise<void> {
      await up();
      watch.connection.send(watch.call('hang'));
      looking = setInterval(() => watch.connection.peer.look({ ...limits, ...more }), 5);
      await watch.until(() => watch.silences.length > 0);
      assert.equal(watch.silences[0], true);
    }

    /** HELLO answers a client id; CLIENT LIST ID gives `fields` of it. */
    function knownAs(id: number, fields: string | undefined): void {
      node.handshake = (argv) => {
        if (argv[0] === 'hello') return `%2\r\n+proto\r\n:3\r\n+id\r\n:${id}\r\n`;
        if (argv[0] !== 'client') return undefined;
        if (argv[1] === 'list') return bulk(fields === undefined ? '' : `id=${id} age=99 ${fields}\n`);
        return argv[1] === 'kill' ? ':1\r\n' : undefined;
      };
    }

    it('holds new calls while it asks, and gives them to the same socket when the peer answers elsewhere', async () => {
      await fallSilent();
      assert.equal(watch.connection.send(watch.call('get', 'x')), false, 'in doubt it gets no more calls');
      await watch.until(() => watch.silences.length === 2);
      assert.deepEqual(watch.silences, [true, false]);
      assert.equal(watch.connection.send(watch.call('get', 'x')), true);
      await until('it is there', () => node.count('get', 'x') === 1);
      assert.equal(node.seen.find(({ argv }) => argv[0] === 'get')!.connection, 1);
      assert.deepEqual(watch.lost, []);
    });

    it('asks ever less often while the peer says nothing', async () => {
      await up();
      node.shy = true;
      await fallSilent();
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.ok(node.connections > 2, 'it was not asked again');
      assert.ok(node.connections < 9, `asked ${node.connections - 1} times in 25 limits`);
      assert.deepEqual(watch.lost, []);
    });

    it('keeps the socket of a peer that is silent everywhere, and uses it when it speaks again', async () => {
      await up();
      node.shy = true;
      await fallSilent();
      await new Promise((resolve) => setTimeout(resolve, 60));
      assert.equal(watch.connection.state, 'up');
      assert.equal(watch.connection.peer.silent, true);
      node.say(bulk('at last'));
      await watch.until(() => watch.silences.length === 2);
      assert.deepEqual(watch.silences, [true, false]);
      assert.deepEqual(watch.replies, ['at last']);
      assert.equal(watch.connection.send(watch.call('get', 'x')), true);
    });

    it('keeps the socket of a peer that lets nobody in any more', async () => {
      await up();
      node.stopListening();
      await fallSilent();
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(watch.connection.peer.silent, true);
      assert.deepEqual(watch.lost, []);
    });

    it('drops a socket that the server says it does not have', async () => {
      knownAs(7, undefined);
      await fallSilent();
      await watch.until(() => watch.lost.length === 1);
      assert.equal(watch.lost[0]!.written, true);
      assert.match(watch.lost[0]!.reason.message, /Connection is closed/);
    });

    it('waits for as long as the server is busy with that connection', async () => {
      knownAs(7, 'idle=60 flags=b qbuf=0');
      await fallSilent({ deadline: 100 });
      await new Promise((resolve) => setTimeout(resolve, 400));
      assert.deepEqual(watch.lost, []);
    });

    it('has a connection closed by the server that has got nothing there for long, and says that nothing left', async () => {
      knownAs(7, 'idle=60 flags=N qbuf=0');
      await fallSilent();
      await watch.until(() => watch.lost.length === 1);
      // An answer that comes after the limit is asked for again: there may be several.
      const kills = node.seen.filter(({ argv }) => argv[1] === 'kill').map(({ argv }) => argv.join(' '));
      assert.deepEqual([...new Set(kills)], ['client kill id 7']);
      assert.equal(watch.lost[0]!.written, false);
    });

    it('does not close what the server has had bytes of within a few seconds', async () => {
      knownAs(7, 'idle=0 flags=N qbuf=0');
      await fallSilent();
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.equal(node.count('client', 'kill'), 0);
      assert.deepEqual(watch.lost, []);
    });

    it('gives up behind a peer that has been silent everywhere until the deadline', async () => {
      await up();
      node.shy = true;
      await fallSilent({ deadline: 200 });
      await watch.until(() => watch.lost.length === 1);
      assert.equal((watch.lost[0]!.reason as { code?: string }).code, 'ERR_SILENT');
    });

    it('closes a connection that only listens as soon as the peer answers elsewhere', async () => {
      await fallSilent({ hasty: true });
      await watch.until(() => watch.lost.length === 1);
    });

    it('hands back reads alone when they have another place to go', async () => {
      await up();
      const read = new Call(['hang', 'read'], -1, CallFlag.readOnly, 'utf8', undefined, watch);
      watch.connection.send(read);
      watch.connection.send(watch.call('hang', 'write'));
      watch.connection.peer.giveUpReads();
      assert.deepEqual(
        watch.lost.map(({ words }) => words),
        ['hang read'],
      );
      await until('both are there', () => node.count('hang') === 2);
      node.say(bulk('of the read') + bulk('of the write'));
      await watch.until(() => watch.replies.length === 1);
      assert.deepEqual(watch.replies, ['of the write']);
    });

    it('is no silence when nothing is owed', async () => {
      await up();
      await new Promise((resolve) => setTimeout(resolve, 30));
      watch.connection.peer.look(limits);
      assert.deepEqual(watch.silences, []);
    });
  });

  it('does not take a call away from a connection that reconnectOnError replaces, however long it takes', async function () {
    this.timeout(15_000);
    let answerOld = (): void => {};
    node.answer = (argv, socket) => {
      if (argv[0] === 'fail') return '-ERR no\r\n';
      if (argv[0] !== 'hang') return bulk(argv.join(' '));
      answerOld = () => socket.write(bulk('old'));
      return undefined;
    };
    watch = new Watch(node, { reconnectOnError: () => 1 });
    await up();
    watch.connection.send(watch.call('fail'));
    watch.connection.send(watch.call('hang'));
    await until('it is there', () => node.count('hang') === 1);
    await watch.until(() => watch.states.filter((state) => state === 'up').length === 2);
    watch.connection.send(watch.call('get', 'new'));
    await watch.until(() => watch.replies.length === 2);
    assert.equal(watch.replies[1], 'get new');
    assert.equal(node.connections, 2);
    answerOld();
    await watch.until(() => watch.replies.length === 3);
    assert.equal(watch.replies[2], 'old');
    assert.deepEqual(watch.lost, []);
    assert.equal(node.count('hang'), 1);
  });

  it('lets an old connection answer for as long as it takes when it is replaced', async () => {
    let answerOld = (): void => {};
    node.answer = (argv, socket) => {
      if (argv[0] !== 'hang') return bulk(argv.join(' '));
      answerOld = () => socket.write(bulk('old'));
      return undefined;
    };
    await up();
    watch.connection.send(watch.call('hang'));
    await until('it is there', () => node.count('hang') === 1);
    watch.connection.renew();
    watch.connection.send(watch.call('get', 'new'));
    await watch.until(() => watch.replies.length === 1);
    watch.connection.close(new Error('leaving'), true);
    assert.equal(watch.connection.draining, true);
    answerOld();
    await watch.until(() => watch.replies.length === 2);
    assert.deepEqual(watch.replies, ['get new', 'old']);
    assert.deepEqual(watch.lost, []);
  });
});
