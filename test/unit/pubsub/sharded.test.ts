import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { ManualWorld } from '../../../lib/base/world.ts';
import { Call, CallFlag, directSink } from '../../../lib/connection/call.ts';
import type { ReconnectingConnection } from '../../../lib/connection/reconnecting-connection.ts';
import { ShardedSubscriptions } from '../../../lib/pubsub/sharded.ts';
import { slotOf } from '../../../lib/wire/slot.ts';

describe('pubsub/sharded', () => {
  it('a change of the map costs a look a slot, not a look a channel', () => {
    let looks = 0;
    let owner = '127.0.0.1:1';
    const opened: string[] = [];
    const connection = { state: 'dialing', silent: false, open: () => {}, close: () => {}, send: () => false };
    const subscriptions = new ShardedSubscriptions(
      new EventEmitter(),
      {
        ownerOf: () => {
          looks++;
          return owner;
        },
        connect: (key) => {
          opened.push(key);
          return connection as unknown as ReconnectingConnection;
        },
        learn: () => undefined,
        hint: () => undefined,
        deadline: 1000,
        silenceTimeout: 0,
      },
      new ManualWorld(),
    );
    const count = 2000;
    for (let at = 0; at < count; at++) {
      const name = `{tag:${at % 10}}${at}`;
      const call = new Call(['ssubscribe', name], slotOf(name), CallFlag.subscribing, 'utf8', undefined, directSink);
      call.reject = () => undefined;
      subscriptions.send(call);
    }
    subscriptions.mapChanged();
    looks = 0;
    for (let change = 0; change < 100; change++) subscriptions.mapChanged();
    assert.equal(looks, 100 * 10);
    owner = '127.0.0.1:2';
    subscriptions.mapChanged();
    assert.ok(looks <= 100 * 10 + 10 + count, String(looks));
    assert.deepEqual(opened, ['127.0.0.1:1', '127.0.0.1:2']);
    subscriptions.stop(false);
  });
});
