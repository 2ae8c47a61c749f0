// Questions that leave with a handshake, on injected time and a simulated network: asked once where they are answered,
// and never answered by a connection whose handshake fails.

import { deepEqual, equal } from 'node:assert/strict';
import { Call, CallFlag, type CallSink, ownCall } from '../../../lib/connection/call.ts';
import { ReconnectingConnection, type ReconnectingOptions } from '../../../lib/connection/reconnecting-connection.ts';
import { RequestDecoder } from '../../../lib/wire/request-decoder.ts';
import { type Peer, SimulatedWorld, type Wire } from '../../simulation/network.ts';

const address = 'h:1';
const hello = '*2\r\n$5\r\nproto\r\n:3\r\n';
const unknown = "-ERR unknown command 'hello'\r\n";

/** What the server answers to a command on its connection of that number; undefined: it hangs up. */
type Script = (words: string, connection: number) => string | undefined;

class Stage {
  readonly world = new SimulatedWorld({ now: 0, seed: 7 });
  /** What was asked: each chunk of a connection, its commands joined by `|`. */
  readonly chunks: string[] = [];
  readonly outcomes: string[] = [];
  readonly connection: ReconnectingConnection;

  constructor(script: Script, options: Partial<ReconnectingOptions> = {}) {
    let connections = 0;
    this.world.listen(address, {
      accept: (wire) => this.#serve(wire, script, ++connections),
    });
    const all: ReconnectingOptions = {
      ...{ host: 'h', port: 1, clientInfo: false, holdWhileDown: false },
      retryDelay: (times) => (times < 3 ? 10 : null),
      ...options,
    };
    this.connection = new ReconnectingConnection(address, all, this.world, { onState: () => undefined });
  }

  #serve(wire: Wire, script: Script, connection: number): Peer {
    const decoder = new RequestDecoder();
    return {
      receive: (bytes) => {
        decoder.feed(bytes);
        const asked: string[] = [];
        const replies: (string | undefined)[] = [];
        for (let argv = decoder.read(); argv !== undefined; argv = decoder.read()) {
          asked.push(argv.join(' '));
          replies.push(script(argv.join(' '), connection));
        }
        this.chunks.push(asked.join('|'));
        const end = replies.indexOf(undefined);
        const said = replies.slice(0, end < 0 ? replies.length : end).join('');
        if (said !== '') wire.fromServer(Buffer.from(said));
        if (end >= 0) wire.closedByServer();
      },
      gone() {},
    };
  }

  ask(words: string, flags: number = CallFlag.early): void {
    const { call, answer } = ownCall(words.split(' '), 'utf8', flags);
    answer.then(
      (reply) => this.outcomes.push(`${words}: ${String(reply)}`),
      (error: Error) => this.outcomes.push(`${words}: ${error.message}`),
    );
    equal(this.connection.send(call), true);
  }

  /** A call of a user's. */
  send(words: string, flags: number): Call {
    const sink: CallSink = {
      onReply: (one, reply) => (reply instanceof Error ? one.fail(reply) : one.settle(reply)),
      onLost: (one, reason) => one.fail(reason),
    };
    const call = new Call(words.split(' '), -1, flags, 'utf8', undefined, sink);
    call.resolve = (reply) => this.outcomes.push(`${words}: ${String(reply)}`);
    call.reject = (error) => this.outcomes.push(`${words}: ${error.message}`);
    equal(this.connection.send(call), true);
    return call;
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left--) {
      this.world.forward(1);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}

