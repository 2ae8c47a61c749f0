// Leaving, and socketTimeout: what a connection is closed by, on injected time.
import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import type { Connection } from '../../../lib/connection/connection.ts';
import { Departure } from '../../../lib/connection/departure.ts';
import { limitSilence } from '../../../lib/connection/socket-timeout.ts';

class FakeConnection {
  readonly address = 'a:1';
  halfClosed = 0;
  destroyedBy: Error | undefined;
  silence = 0;

  get closed(): boolean {
    return this.destroyedBy !== undefined;
  }

  halfClose(): void {
    this.halfClosed++;
  }

  destroy(reason: Error): void {
    this.destroyedBy = reason;
  }

  get asConnection(): Connection {
    return this as unknown as Connection;
  }
}

describe('connection/departure', () => {
  it('half-closes, destroys when the time is over, and resolves for everybody when the connection is gone', async () => {
    const world = new ManualWorld();
    const departure = new Departure(world);
    const connection = new FakeConnection();
    const reason = new Error('leaving');
    const gone: number[] = [];
    for (const at of [1, 2]) void departure.begin(connection.asConnection, reason, 100).then(() => gone.push(at));
    assert.equal(connection.halfClosed, 2);
    world.forward(99);
    assert.equal(connection.destroyedBy, undefined);
    world.forward(1);
    assert.equal(connection.destroyedBy, reason);
    await Promise.resolve();
    assert.deepEqual(gone, [], 'its end is reported by over()');
    departure.over();
    await Promise.resolve();
    assert.deepEqual(gone, [1, 2]);
  });

  it('a peer that closes in time: the timer ends, and the next departure has a time of its own', () => {
    const world = new ManualWorld();
    const departure = new Departure(world);
    const [first, second] = [new FakeConnection(), new FakeConnection()];
    void departure.begin(first.asConnection, new Error('a'));
    world.forward(1500);
    departure.over();
    assert.equal(world.pending, 0);
    void departure.begin(second.asConnection, new Error('b'));
    world.forward(1999);
    assert.equal(second.closed, false);
    world.forward(1);
    assert.deepEqual([first.closed, second.closed], [false, true]);
  });
});

describe('connection/socket-timeout', () => {
  it('destroys a connection that has been silent for so long, at most a quarter late', () => {
    const world = new ManualWorld({ now: 0 });
    const connection = new FakeConnection();
    limitSilence(connection.asConnection, 100, world);
    connection.silence = 99;
    world.forward(1000);
    assert.equal(connection.closed, false);
    connection.silence = 100;
    world.forward(25);
    assert.match(connection.destroyedBy!.message, /didn't receive any in 100ms/);
    assert.equal((connection.destroyedBy as { code?: string }).code, 'ERR_SOCKET_TIMEOUT');
  });

  it('looks no more once it is closed, and never without a limit', () => {
    const world = new ManualWorld();
    const connection = new FakeConnection();
    limitSilence(connection.asConnection, 0, world);
    assert.equal(world.pending, 0);
    limitSilence(connection.asConnection, 100, world);
    connection.destroy(new Error('gone'));
    world.forward(1000);
    assert.equal(world.pending, 0);
    assert.equal(connection.destroyedBy!.message, 'gone');
  });
});
