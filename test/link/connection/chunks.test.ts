// When the bytes of a tick leave: together at its end, a full chunk ahead of the rest, ASKING never without its call.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { ManualWorld } from '../../../lib/base/world.ts';
import { Call, directSink } from '../../../lib/connection/call.ts';
import { Connection } from '../../../lib/connection/connection.ts';
import type { Socket } from '../../../lib/connection/dial.ts';

class StubSocket extends EventEmitter {
  readonly writes: string[] = [];
  readonly writableLength = 0;
  writableNeedDrain = false;

  write(bytes: Uint8Array): boolean {
    this.writes.push(Buffer.from(bytes).toString('latin1'));
    return !this.writableNeedDrain;
  }

  cork(): void {}
  uncork(): void {}
  destroy(): void {}
}

describe('connection: chunks', () => {
  let socket: StubSocket;
  let connection: Connection;
  const lost: [words: string, written: boolean][] = [];

  beforeEach(() => {
    lost.length = 0;
    socket = new StubSocket();
    connection = new Connection(socket as unknown as Socket, 'h:1', {}, new ManualWorld(), {
      onClose: () => undefined,
      onPush: () => undefined,
      onDrain: () => undefined,
      onHeard: () => undefined,
    });
  });

  function call(...argv: string[]): Call {
    const sink = {
      ...directSink,
      onLost: ({ argv: words, written }: Call) => void lost.push([words.join(' '), written]),
    };
    return new Call(argv, -1, 0, 'utf8', undefined, sink);
  }

  const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('small calls of a tick leave in one write at its end', async () => {
    for (let at = 0; at < 100; at++) connection.write(call('get', 'k'));
    assert.equal(socket.writes.length, 0);
    await tick();
    assert.deepEqual(socket.writes, ['*2\r\n$3\r\nget\r\n$1\r\nk\r\n'.repeat(100)]);
  });

  it('a full chunk leaves at once, the rest at the end of the tick, all in order', async () => {
    const words = Array.from({ length: 1000 }, (_, at) => `key:${at}`);
    for (const word of words) connection.write(call('get', word));
    const ahead = socket.writes.length;
    assert.ok(ahead > 1 && ahead < 20, String(ahead));
    await tick();
    assert.equal(socket.writes.length, ahead + 1);
    const sent = [...socket.writes.join('').matchAll(/key:\d+/g)].map(([word]) => word);
    assert.deepEqual(sent, words);
  });

  it('a chunk that is full with ASKING still takes its call along', async () => {
    for (let size = 4000; size < 4100; size++) {
      socket.writes.length = 0;
      connection.write(call('set', 'k', 'x'.repeat(size - 40)));
      connection.writeAsking(call('get', 'k'));
      await tick();
      const holder = socket.writes.filter((write) => write.includes('asking'));
      assert.equal(holder.length, 1);
      assert.ok(holder[0]!.endsWith('asking\r\n*2\r\n$3\r\nget\r\n$1\r\nk\r\n'), String(size));
    }
  });

  it('what went ahead counts as written when the socket is lost in the same tick, what waited does not', () => {
    connection.write(call('set', 'big', 'x'.repeat(5000)));
    connection.write(call('get', 'small'));
    connection.destroy(new Error('gone'));
    assert.deepEqual(
      lost.map(([words, written]) => [words.slice(0, 7), written]),
      [
        ['set big', true],
        ['get sma', false],
      ],
    );
  });

  it('a socket that is behind gets nothing more until it drains', async () => {
    socket.writableNeedDrain = true;
    connection.write(call('set', 'a', 'x'.repeat(5000)));
    connection.write(call('set', 'b', 'x'.repeat(5000)));
    await tick();
    assert.equal(socket.writes.length, 1);
    socket.writableNeedDrain = false;
    socket.emit('drain');
    assert.equal(socket.writes.length, 2);
  });
});
