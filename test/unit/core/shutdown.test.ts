// How a cluster client leaves, with parts that note in which order they are closed.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { ManualWorld } from '../../../lib/base/world.ts';
import type { SharedCore } from '../../../lib/core/cluster-client.ts';
import { ConnectLoop } from '../../../lib/core/connect-loop.ts';
import type { Lifecycle } from '../../../lib/core/lifecycle.ts';
import { Shutdown } from '../../../lib/core/shutdown.ts';
import type { ReadMonitor } from '../../../lib/router/read-monitor.ts';
import { bareLifecycle, turn } from './kit.ts';

/** A client of a cluster without nodes, but for what they owe. */
class Stage {
  readonly world = new ManualWorld();
  readonly client = new EventEmitter();
  readonly events: string[] = [];
  readonly acts: string[] = [];
  readonly lifecycle: Lifecycle;
  readonly loop: ConnectLoop;
  readonly shutdown: Shutdown;
  /** What leaveAll() waits for. */
  leaving: Promise<void>[] = [];
  owed = 0;
  strategy: () => unknown = () => 100;

  constructor(status: 'ready' | 'close' | 'connecting' = 'ready') {
    const note = (act: string) => (): void => void this.acts.push(act);
    this.lifecycle = bareLifecycle(this.client);
    this.lifecycle.become(status);
    for (const name of ['connecting', 'ready', 'close', 'reconnecting', 'disconnecting', 'end'])
      this.client.on(name, () => this.events.push(name));
    this.loop = new ConnectLoop(this.lifecycle, this.world, {
      retryDelay: () => this.strategy(),
      prepare: () => {},
      attempt: () => new Promise(() => {}),
      succeeded: () => {},
      gaveUp: (reason) => this.shutdown.end(reason),
    });
    const stage = this;
    const core = {
      options: { quitTimeout: 1000 },
      world: this.world,
      lifecycle: this.lifecycle,
      router: { retrying: 0, close: note('router') },
      subscriber: { stop: note('subscriber'), settled: () => Promise.resolve() },
      pool: {
        load: 0,
        get owed() {
          return stage.owed;
        },
        all: () => [],
        leaveAll: () => {
          this.acts.push('leave nodes');
          return this.leaving;
        },
        closeAll: note('close nodes'),
      },
    };
    const monitor = { stop: note('monitor') } as unknown as ReadMonitor;
    this.shutdown = new Shutdown(core as unknown as SharedCore, this.loop, monitor, [{ stop: note('timers') }]);
  }
}

const ended = ['monitor', 'timers', 'router', 'close nodes', 'subscriber'];

describe('core/shutdown', () => {
  it('disconnect(): subscriptions, the read monitor, what waits, the nodes, and then the end of everything', async () => {
    const stage = new Stage();
    await turn();
    stage.shutdown.disconnect(false);
    await turn();
    assert.deepEqual(stage.acts, ['subscriber', 'monitor', 'router', 'leave nodes', ...ended]);
    assert.deepEqual(stage.events, ['ready', 'disconnecting', 'close', 'end']);
    const { length } = stage.acts;
    assert.equal(await stage.shutdown.quit(), 'OK');
    stage.shutdown.disconnect(false);
    assert.deepEqual(stage.acts.slice(length), ['subscriber'], 'it has ended');
    assert.equal(stage.world.pending, 0);
  });

  it('disconnect() waits for what nodes still owe, unless connect() comes first', async () => {
    for (const again of [false, true]) {
      const stage = new Stage();
      let gone = (): void => {};
      stage.leaving = [
        new Promise((resolve) => {
          gone = resolve;
        }),
      ];
      stage.shutdown.disconnect(false);
      await turn();
      assert.equal(stage.lifecycle.status, 'disconnecting');
      if (again) void stage.loop.connect();
      gone();
      await turn();
      assert.equal(stage.lifecycle.status, again ? 'connecting' : 'end');
      assert.equal(stage.acts.includes('timers'), !again);
    }
  });

  it('disconnect(true): what waits goes on waiting, and another attempt follows', async () => {
    const stage = new Stage();
    stage.shutdown.disconnect(true);
    assert.equal(stage.lifecycle.paused, false, 'the status has changed');
    await turn();
    assert.deepEqual(stage.acts, ['subscriber', 'monitor', 'leave nodes']);
    assert.deepEqual(stage.events, ['ready', 'disconnecting', 'close', 'reconnecting']);
    stage.world.forward(100);
    assert.equal(stage.lifecycle.status, 'connecting');
  });

  it('`close` comes once: not again where it has been emitted and nothing has begun since', async () => {
    for (const how of ['disconnect', 'quit'] as const) {
      const stage = new Stage('close');
      if (how === 'quit') void stage.shutdown.quit();
      else stage.shutdown.disconnect(false);
      await turn();
      assert.deepEqual(stage.events, ['close', 'disconnecting', 'end'], how);
    }
    const stage = new Stage('close');
    stage.shutdown.disconnect(true);
    await turn();
    stage.shutdown.disconnect(false);
    await turn();
    const again = ['disconnecting', 'reconnecting', 'disconnecting', 'close', 'end'];
    assert.deepEqual(stage.events, ['close', ...again], 'reconnecting has begun something');
  });

  it('quit() waits for what is owed, and rejects it when the time is over', async () => {
    for (const answered of [true, false]) {
      const stage = new Stage();
      stage.owed = 2;
      let outcome = '';
      void stage.shutdown.quit().then((ok) => {
        outcome = ok;
      });
      for (let ms = 0; ms < 500; ms += 10) {
        await turn();
        stage.world.forward(10);
      }
      assert.deepEqual([outcome, stage.lifecycle.status], ['', 'disconnecting']);
      if (answered) stage.owed = 0;
      for (let ms = 0; ms < 500; ms += 10) {
        stage.world.forward(10);
        await turn();
      }
      assert.deepEqual([outcome, stage.lifecycle.status], ['OK', 'end']);
      assert.equal(stage.acts.includes('leave nodes'), answered, 'what is late is not left in good order');
      assert.equal(stage.world.pending, 0);
    }
  });

  it('quit() while a retry is planned, and nothing waits for it: no other attempt, whatever is waited for', async () => {
    const stage = new Stage('close');
    stage.loop.tryAgain(new Error('lost'));
    await turn();
    assert.equal(stage.lifecycle.status, 'reconnecting');
    stage.owed = 1;
    const quitting = stage.shutdown.quit();
    for (let ms = 0; ms < 200; ms += 10) {
      await turn();
      stage.world.forward(10);
    }
    assert.equal(stage.lifecycle.status, 'disconnecting');
    stage.owed = 0;
    for (let at = 0; at < 3; at++) {
      stage.world.forward(10);
      await turn();
    }
    assert.equal(await quitting, 'OK');
    assert.deepEqual(stage.events, ['close', 'reconnecting', 'disconnecting', 'close', 'end']);
  });

  it('a strategy that gives up ends it as well', async () => {
    const stage = new Stage('close');
    stage.strategy = () => null;
    stage.loop.tryAgain(new Error('lost'));
    await turn();
    assert.deepEqual(stage.acts, ended);
    assert.deepEqual(stage.events, ['close', 'end']);
  });
});
