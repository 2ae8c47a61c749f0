// The near cache with a server played by hand: time, the order of answers and notices, losses and moves are all ours.

import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { ManualWorld } from '../../../lib/base/world.ts';
import { NearCache, type NearCacheOptions } from '../../../lib/cache/near-cache.ts';
import {
  Call,
  CallFlag,
  type CommandSender,
  type Dispatcher,
  type ReplySource,
  type RoutableRequest,
} from '../../../lib/connection/call.ts';
import type {
  ReconnectingConnection,
  ReconnectingEvents,
  ReconnectingState,
} from '../../../lib/connection/reconnecting-connection.ts';
import { SlotMap } from '../../../lib/topology/slot-map.ts';
import { Push, ReplyError } from '../../../lib/wire/reply.ts';
import { slotOf } from '../../../lib/wire/slot.ts';

/** One node and its connection: takes calls, and answers the oldest when the test asks for it. */
class Node {
  readonly address: string;
  protocol: 2 | 3 = 3;
  state: ReconnectingState = 'up';
  readonly inbox: Call[] = [];
  source: ReplySource;
  closed = false;

  constructor(address: string) {
    this.address = address;
    this.source = { address };
  }

  get load(): number {
    return this.inbox.length;
  }

  get connection(): ReconnectingConnection & CommandSender {
    return this as unknown as ReconnectingConnection & CommandSender;
  }

  send(call: Call): boolean {
    this.inbox.push(call);
    return true;
  }

  sendAsking(call: Call): boolean {
    return this.send(call);
  }

  sendAll(calls: readonly Call[]): boolean {
    for (const call of calls) this.send(call);
    return true;
  }

  open(): void {}

  checkSilence(): void {}

  close(): void {
    this.closed = true;
  }

  /** Answers the oldest call: a value for reads, `ttl` for PTTL, OK for the rest. */
  answer(value: unknown, ttl: unknown = -1): void {
    for (;;) {
      const call = this.inbox.shift()!;
      const word = call.name;
      const reply = word === 'pttl' ? ttl : word === 'client' || word === 'ping' ? 'OK' : value;
      call.sink.onReply(call, reply, this.source);
      if (word !== 'pttl') return;
    }
  }
}

class Scene {
  readonly world = new ManualWorld();
  readonly one = new Node('10.0.0.1:1');
  readonly two = new Node('10.0.0.2:1');
  readonly listeners: { node: Node; events: ReconnectingEvents }[] = [];
  readonly sent: RoutableRequest[] = [];
  map = SlotMap.of([
    { start: 0, end: 8191, master: this.one.address, replicas: [] },
    { start: 8192, end: 16383, master: this.two.address, replicas: [] },
  ]);
  readonly refused: string[] = [];
  readonly cache: NearCache;

  constructor(options: NearCacheOptions = {}, protocol: 2 | 3 = 3) {
    this.one.protocol = protocol;
    this.two.protocol = protocol;
    const dispatcher = {
      refused: (request: RoutableRequest, error: ReplyError) => {
        this.refused.push(error.code);
        return error.code === 'ASK' && request.sendOn(this.two.connection, true);
      },
      lost: (request: RoutableRequest, _written: boolean, reason: Error) => request.fail(reason),
      now: () => this.world.now(),
    } as unknown as Dispatcher;
    this.cache = new NearCache(
      options,
      {
        dispatcher,
        submit: (request) => {
          this.sent.push(request);
          request.sendOn(this.nodeOf(request.slot).connection, false);
        },
        map: () => this.map,
        readsFromReplicas: false,
        silenceTimeout: 1000,
        connection: (address, events) => {
          const node = new Node(address);
          this.listeners.push({ node, events });
          return node.connection;
        },
      },
      this.world,
    );
  }

  nodeOf(slot: number): Node {
    return this.map.masterOf(slot) === this.one.address ? this.one : this.two;
  }

  /** Both nodes up and tracking. */
  ready(): this {
    for (const node of [this.one, this.two]) {
      this.cache.nodeState(node.connection, 'up');
      if (node.protocol === 3) node.answer('OK');
    }
    return this;
  }

