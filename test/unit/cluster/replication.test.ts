import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { dialLoopback, openDoor } from '../../../server/replication/loopback.ts';
import { Primary, streamLength } from '../../../server/replication/primary.ts';
import { Replica } from '../../../server/replication/replica.ts';
import type { CopiedKey, Words } from '../../../server/replication/transport.ts';

const address = { host: '127.0.0.1', port: 41_999 };
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
};

describe('the replication stream on the loopback', () => {
  const world = new ManualWorld();
  let keys: CopiedKey[];
  let primary: Primary;
  let closeDoor: () => void;
  let replica: Replica;
  let seen: string[];
  let serving: boolean;

  beforeEach(() => {
    keys = [{ key: 'a', value: '1', expireAt: -1 }];
    serving = true;
    seen = [];
    const host = {
      world,
      copyKeys: () => keys,
      get serving() {
        return serving;
      },
    };
    primary = new Primary(host);
    closeDoor = openDoor(address, primary);
    replica = new Replica(
      {
        world,
        identity: () => ({ id: 'r', host: '127.0.0.1', port: 1 }),
        load: (copy) => seen.push(`copy ${copy.keys.map(({ key }) => key)}`),
        applyEffects: (batch: readonly Words[]) => {
          for (const words of batch) seen.push(words.join(' '));
        },
        onLinkChanged: (up) => seen.push(up ? 'up' : 'down'),
        onApplied: () => undefined,
      },
      dialLoopback,
    );
  });
  afterEach(() => {
    replica.stop();
    primary.close();
    closeDoor();
  });

  it('counts nothing while nobody follows', () => {
    primary.feed([['SET', 'a', '1']]);
    assert.equal(primary.offset, 0);
  });

  it('gives a copy, then every effect in order, and hears how far the replica is', async () => {
    replica.follow(address);
    await turns();
    primary.feed([['SET', 'b', '2']]);
    primary.feed([
      ['DEL', 'a'],
      ['DEL', 'b'],
    ]);
    assert.equal(primary.acked(primary.offset), 0);
    await turns();
    assert.deepEqual(seen, ['copy a', 'up', 'ping', 'SET b 2', 'DEL a', 'DEL b']);
    assert.equal(replica.offset, primary.offset);
    assert.equal(primary.acked(primary.offset), 1);
  });

  it('counts the bytes that the effects would take on a socket', () => {
    assert.equal(streamLength(['ping']), '*1\r\n$4\r\nping\r\n'.length);
    assert.equal(
      streamLength(['SET', 'k', 'v'.repeat(1000)]),
      `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000\r\n\r\n`.length + 1000,
    );
  });

  it('WAIT is answered by the acknowledgement, by the clock, or by stepping down', async () => {
    replica.follow(address);
    await turns();
    const counts: number[] = [];
    primary.feed([['SET', 'b', '2']]);
    primary.wait(1, 0, (count) => counts.push(count));
    await turns();
    assert.deepEqual(counts, [1]);
    primary.wait(2, 100, (count) => counts.push(count));
    world.forward(99);
    assert.deepEqual(counts, [1]);
    world.forward(1);
    assert.deepEqual(counts, [1, 1]);
    primary.wait(2, 0, (count) => counts.push(count));
    primary.stepDown();
    assert.deepEqual(counts, [1, 1, 1]);
  });

  it('a lost link is dialled again and begins with a new copy', async () => {
    replica.follow(address);
    await turns();
    primary.stepDown();
    await turns();
    assert.equal(replica.linked, false);
    world.forward(100);
    await turns();
    assert.equal(replica.linked, true);
    assert.deepEqual(seen.filter((line) => line === 'copy a').length, 2);
  });

  it('a node that is itself a replica takes nobody', async () => {
    serving = false;
    replica.follow(address);
    await turns();
    assert.equal(replica.linked, false);
    assert.deepEqual(seen, []);
  });

  it('held back, it applies nothing, and everything in order afterwards', async () => {
    replica.follow(address);
    await turns();
    replica.hold(true);
    primary.feed([
      ['SET', 'x', '1'],
      ['SET', 'x', '2'],
    ]);
    await turns();
    assert.equal(seen.at(-1), 'ping');
    assert.equal(primary.acked(primary.offset), 0);
    replica.hold(false);
    await turns();
    assert.deepEqual(seen.slice(-2), ['SET x 1', 'SET x 2']);
    assert.equal(primary.acked(primary.offset), 1);
  });
});
