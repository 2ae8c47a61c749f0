// The pauses of a subscriber's search, on injected time: dials that never answer, and nodes that refuse at once.

import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import type {
  ReconnectingConnection,
  ReconnectingEvents,
  ReconnectingState,
} from '../../../lib/connection/reconnecting-connection.ts';
import { SubscriberDialer } from '../../../lib/pubsub/subscriber-dialer.ts';
import type { NodePool } from '../../../lib/router/node-pool.ts';

/** As much of a connection as a dialer touches. */
class FakeConnection {
  readonly address: string;
  readonly lastError = undefined;
  state: ReconnectingState = 'idle';
  readonly peer = { silent: false };
  readonly #events: ReconnectingEvents;
  readonly #refuses: boolean;

  constructor(address: string, events: ReconnectingEvents, refuses: boolean) {
    this.address = address;
    this.#events = events;
    this.#refuses = refuses;
  }

  open(): void {
    this.become('dialing');
    if (this.#refuses) this.become('backoff', new Error('connect ECONNREFUSED'));
  }

  close(): void {
    if (this.state !== 'ended') this.become('ended');
  }

  become(state: ReconnectingState, reason?: Error): void {
    this.state = state;
    this.#events.onState(this as unknown as ReconnectingConnection, state, reason);
  }
}

describe('pubsub: how a subscriber searches', () => {
  let world: ManualWorld;
  let dials: { at: number; connection: FakeConnection }[];
  let chosen: ReconnectingConnection[];

  function dialer(nodes: number, refuses: boolean): SubscriberDialer {
    world = new ManualWorld({ now: 0 });
    dials = [];
    chosen = [];
    const pool = {
      all: () =>
        Array.from({ length: nodes }, (_, at) => ({
          key: `h:${at + 1}`,
          inMap: true,
          connection: { state: 'up', peer: { silent: false } },
        })),
      connection: (key: string, _readOnly: boolean, events: ReconnectingEvents) => {
        const connection = new FakeConnection(key, events, refuses);
        dials.push({ at: world.now(), connection });
        return connection;
      },
    } as unknown as NodePool;
    const later = { onState: () => {}, onSilence: () => {}, onPush: () => {} };
    return new SubscriberDialer(pool, world, 'name', { onUp: (connection) => chosen.push(connection), later });
  }

  it('tries a second node after about 2 s and a third about 4 s later, never the same, never more', () => {
    dialer(5, false).search();
    world.forward(60_000);
    assert.equal(dials.length, 3);
    const [first, second, third] = dials.map(({ at }) => at) as [number, number, number];
    assert.equal(first, 0);
    assert.ok(second >= 1500 && second <= 2500, String(second));
    assert.ok(third - second >= 3000 && third - second <= 5000, String(third - second));
    assert.equal(new Set(dials.map(({ connection }) => connection.address)).size, 3);
    dials[1]!.connection.become('up');
    assert.deepEqual(
      dials.map(({ connection }) => connection.state),
      ['ended', 'up', 'ended'],
    );
    assert.equal(chosen.length, 1);
    assert.equal(world.pending, 0);
  });

  it('follows refusals by pauses that grow to 2 s, and reports each node', () => {
    const searching = dialer(3, true);
    searching.search();
    world.forward(60_000);
    const pauses = dials.slice(1).map(({ at }, index) => at - dials[index]!.at);
    assert.ok(pauses[0]! <= 63, String(pauses[0]));
    assert.ok(
      pauses.slice(6).every((ms) => ms >= 1500 && ms <= 2500),
      pauses.join(),
    );
    assert.ok(dials.length < 45, String(dials.length));
    for (const key of ['h:1', 'h:2', 'h:3']) assert.match(searching.story, new RegExp(`${key}: connect ECONNREFUSED`));
    searching.stop(new Error('over'));
    assert.equal(world.pending, 0);
  });
});
