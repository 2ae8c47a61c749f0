import assert from 'node:assert/strict';
import { RealWorld } from '../../../lib/base/world.ts';
import { Call, type CallSink } from '../../../lib/connection/call.ts';
import { Connection } from '../../../lib/connection/connection.ts';
import { dial } from '../../../lib/connection/dial.ts';
import type { Push } from '../../../lib/wire/reply.ts';
import { bulk, FakeNode } from '../../kit/fake-node.ts';

interface Outcome {
  readonly words: string;
  readonly reply?: unknown;
  readonly lost?: Error;
  readonly written?: boolean;
}

class Bench implements CallSink {
  readonly outcomes: Outcome[] = [];
  readonly pushes: Push[] = [];
  closed: Error | undefined;
  connection!: Connection;
  #waiters: (() => void)[] = [];

  static async to(node: FakeNode): Promise<Bench> {
    const bench = new Bench();
    const socket = await dial({ host: '127.0.0.1', port: node.port }, new RealWorld()).opened;
    bench.connection = new Connection(socket, node.key, {}, new RealWorld(), {
      onClose: (reason) => {
        bench.closed = reason;
        bench.#wake();
      },
      onPush: (push) => bench.pushes.push(push),
      onDrain: () => {},
      onHeard: () => {},
    });
    return bench;
  }

  send(...argv: string[]): boolean {
    return this.connection.write(new Call(argv, -1, 0, 'utf8', undefined, this));
  }

  onReply(call: Call, reply: unknown): void {
    this.outcomes.push({ words: call.argv.join(' '), reply });
    this.#wake();
  }

  onLost(call: Call, lost: Error): void {
    this.outcomes.push({ words: call.argv.join(' '), lost, written: call.written });
    this.#wake();
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }
}

