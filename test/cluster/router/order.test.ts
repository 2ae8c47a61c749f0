// Calls of one slot that were issued together run in that order, whatever redirects and losses they meet on their way.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster } from '../../../lib/index.ts';
import { slotOf } from '../../../lib/wire/slot.ts';
import { type Answer, bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';

const key = 'k';
const slot = slotOf(key);

describe('client: order of the calls of one slot', function () {
  this.timeout(20_000);
  const nodes: FakeNode[] = [];
  let client: Cluster | undefined;

  const ask = (): string => `-ASK ${slot} 127.0.0.1:${nodes[1]!.port}\r\n`;

  afterEach(async () => {
    client?.disconnect();
    await Promise.all(nodes.splice(0).map((node) => node.close()));
  });

  /** Two masters; the first owns every slot and sends `key` on to the second, which keeps what it is given. */
  async function start(
    source: (argv: readonly string[]) => { readonly reply: string; readonly after?: number },
    target: (argv: readonly string[], cut: () => void) => Answer | 'mute' | undefined,
  ): Promise<{ source: FakeNode; target: FakeNode; executed: string[] }> {
    const executed: string[] = [];
    const store = new Map<string, string>();
    const map = (): string =>
      slotsReply([
        { start: 0, end: 8191, nodes: [slot <= 8191 ? first : second] },
        { start: 8192, end: 16383, nodes: [slot <= 8191 ? second : first] },
      ]);
    const common = (argv: readonly string[]): Answer => {
      if (argv[0] === 'cluster') return argv[1]!.toLowerCase() === 'slots' ? map() : clusterOk;
      if (argv[0] === 'info') return bulk('loading:0\r\n');
      if (argv[0] === 'ping') return '+PONG\r\n';
      return undefined;
    };
    // Whatever it takes, answers leave in the order of the questions.
    const answered = new WeakMap<Socket, Promise<unknown>>();
    const first = await FakeNode.start((argv, socket) => {
      const usual = common(argv);
      const { reply, after = 0 } = usual === undefined ? source(argv) : { reply: String(usual) };
      const before = answered.get(socket) ?? Promise.resolve();
      const waited = after > 0 ? before.then(() => pause(after)) : before;
      answered.set(
        socket,
        waited.then(() => !socket.destroyed && socket.write(reply)),
      );
      return undefined;
    });
    const second = await FakeNode.start((argv, socket) => {
      const usual = common(argv);
      if (usual !== undefined) return usual;
      if (argv[0] === 'asking') return '+OK\r\n';
      const answer = target(argv, () => socket.destroy());
      if (answer === 'mute') return undefined;
      if (answer !== undefined) return answer;
      executed.push(argv.join(' '));
      if (argv[0] === 'set') {
        store.set(argv[1]!, argv[2]!);
        return '+OK\r\n';
      }
      const value = store.get(argv[1]!);
      return value === undefined ? '_\r\n' : bulk(value);
    });
    nodes.push(first, second);
    client = new Cluster([{ host: '127.0.0.1', port: first.port }]);
    client.on('error', () => undefined);
    // Both connections are up before anything is measured.
    await client.ping();
    return { source: first, target: second, executed };
  }

  it('a GET whose ASK comes late does not pass the SET that was lost meanwhile', async () => {
    let sets = 0;
    const scene = await start(
      // The SET is sent on at once; the GET behind it 300 ms later, when the SET has been lost and asks again behind it.
      (argv) => (argv[0] === 'get' ? { reply: ask(), after: 300 } : { reply: ask() }),
      (argv, cut) => {
        if (argv[0] !== 'set' || ++sets > 1) return undefined;
        cut();
        return 'mute';
      },
    );
    const results = await client!.pipeline().set(key, 'new').get(key).exec();
    assert.equal(sets, 2, 'the SET was not lost');
    assert.deepEqual(results, [
      [null, 'OK'],
      [null, 'new'],
    ]);
    assert.deepEqual(scene.executed, ['set k new', 'get k']);
  });

  it('many of one slot that are all moved arrive in order', async () => {
    const moved = (): { reply: string } => ({ reply: `-MOVED ${slot} 127.0.0.1:${nodes[1]!.port}\r\n` });
    const scene = await start(moved, () => undefined);
    const pipeline = client!.pipeline();
    for (let at = 0; at < 2000; at++) pipeline.set(key, String(at));
    const results = await pipeline.get(key).exec();
    assert.deepEqual(results!.at(-1), [null, '1999']);
    assert.deepEqual(scene.executed, Array.from({ length: 2000 }, (_, at) => `set k ${at}`).concat('get k'));
  });

  /** A key whose slot was on its way when it was first asked for, and has come back since. */
  async function wentAndCame(send: () => Promise<unknown>): Promise<string[]> {
    let asks = 0;
    const scene = await start(
      ([name]) => {
        if (name !== 'set' && name !== 'multi' && name !== 'exec') return { reply: '+OK\r\n' };
        if (++asks === 1 && name === 'set') {
          // Its connection is gone, and the next one takes longer than the slot stays away.
          nodes[1]!.cut();
          nodes[1]!.delay = 800;
          return { reply: ask(), after: 20 };
        }
        return { reply: '+OK\r\n' };
      },
      () => undefined,
    );
    await send();
    assert.ok(asks >= 2, 'it did not start again');
    return scene.executed;
  }

  it('an ASK is not followed when connecting to its node took long: the owner is asked again', async () => {
    assert.deepEqual(await wentAndCame(() => client!.set(key, 'v')), []);
  });

  it('a call that is sent to and fro pauses before it asks the owner, never between ASK and ASKING', async () => {
    // ASK, then MOVED back, and so on: the pauses that grow lie before the owner is asked, not before ASKING.
    const times: [string, number][] = [];
    await start(
      () => {
        times.push(['owner', performance.now()]);
        return times.length < 14 ? { reply: ask() } : { reply: '+OK\r\n' };
      },
      ([name]) => {
        if (name !== 'set') return undefined;
        times.push(['other', performance.now()]);
        return `-MOVED ${slot} 127.0.0.1:${nodes[0]!.port}\r\n`;
      },
    );
    assert.equal(await client!.set(key, 'v'), 'OK');
    // In the middle of all, since a busy machine may keep any one of them.
    const waits = times.flatMap(([who, at], index) => (who === 'other' ? [at - times[index - 1]![1]] : []));
    const middle = waits.sort((one, other) => one - other)[waits.length >> 1]!;
    assert.ok(middle <= 60, `ASKs were kept: ${waits.join()}`);
    assert.ok(times.length >= 14, `${times.length} visits`);
  });
});
