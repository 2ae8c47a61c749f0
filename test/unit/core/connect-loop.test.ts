// The loop of a cluster client that connects: on injected time, with steps that the test decides about.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { ClusterAllFailedError } from '../../../lib/base/errors.ts';
import { ManualWorld } from '../../../lib/base/world.ts';
import { ConnectLoop, type ConnectSteps, type Phase } from '../../../lib/core/connect-loop.ts';
import type { Lifecycle } from '../../../lib/core/lifecycle.ts';
import { bareLifecycle, turn } from './kit.ts';

const nobody = new ClusterAllFailedError('nobody', [new Error('down')]);

class Stage implements ConnectSteps {
  readonly world = new ManualWorld();
  readonly client = new EventEmitter();
  readonly seen: string[] = [];
  readonly lifecycle: Lifecycle;
  readonly loop: ConnectLoop;
  readonly attempts: { phase: Phase; resolve: () => void; reject: (error: Error) => void }[] = [];
  delay: () => unknown = () => 100;

  constructor() {
    this.client.on('error', () => this.seen.push('error'));
    for (const name of ['connecting', 'ready', 'close', 'reconnecting', 'end'])
      this.client.on(name, () => this.seen.push(name));
    this.lifecycle = bareLifecycle(this.client);
    this.loop = new ConnectLoop(this.lifecycle, this.world, this);
  }

  retryDelay(): unknown {
    return this.delay();
  }

  prepare(): void {}

  attempt(phase: Phase): Promise<void> {
    return new Promise((resolve, reject) => this.attempts.push({ phase, resolve, reject }));
  }

  succeeded(): void {
    this.seen.push('succeeded');
  }

  gaveUp(reason: Error): void {
    this.seen.push(`gave up: ${reason.message}`);
  }

  /** The outcome of connect(): nothing yet, or what it is settled with. */
  connect(): { outcome: string | undefined } {
    const waiter: { outcome: string | undefined } = { outcome: undefined };
    this.loop.connect().then(
      () => {
        waiter.outcome = 'ready';
      },
      (error: Error) => {
        waiter.outcome = error.message;
      },
    );
    return waiter;
  }
}

describe('core/connect-loop', () => {
  it('an attempt that succeeds: ready, and who waited learns of it; its phase goes on', async () => {
    const stage = new Stage();
    const waiter = stage.connect();
    stage.attempts[0]!.resolve();
    await turn();
    assert.deepEqual([waiter.outcome, stage.lifecycle.status], ['ready', 'ready']);
    assert.deepEqual(stage.seen, ['connecting', 'succeeded', 'ready']);
    assert.equal(stage.attempts[0]!.phase.over, false);
  });

  it('an attempt that fails: closed, and another one after the pause of the strategy', async () => {
    const stage = new Stage();
    const waiter = stage.connect();
    stage.attempts[0]!.reject(nobody);
    await turn();
    assert.equal(waiter.outcome, 'None of startup nodes is available');
    assert.deepEqual(stage.loop.reasons, nobody.errors);
    assert.deepEqual(stage.seen, ['connecting', 'error', 'close', 'reconnecting']);
    stage.world.forward(99);
    assert.equal(stage.attempts.length, 1);
    stage.world.forward(1);
    assert.deepEqual([stage.attempts.length, stage.lifecycle.status], [2, 'connecting']);
    assert.deepEqual([stage.attempts[0]!.phase.over, stage.attempts[1]!.phase.over], [true, false]);
  });

  it('an attempt that was broken off changes nothing when it comes to an end', async () => {
    for (const how of ['resolve', 'reject'] as const) {
      const stage = new Stage();
      const waiter = stage.connect();
      const { phase } = stage.loop;
      stage.loop.abandon(new Error('left'));
      assert.deepEqual([phase.over, stage.loop.phase.over], [true, false]);
      stage.attempts[0]![how](nobody);
      await turn();
      assert.equal(waiter.outcome, 'Connection is aborted');
      assert.deepEqual([stage.seen, stage.world.pending], [['connecting'], 0]);
    }
  });

  it('a listener of the error that ends the client has decided: nothing follows', async () => {
    const stage = new Stage();
    stage.client.on('error', () => stage.loop.abandon(new Error('left')));
    stage.connect();
    stage.attempts[0]!.reject(nobody);
    await turn();
    assert.deepEqual([stage.seen, stage.world.pending], [['connecting', 'error'], 0]);
  });

  it('a listener of close that ends the client has decided: the strategy is not called', async () => {
    const stage = new Stage();
    let asked = 0;
    stage.delay = () => asked++;
    stage.client.on('close', () => stage.loop.abandon(new Error('left')));
    stage.connect();
    stage.attempts[0]!.reject(nobody);
    await turn();
    assert.deepEqual([asked, stage.world.pending], [0, 0]);
  });

  it('a strategy that connects by itself has decided, whatever it gives', async () => {
    for (const given of [100, null]) {
      const stage = new Stage();
      let asked = 0;
      stage.delay = () => {
        if (asked++ === 0) stage.connect();
        return given;
      };
      stage.connect();
      stage.attempts[0]!.reject(nobody);
      await turn();
      assert.deepEqual([stage.lifecycle.status, stage.attempts.length, stage.world.pending], ['connecting', 2, 0]);
      assert.equal(
        stage.seen.some((one) => one.startsWith('gave up')),
        false,
      );
    }
  });

  it('a strategy that gives no number ends it', async () => {
    const stage = new Stage();
    stage.delay = () => null;
    stage.connect();
    const { phase } = stage.loop;
    stage.attempts[0]!.reject(nobody);
    await turn();
    assert.equal(stage.seen.at(-1), 'gave up: None of startup nodes is available');
    assert.equal(phase.over, true);
  });

  it('cancelRetry(): no other attempt after a loss, and no end to the one that is under way', async () => {
    const stage = new Stage();
    stage.connect();
    stage.loop.cancelRetry();
    assert.equal(stage.loop.phase.over, false);
    assert.equal(stage.loop.phase, stage.attempts[0]!.phase);
    stage.attempts[0]!.reject(nobody);
    await turn();
    stage.loop.cancelRetry();
    stage.world.forward(1000);
    assert.equal(stage.attempts.length, 1);
  });

  it('nextOutcome() resolves with the attempt under way, whatever becomes of it', async () => {
    const stage = new Stage();
    stage.connect();
    let over = false;
    void stage.loop.nextOutcome().then(() => {
      over = true;
    });
    await turn();
    assert.equal(over, false);
    stage.attempts[0]!.reject(nobody);
    await turn();
    assert.equal(over, true);
  });
});