describe('connection: one socket against a scripted server', () => {
  let node: FakeNode;
  let bench: Bench;
  afterEach(async () => {
    bench?.connection.destroy(new Error('test over'));
    await node?.close();
  });

  async function setUp(answer: FakeNode['answer']): Promise<void> {
    node = await FakeNode.start(answer);
    bench = await Bench.to(node);
  }

  it('answers in order', async () => {
    await setUp((argv) => bulk(argv[1]!));
    for (let at = 0; at < 1000; at++) bench.send('echo', String(at));
    await bench.until(() => bench.outcomes.length === 1000);
    assert.deepEqual(
      bench.outcomes.map(({ reply }) => reply),
      Array.from({ length: 1000 }, (_, at) => String(at)),
    );
  });

  it('sends the calls of one tick in one write', async () => {
    await setUp(() => '+OK\r\n');
    for (let at = 0; at < 50; at++) bench.send('ping', String(at));
    await bench.until(() => bench.outcomes.length === 50);
    assert.equal(new Set(node.seen.map(({ chunk }) => chunk)).size, 1);
  });

  it('hands every unanswered call back when the server cuts, none answered twice', async () => {
    await setUp((argv, socket) => {
      if (argv[1] !== '3') return bulk(argv[1]!);
      socket.destroy();
      return undefined;
    });
    for (let at = 0; at < 6; at++) bench.send('echo', String(at));
    await bench.until(() => bench.closed !== undefined && bench.outcomes.length === 6);
    for (const outcome of bench.outcomes.slice(3)) {
      assert.ok(outcome.lost);
      assert.equal(outcome.written, true);
    }
    assert.equal(bench.send('echo', 'late'), false);
    assert.equal(bench.outcomes.length, 6);
  });

  it('hands back a call whose reply was cut in the middle', async () => {
    await setUp((_argv, socket) => {
      socket.write('$10\r\nhalf');
      socket.end();
      return undefined;
    });
    bench.send('get', 'k');
    await bench.until(() => bench.outcomes.length === 1);
    assert.match(bench.outcomes[0]!.lost!.message, /Connection is closed/);
  });

  const garbage: [string, string][] = [
    ['text that is no RESP', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['a length that is no number', '$99999999999\r\n'],
    ['a bulk that does not end', '$3\r\nabcdef\r\n'],
  ];
  for (const [what, bytes] of garbage) {
    it(`closes on ${what}, which fails the call it answered; those behind it are lost`, async () => {
      await setUp((argv) => (argv[1] === 'first' ? '+fine\r\n' : argv[1] === 'bad' ? bytes : undefined));
      bench.send('get', 'first');
      bench.send('get', 'bad');
      bench.send('get', 'after');
      await bench.until(() => bench.outcomes.length === 3);
      const byWords = new Map(bench.outcomes.map((outcome) => [outcome.words, outcome]));
      assert.equal(byWords.get('get first')!.reply, 'fine');
      assert.equal(byWords.get('get bad')!.lost!.name, 'ProtocolError');
      assert.equal((byWords.get('get bad')!.lost as { node?: string }).node, node.key);
      assert.equal(byWords.get('get after')!.lost!.name, 'BrokenStreamError');
      assert.equal(bench.closed!.name, 'BrokenStreamError');
    });
  }

  it('fails a call alone whose reply is beyond a limit, and goes on', async () => {
    const replies: Record<string, string> = {
      deep: `${'*1\r\n'.repeat(2000)}:1\r\n`,
      long: `*2\r\n:1\r\n$600000000\r\n`,
    };
    await setUp((argv) => replies[argv[1]!] ?? bulk(argv[1]!));
    for (const word of ['one', 'deep', 'two', 'long']) bench.send('get', word);
    await bench.until(() => bench.outcomes.length === 4);
    assert.deepEqual(
      bench.outcomes.map(({ reply, lost }) => reply ?? lost!.name),
      ['one', 'ProtocolError', 'two', 'ProtocolError'],
    );
    assert.equal(bench.closed, undefined);
  });

  it('closes on a reply nobody asked for', async () => {
    await setUp(() => undefined);
    node.say('+surprise\r\n');
    await bench.until(() => bench.closed !== undefined);
    assert.match(bench.closed!.message, /a reply that no command asked for/);
  });

  it('distinguishes calls that never reached the socket from those that did', async () => {
    await setUp(() => undefined);
    bench.send('incr', 'sent');
    await new Promise((resolve) => setImmediate(resolve));
    bench.send('incr', 'unsent');
    bench.connection.destroy(new Error('cut'));
    assert.deepEqual(
      bench.outcomes.map(({ words, written }) => [words, written]),
      [
        ['incr sent', true],
        ['incr unsent', false],
      ],
    );
  });

  it('keeps push frames out of the replies', async () => {
    await setUp((argv) => `>3\r\n+message\r\n+ch\r\n+hi\r\n${bulk(argv[1]!)}>2\r\n+x\r\n:1\r\n`);
    bench.send('get', 'a');
    bench.send('get', 'b');
    await bench.until(() => bench.outcomes.length === 2);
    assert.deepEqual(
      bench.outcomes.map(({ reply }) => reply),
      ['a', 'b'],
    );
    assert.ok(bench.pushes.length >= 3);
  });

  it('drains on end(): answers come, then the socket closes', async () => {
    await setUp((argv) => bulk(argv[1]!));
    for (let at = 0; at < 10; at++) bench.send('echo', String(at));
    bench.connection.end();
    assert.equal(bench.send('echo', 'late'), false);
    await bench.until(() => bench.closed !== undefined);
    assert.equal(bench.outcomes.length, 10);
    assert.ok(bench.outcomes.every(({ lost }) => lost === undefined));
  });

  it('reads replies cut at every offset', async () => {
    const reply = Buffer.from(`*3\r\n:1\r\n${bulk('x'.repeat(20))}%1\r\n+a\r\n_\r\n`);
    let cutAt = 1;
    await setUp((_argv, socket) => {
      const at = cutAt++;
      socket.write(reply.subarray(0, at));
      setImmediate(() => socket.write(reply.subarray(at)));
      return undefined;
    });
    for (let at = 1; at < reply.length; at++) {
      bench.send('get', 'k');
      await bench.until(() => bench.outcomes.length === at);
      assert.deepEqual(bench.outcomes[at - 1]!.reply, [1, 'x'.repeat(20), ['a', null]]);
    }
  });

  it('takes up what came before anybody listened, and reads on', async () => {
    node = await FakeNode.start((argv) => bulk(argv[1]!));
    const socket = await dial({ host: '127.0.0.1', port: node.port }, new RealWorld()).opened;
    await new Promise((resolve) => setTimeout(resolve, 20));
    node.say('+early\r\n');
    await new Promise((resolve) => setTimeout(resolve, 20));
    const strays: string[] = [];
    const outcomes: unknown[] = [];
    const sink: CallSink = { onReply: (_call, reply) => void outcomes.push(reply), onLost: () => undefined };
    const connection = new Connection(socket, node.key, {}, new RealWorld(), {
      onClose: () => undefined,
      onPush: () => undefined,
      onDrain: () => undefined,
      onHeard: () => undefined,
      onStray: (reply) => strays.push(String(reply)) > 0,
    });
    await new Promise((resolve) => setImmediate(resolve));
    connection.write(new Call(['echo', 'a'], -1, 0, 'utf8', undefined, sink));
    for (let wait = 0; wait < 100 && outcomes.length === 0; wait++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual([strays, outcomes], [['early'], ['a']]);
    connection.destroy(new Error('test over'));
  });
});
