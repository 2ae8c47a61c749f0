import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { RedisError } from '../../../lib/base/errors.ts';
import { ManualWorld } from '../../../lib/base/world.ts';
import { Call, CallFlag, directSink } from '../../../lib/connection/call.ts';
import type { ReconnectingConnection } from '../../../lib/connection/reconnecting-connection.ts';
import { ShardedSubscriptions } from '../../../lib/pubsub/sharded.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { slotOf } from '../../../lib/wire/slot.ts';

describe('pubsub/sharded', () => {
  it('a change of the map costs a look a slot, not a look a channel', () => {
    let looks = 0;
    let owner = '127.0.0.1:1';
    const opened: string[] = [];
    const connection = {
      state: 'dialing',
      peer: { silent: false },
      open: () => {},
      close: () => {},
      send: () => false,
    };
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

  describe('what a rejected call says of a channel that its node refuses', () => {
    const refusal = new ReplyError('CLUSTERDOWN The cluster is down');

    /** A node that refuses each SSUBSCRIBE, for `ms`; the call's error, once `end` has been called. */
    async function refused(ms: number, end: (subscriptions: ShardedSubscriptions) => void): Promise<RedisError> {
      const world = new ManualWorld();
      const connection = {
        state: 'up',
        peer: { silent: false },
        open: () => {},
        close: () => {},
        send: (call: Call) => {
          world.after(1, () => call.sink.onReply(call, refusal, { address: '127.0.0.1:1' }));
          return true;
        },
      };
      const subscriptions = new ShardedSubscriptions(
        new EventEmitter(),
        {
          ownerOf: () => '127.0.0.1:1',
          connect: () => connection as unknown as ReconnectingConnection,
          learn: () => undefined,
          hint: () => undefined,
          deadline: 400,
          silenceTimeout: 0,
        },
        world,
      );
      const call = new Call(
        ['ssubscribe', 'news'],
        slotOf('news'),
        CallFlag.subscribing,
        'utf8',
        undefined,
        directSink,
      );
      const error = new Promise<RedisError>((resolve) => {
        call.reject = resolve as (error: Error) => void;
      });
      subscriptions.send(call);
      for (let at = 0; at < ms; at++) {
        await Promise.resolve();
        world.forward(1);
      }
      end(subscriptions);
      return error;
    }

    it('after its deadline: how often it was asked, and why not', async () => {
      const error = await refused(500, () => undefined);
      assert.equal(error.code, 'ERR_RETRY_DEADLINE');
      assert.equal(error.cause, refusal);
      assert.ok(error.attempts! >= 3 && error.attempts! <= 5, String(error.attempts));
      assert.equal(error.writes, error.attempts);
    });

    it('when its client is closed: how often it was asked', async () => {
      const error = await refused(10, (subscriptions) => subscriptions.stop(false));
      assert.equal(error.message, 'Connection is closed.');
      assert.deepEqual([error.code, error.attempts, error.writes], ['ERR_CLOSED', 1, 1]);
    });
  });
});