  call(words: readonly (string | Buffer)[], flags: number = CallFlag.readOnly): { call: Call; outcome: unknown[] } {
    const outcome: unknown[] = [];
    const sink = { onReply: () => {}, onLost: () => {} };
    const call = new Call(words, words.length > 1 ? slotOf(words[1]!) : -1, flags, 'utf8', undefined, sink);
    call.moment = { at: this.world.now() };
    call.resolve = (value) => outcome.push(value);
    call.reject = (error) => outcome.push(error);
    return { call, outcome };
  }

  /** What a read gives at once from memory; undefined when it has to ask, and then `value` is answered. */
  read(words: readonly string[], value: unknown = 'answer', ttl: unknown = -1): { hit: boolean; value: unknown } {
    const { call, outcome } = this.call(words);
    ok(this.cache.handle(call));
    if (outcome.length > 0) return { hit: true, value: outcome[0] };
    this.nodeOf(call.slot).answer(value, ttl);
    return { hit: false, value: outcome[0] };
  }

  changed(node: Node, ...keys: string[]): void {
    this.cache.receive(node.connection, new Push([Buffer.from('invalidate'), keys.map((key) => Buffer.from(key))]));
  }
}

// foo is of slot 12182 (node two), bar of 5061 (node one).
describe('near cache', () => {
  it('keeps nothing longer than its key lives while the machine sleeps', () => {
    const scene = new Scene().ready();
    scene.read(['get', 'foo'], 'a', 10_000);
    scene.read(['get', 'bar'], 'b', 100_000);
    scene.world.sleep(9_000);
    deepEqual(scene.read(['get', 'foo']), { hit: true, value: 'a' });
    scene.world.sleep(2_000);
    deepEqual(scene.read(['get', 'foo'], 'c'), { hit: false, value: 'c' });
    deepEqual(scene.read(['get', 'bar']), { hit: true, value: 'b' });
    // Its own limit is a minute.
    scene.world.sleep(50_000);
    deepEqual(scene.read(['get', 'bar'], 'd'), { hit: false, value: 'd' });
  });

  it('answers from memory what the server said, until it says that the key changed', () => {
    const scene = new Scene().ready();
    deepEqual(scene.read(['get', 'foo'], 'a'), { hit: false, value: 'a' });
    deepEqual(scene.read(['get', 'foo']), { hit: true, value: 'a' });
    scene.changed(scene.two, 'other');
    deepEqual(scene.read(['get', 'foo']), { hit: true, value: 'a' });
    scene.changed(scene.two, 'foo');
    deepEqual(scene.read(['get', 'foo'], 'b'), { hit: false, value: 'b' });
    const { hits, misses, invalidations, entries } = scene.cache.stats;
    deepEqual({ hits, misses, invalidations, entries }, { hits: 2, misses: 2, invalidations: 1, entries: 1 });
  });

  it('PTTL goes right before the read on the same connection, and counts from when it was sent', () => {
    const scene = new Scene().ready();
    const { call } = scene.call(['mget', 'foo', '{foo}1', 'foo']);
    scene.cache.handle(call);
    deepEqual(
      scene.two.inbox.map(({ argv }) => argv.map(String).join(' ')),
      ['pttl foo', 'pttl {foo}1', 'mget foo {foo}1 foo'],
    );
    scene.world.forward(400);
    scene.two.answer(['a', 'b', 'a'], 1000);
    scene.world.forward(599);
    equal(scene.read(['mget', 'foo', '{foo}1', 'foo']).hit, true);
    scene.world.forward(1);
    equal(scene.read(['mget', 'foo', '{foo}1', 'foo']).hit, false);
  });

  it('ttl bounds what has no TTL, or a longer one; numbers may come as text', () => {
    for (const left of [-1, '-2', 5000, '5000']) {
      const scene = new Scene({ ttl: 100 }).ready();
      scene.read(['get', 'foo'], 'a', left);
      scene.world.forward(99);
      equal(scene.read(['get', 'foo']).hit, true);
      scene.world.forward(1);
      equal(scene.read(['get', 'foo']).hit, false);
    }
  });

  it('a PTTL that is refused means that nothing is kept', () => {
    const scene = new Scene().ready();
    scene.read(['get', 'foo'], 'a', new ReplyError('NOPERM this user may not'));
    equal(scene.read(['get', 'foo'], 'a').hit, false);
  });

  it('a notice on the way makes a read unfit to keep, and later askers do not share it', () => {
    const scene = new Scene().ready();
    const first = scene.call(['get', 'foo']);
    scene.cache.handle(first.call);
    const joined = scene.call(['get', 'foo']);
    scene.cache.handle(joined.call);
    scene.changed(scene.two, 'foo');
    const later = scene.call(['get', 'foo']);
    scene.cache.handle(later.call);
    equal(scene.two.inbox.length, 4);
    scene.two.answer('old');
    deepEqual([first.outcome, joined.outcome, later.outcome], [['old'], ['old'], []]);
    scene.two.answer('new');
    deepEqual(later.outcome, ['new']);
    deepEqual(scene.read(['get', 'foo']), { hit: true, value: 'new' });
    equal(scene.cache.stats.joined, 1);
  });

  it('a write of our own counts when it is sent and again when it settles, in whatever batch it is', () => {
    for (const grouped of [false, true]) {
      const scene = new Scene().ready();
      scene.read(['get', 'foo'], 'a');
      const write = scene.call(['set', 'foo', 'b'], 0);
      const seen: unknown[] = [];
      if (grouped) write.call.group = { settled: (_call, error, value) => seen.push(error, value) };
      equal(scene.cache.handle(write.call), false);
      // Overtakes the write, and so brings what was there before it.
      equal(scene.read(['get', 'foo'], 'a').hit, false);
      equal(scene.read(['get', 'foo']).hit, true);
      const under = scene.call(['strlen', 'foo']);
      scene.cache.handle(under.call);
      write.call.settle('OK');
      deepEqual(grouped ? seen : write.outcome, grouped ? [null, 'OK'] : ['OK']);
      scene.two.answer(1);
      equal(scene.read(['get', 'foo'], 'b').hit, false);
      equal(scene.read(['strlen', 'foo'], 1).hit, false);
    }
  });

  it('a write that fails counts too, and so does FLUSHALL', () => {
    const scene = new Scene().ready();
    scene.read(['get', 'foo'], 'a');
    const write = scene.call(['eval', 'foo'], 0);
    scene.cache.handle(write.call);
    scene.read(['get', 'foo'], 'a');
    write.call.fail(new Error('half done'));
    ok(write.outcome[0] instanceof Error);
    equal(scene.read(['get', 'bar'], 'x').hit, false);
    scene.cache.handle(scene.call(['FLUSHALL'], 0).call);
    deepEqual([scene.cache.stats.entries, scene.read(['get', 'bar'], null).hit], [0, false]);
  });

  it('a null notice is a flush of that node alone', () => {
    const scene = new Scene().ready();
    scene.read(['get', 'foo'], 'a');
    scene.read(['get', 'bar'], 'b');
    scene.cache.receive(scene.two.connection, new Push([Buffer.from('invalidate'), null]));
    deepEqual([scene.read(['get', 'foo']).hit, scene.read(['get', 'bar']).hit], [false, true]);
  });

  it('a connection that is lost takes exactly its own answers, and those still on their way from it', () => {
    const scene = new Scene().ready();
    scene.read(['get', 'foo'], 'a');
    scene.read(['get', 'bar'], 'b');
    const late = scene.call(['get', '{foo}late']);
    scene.cache.handle(late.call);
    scene.cache.nodeState(scene.two.connection, 'backoff');
    scene.two.answer('late');
    deepEqual(late.outcome, ['late']);
    deepEqual(
      [scene.read(['get', 'foo']).hit, scene.read(['get', '{foo}late']).hit, scene.read(['get', 'bar']).hit],
      [false, false, true],
    );
    // The next connection tracks only once it has said so.
    scene.two.source = { address: scene.two.address };
    scene.cache.nodeState(scene.two.connection, 'up');
    const early = scene.call(['get', 'foo']);
    scene.cache.handle(early.call);
    scene.two.answer('OK');
    scene.two.answer('a');
    equal(scene.read(['get', 'foo']).hit, true);
  });

  it('an answer to CLIENT TRACKING that is older than the loss counts for nothing', () => {
    const scene = new Scene();
    scene.cache.nodeState(scene.two.connection, 'up');
    scene.cache.nodeState(scene.two.connection, 'dialing');
    scene.two.answer('OK');
    scene.read(['get', 'foo'], 'a');
    equal(scene.read(['get', 'foo'], 'a').hit, false);
  });

  it('a server that will not track is asked as if there were no cache', () => {
    const scene = new Scene();
    scene.cache.nodeState(scene.two.connection, 'up');
    const tracking = scene.two.inbox.shift()!;
    tracking.sink.onReply(tracking, new ReplyError('ERR unknown subcommand'), scene.two.source);
    equal(scene.cache.handle(scene.call(['get', 'foo']).call), false);
  });

  it('silence: what a frozen node answered is let go, and idle connections are asked so that silence shows', () => {
    const scene = new Scene().ready();
    scene.read(['get', 'foo'], 'a');
    scene.world.forward(1000);
    deepEqual(
      [scene.one, scene.two].map((node) => node.inbox.map(({ name }) => name)),
      [['ping'], ['ping']],
    );
    scene.two.answer('PONG');
    scene.cache.silence(scene.two.connection, true);
    equal(scene.cache.stats.entries, 0);
    scene.cache.silence(scene.two.connection, false);
    scene.two.answer('OK');
    scene.read(['get', 'foo'], 'a');
    equal(scene.read(['get', 'foo']).hit, true);
    for (const node of [scene.one, scene.two]) scene.cache.nodeState(node.connection, 'ended');
    equal(scene.world.pending, 0);
  });

  it('a slot that moves takes exactly its own answers, and taints those on their way', () => {
    const scene = new Scene().ready();
    const slot = slotOf('foo');
    scene.read(['get', 'foo'], null);
    scene.read(['get', 'hello'], 'stays');
    equal(scene.nodeOf(slotOf('hello')), scene.one);
    const under = scene.call(['strlen', 'foo']);
    scene.cache.handle(under.call);
    scene.map = scene.map.withMoved(slot, scene.one.address);
    scene.cache.mapChanged(scene.map);
    scene.two.answer(0);
    deepEqual(
      [scene.read(['get', 'foo']).hit, scene.read(['strlen', 'foo']).hit, scene.read(['get', 'hello']).hit],
      [false, false, true],
    );
    // And back while a read is on its way: it may be from before.
    scene.map = scene.map.withMoved(slot, scene.two.address);
    scene.cache.mapChanged(scene.map);
    const twice = scene.call(['getrange', 'foo', '0', '1']);
    scene.cache.handle(twice.call);
    for (const node of [scene.one, scene.two]) {
      scene.map = scene.map.withMoved(slot, node.address);
      scene.cache.mapChanged(scene.map);
    }
    scene.two.answer('');
    equal(scene.read(['getrange', 'foo', '0', '1']).hit, false);
  });

  it('ASK: the answer of who does not own the slot is given out, not kept; its slot is dropped', () => {
    const scene = new Scene().ready();
    scene.read(['get', '{bar}absent'], null);
    const { call, outcome } = scene.call(['get', 'bar']);
    scene.cache.handle(call);
    scene.one.answer(new ReplyError('ASK 5061 10.0.0.2:1'));
    scene.two.answer('by ask');
    deepEqual(outcome, ['by ask']);
    deepEqual([scene.read(['get', 'bar']).hit, scene.read(['get', '{bar}absent']).hit], [false, false]);
  });

  it('an error goes to the first asker; the others ask for themselves', () => {
    const scene = new Scene().ready();
    const calls = [1, 2, 3].map(() => scene.call(['get', 'foo']));
    for (const { call } of calls) scene.cache.handle(call);
    scene.two.answer(new ReplyError('WRONGTYPE no'));
    ok(calls[0]!.outcome[0] instanceof ReplyError);
    deepEqual(scene.sent.slice(1), [calls[1]!.call, calls[2]!.call]);
    equal(scene.cache.stats.entries, 0);
  });

  it('a deadline that settles the read ends the fetch; its late answer is nobody’s', () => {
    const scene = new Scene().ready();
    const { call, outcome } = scene.call(['get', 'foo']);
    scene.cache.handle(call);
    scene.two.inbox.at(-1)!.fail(new Error('Command timed out'));
    equal((outcome[0] as Error).message, 'Command timed out');
    scene.two.answer('late');
    equal(outcome.length, 1);
    equal(scene.read(['get', 'foo']).hit, false);
  });

  it('lists and Buffers are copied, text is not', () => {
    const scene = new Scene().ready();
    const kept = ['a', ['b'], { c: Buffer.from('d') }];
    const first = scene.read(['lrange', 'foo', '0', '-1'], kept).value as unknown[];
    first.push('mine');
    (first[1] as unknown[]).push('mine');
    for (let round = 0; round < 2; round++) {
      const { hit, value } = scene.read(['lrange', 'foo', '0', '-1']);
      deepEqual({ hit, value }, { hit: true, value: ['a', ['b'], { c: Buffer.from('d') }] });
      ((value as unknown[])[2] as { c: Buffer }).c.fill(0);
      notEqual(value, kept);
    }
  });

  it('one answer never takes more than an eighth of the room', () => {
    const scene = new Scene({ maxBytes: 8000 }).ready();
    scene.read(['get', 'foo'], 'x'.repeat(2000));
    equal(scene.read(['get', 'foo'], 'small').hit, false);
    equal(scene.read(['get', 'foo']).hit, true);
  });

  it('RESP2: tracks once a listener is subscribed, and only while it is', async () => {
    const scene = new Scene({}, 2).ready();
    const { node, events } = scene.listeners[1]!;
    events.onState(node.connection, 'up');
    deepEqual(
      node.inbox.map(({ argv }) => argv.join(' ')),
      ['client id', 'subscribe __redis__:invalidate'],
    );
    for (const value of [77, 1]) {
      const call = node.inbox.shift()!;
      call.sink.onReply(call, value, node.source);
    }
    await new Promise(setImmediate);
    deepEqual(
      scene.two.inbox.map(({ argv }) => argv.join(' ')),
      ['client tracking on redirect 77'],
    );
    scene.two.answer('OK');
    scene.read(['get', 'foo'], 'a');
    equal(scene.read(['get', 'foo']).hit, true);
    const message = [Buffer.from('message'), Buffer.from('__redis__:invalidate'), [Buffer.from('foo')]];
    events.onPush!(node.connection, new Push(message));
    equal(scene.read(['get', 'foo'], 'b').hit, false);
    equal(scene.read(['get', 'foo']).hit, true);
    events.onState(node.connection, 'backoff', new Error('lost'));
    equal(scene.cache.stats.entries, 0);
    scene.cache.nodeState(scene.two.connection, 'ended');
    ok(node.closed);
  });

  it('property: answers, notices, writes and losses in any order never leave an old value to be served', () => {
    let hits = 0;
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('read' as const), key: fc.nat(2) }) },
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('answer' as const), key: fc.nat(0) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('change' as const), key: fc.nat(2) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('own' as const), key: fc.nat(2) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), key: fc.nat(0) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 40, maxLength: 120 }), (steps) => {
        const scene = new Scene({ maxEntries: 10 }).ready();
        const node = scene.two;
        const truth = [0, 0, 0];
        // The server reads at once and its answer takes its time: the oldest value that can come back.
        const readAtServer = new Map<Call, number>();
        node.send = (call) => {
          if (call.name === 'get') readAtServer.set(call, truth[Number(String(call.argv[1]).slice(5))]!);
          return node.inbox.push(call) > 0;
        };
        for (const { kind, key } of steps) {
          const name = `{foo}${key}`;
          if (kind === 'read') {
            const { call, outcome } = scene.call(['get', name]);
            scene.cache.handle(call);
            // From memory: every change so far has been notified, so it must be the newest.
            if (outcome.length > 0) equal(outcome[0], truth[key]);
            hits += outcome.length;
          } else if (kind === 'change') {
            truth[key]!++;
            scene.changed(node, name);
          } else if (kind === 'own') {
            const { call } = scene.call(['set', name], 0);
            scene.cache.handle(call);
            truth[key]!++;
            call.settle('OK');
          } else if (kind === 'lose') {
            scene.cache.nodeState(node.connection, 'backoff');
            for (const call of node.inbox.splice(0)) call.sink.onLost(call, new Error('lost'));
            node.source = { address: node.address };
            // Nobody was notified of these.
            for (let at = 0; at < 3; at++) truth[at]!++;
            scene.cache.nodeState(node.connection, 'up');
          } else if (node.inbox.length > 0) {
            const read = node.inbox.find(({ name: word }) => word !== 'pttl')!;
            node.answer(readAtServer.get(read) ?? 'OK');
          }
        }
      }),
    );
    ok(hits > 20, 'memory was hardly used');
  });
});