describe('connection/early-questions', () => {
  it('leave in the write of the handshake, others behind it; each is asked once', async () => {
    const stage = new Stage((words) => (words.startsWith('hello') ? hello : `+${words}\r\n`));
    stage.ask('get k', 0);
    stage.ask('map');
    await stage.pass(50);
    deepEqual(stage.chunks, ['hello 3|map', 'get k']);
    deepEqual(stage.outcomes.sort(), ['get k: get k', 'map: map']);
  });

  it('a refusal of a handshake in one exchange is final', async () => {
    const stage = new Stage((words) => (words.startsWith('hello') ? hello : '-ERR no cluster\r\n'));
    stage.ask('map');
    await stage.pass(50);
    deepEqual(stage.chunks, ['hello 3|map']);
    deepEqual(stage.outcomes, ['map: ERR no cluster']);
  });

  it('an old server that wants a password first is asked again behind AUTH', async () => {
    let known = false;
    const stage = new Stage(
      (words) => {
        if (words.startsWith('hello')) return unknown;
        if (words.startsWith('auth')) known = true;
        return known ? '+OK\r\n' : '-NOAUTH Authentication required.\r\n';
      },
      { password: 'secret' },
    );
    stage.ask('map');
    await stage.pass(50);
    deepEqual(stage.chunks, ['hello 3 AUTH default secret|map', 'auth secret', 'map']);
    deepEqual(stage.outcomes, ['map: OK']);
  });

  it('an old server that has answered it is not asked again', async () => {
    const stage = new Stage((words) => (words.startsWith('hello') ? unknown : '+the map\r\n'));
    stage.ask('map');
    await stage.pass(50);
    deepEqual(stage.chunks, ['hello 3|map']);
    deepEqual(stage.outcomes, ['map: the map']);
  });

  it('a handshake that is refused: no answer of that connection, but its refusal', async () => {
    const wrong = '-WRONGPASS invalid username-password pair\r\n';
    const stage = new Stage((words) => (words.startsWith('hello') ? wrong : '+a map all the same\r\n'), {
      password: 'wrong',
    });
    stage.ask('map');
    await stage.pass(50);
    deepEqual(stage.outcomes, ['map: WRONGPASS invalid username-password pair']);
  });

  it('a connection that is lost within the handshake: asked again on the next, where calls wait for it', async () => {
    const script: Script = (words, connection) =>
      connection === 1 ? undefined : words.startsWith('hello') ? hello : '+the map\r\n';
    const stage = new Stage(script, { holdWhileDown: true });
    stage.ask('map');
    await stage.pass(100);
    deepEqual(stage.chunks, ['hello 3|map', 'hello 3|map']);
    deepEqual(stage.outcomes, ['map: the map']);
  });

  it('an answer that is late: comes when it comes, and a loss behind the handshake is a loss', async () => {
    for (const [last, outcome] of [
      ['+late\r\n', 'map: late'],
      [undefined, 'map: Connection is closed.'],
    ] as const) {
      const world: { late: (() => void) | undefined } = { late: undefined };
      const stage = new Stage((words) => (words.startsWith('hello') ? hello : ''));
      stage.world.listen(address, {
        accept: (wire) => ({
          receive: () => {
            wire.fromServer(Buffer.from(hello));
            world.late = () => (last === undefined ? wire.closedByServer() : wire.fromServer(Buffer.from(last)));
          },
          gone() {},
        }),
      });
      stage.ask('map');
      await stage.pass(30);
      equal(stage.connection.state, 'up');
      deepEqual(stage.outcomes, []);
      world.late!();
      await stage.pass(30);
      deepEqual(stage.outcomes, [outcome]);
    }
  });

  describe('reads', () => {
    const read = CallFlag.readOnly;
    const answering: Script = (words) => (words.startsWith('hello') ? hello : `+${words}\r\n`);

    it('leave in the write of the handshake where that is allowed, and count as sent once', async () => {
      const stage = new Stage(answering, { earlyReads: true });
      const { attempts, writes } = stage.send('get a', read);
      deepEqual([attempts, writes], [0, 0]);
      const call = stage.send('get b', read);
      await stage.pass(50);
      deepEqual(stage.chunks, ['hello 3|get a|get b']);
      deepEqual([call.attempts, call.writes], [1, 1]);
      deepEqual(stage.outcomes, ['get a: get a', 'get b: get b']);
    });

    it('that are answered late are found where all calls in flight are, by deadlines for one', async () => {
      let wire: Wire | undefined;
      const stage = new Stage(answering, { earlyReads: true });
      stage.world.listen(address, {
        accept: (accepted) => {
          wire = accepted;
          return { receive: () => accepted.fromServer(Buffer.from(hello)), gone() {} };
        },
      });
      const [late, lost] = [stage.send('get late', read), stage.send('get lost', read)];
      await stage.pass(30);
      const found: Call[] = [];
      stage.connection.forEachCall((call) => found.push(call));
      deepEqual(found, [late, lost]);
      late.fail(new Error('out of time'));
      wire!.fromServer(Buffer.from('+too late\r\n'));
      await stage.pass(30);
      wire!.closedByServer();
      await stage.pass(30);
      deepEqual(stage.outcomes, ['get late: out of time', 'get lost: Connection is closed.']);
    });

    it('whose answer is beyond a limit are rejected as any call is', async () => {
      const long = `$20\r\n${'x'.repeat(20)}\r\n`;
      const stage = new Stage(
        (words) => (words.startsWith('hello') ? hello : words === 'get a' ? long : '+short\r\n'),
        {
          earlyReads: true,
          maxBulkLength: 10,
        },
      );
      stage.send('get a', read);
      stage.send('get b', read);
      await stage.pass(100);
      equal(stage.outcomes.length, 2);
      deepEqual(
        stage.outcomes.filter((outcome) => outcome.startsWith('get b')),
        ['get b: short'],
      );
      equal(
        stage.outcomes.some((outcome) => /^get a: .*(limit|longer|beyond|exceeds|large)/.test(outcome)),
        true,
      );
    });

    it('wait for the handshake where it is not, or where reconnectOnError wants to hear of refusals', async () => {
      for (const options of [{}, { earlyReads: true, reconnectOnError: () => false }]) {
        const stage = new Stage(answering, options);
        stage.send('get a', read);
        await stage.pass(50);
        deepEqual(stage.chunks, ['hello 3', 'get a']);
      }
    });

    it('stay behind the write that they were given behind', async () => {
      const stage = new Stage(answering, { earlyReads: true });
      for (const [words, flags] of [
        ['get a', read],
        ['set a 1', 0],
        ['get a', read],
        ['map', CallFlag.early],
      ] as const)
        stage.send(words, flags);
      await stage.pass(50);
      deepEqual(stage.chunks, ['hello 3|get a|map', 'set a 1|get a']);
      equal(stage.outcomes.length, 4);
    });

    it('that block, or want a place of their own, do not leave early', async () => {
      for (const flag of [CallFlag.blocking, CallFlag.inOrder, CallFlag.slow]) {
        const stage = new Stage(answering, { earlyReads: true });
        stage.send('xread', read | flag);
        await stage.pass(50);
        deepEqual(stage.chunks, ['hello 3', 'xread']);
      }
    });

    it('are asked again when the handshake takes a second exchange: they may have been asked of another database', async () => {
      let database = 0;
      const stage = new Stage(
        (words) => {
          if (words.startsWith('hello')) return unknown;
          if (words.startsWith('select') && database === 0 && stage.chunks.length === 0) return '-NOAUTH\r\n';
          if (words.startsWith('select')) database = 3;
          return `+${words} of ${database}\r\n`;
        },
        { earlyReads: true, password: 'secret', db: 3 },
      );
      stage.send('get a', read);
      await stage.pass(50);
      deepEqual(stage.chunks, ['hello 3 AUTH default secret|select 3|get a', 'auth secret|select 3', 'get a']);
      deepEqual(stage.outcomes, ['get a: get a of 3']);
    });

    it('are not answered by a connection whose handshake fails', async () => {
      const script: Script = (words, connection) => {
        if (words.startsWith('hello')) return connection === 1 ? '-WRONGPASS no\r\n' : hello;
        return `+${words} by ${connection}\r\n`;
      };
      const stage = new Stage(script, { earlyReads: true, holdWhileDown: true, password: 'secret' });
      stage.send('get a', read);
      await stage.pass(100);
      deepEqual(stage.outcomes, ['get a: get a by 2']);
    });

    it('more than a hundred: the rest waits', async () => {
      const stage = new Stage(answering, { earlyReads: true });
      for (let at = 0; at < 150; at++) stage.send(`get ${at}`, read);
      await stage.pass(50);
      deepEqual(
        stage.chunks.map((chunk) => chunk.split('|').length),
        [101, 50],
      );
      deepEqual(
        stage.outcomes,
        Array.from({ length: 150 }, (_, at) => `get ${at}: get ${at}`),
      );
    });
  });

  it('reconnectOnError is not asked about questions of the client itself', async () => {
    const heard: string[] = [];
    const reconnectOnError = (error: Error): boolean => heard.push(error.message) > 0;
    const stage = new Stage((words) => (words.startsWith('hello') ? hello : '-ERR no cluster\r\n'), {
      reconnectOnError,
    });
    stage.ask('map');
    await stage.pass(50);
    deepEqual([stage.outcomes, heard], [['map: ERR no cluster'], []]);
  });

  it('one that has given up waiting is not written again', async () => {
    const stage = new Stage((words) => (words.startsWith('hello') ? hello : '+late\r\n'));
    const { call, answer } = ownCall(['map'], 'utf8', CallFlag.early);
    answer.catch((error: Error) => stage.outcomes.push(error.message));
    stage.connection.send(call);
    call.fail(new Error('timeout'));
    await stage.pass(50);
    deepEqual(stage.chunks, ['hello 3']);
    equal(stage.outcomes.length, 1);
  });
});
