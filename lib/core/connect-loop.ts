// When a cluster client connects, tries again and gives up. Owns the attempts and those who wait for `ready`; what one
// attempt does, and what becomes of the client, is ConnectSteps's. An attempt that was broken off changes nothing.

import { ClusterAllFailedError, lookupFailureIn, OptionError, RedisError } from '../base/errors.ts';
import { nextTick } from '../base/turns.ts';
import type { World } from '../base/world.ts';
import type { ConnectSteps } from './cluster-client.ts';
import type { Lifecycle } from './lifecycle.ts';
import { ReadyWaiters } from './ready-waiters.ts';

export class ConnectLoop {
  readonly #lifecycle: Lifecycle;
  readonly #world: World;
  readonly #steps: ConnectSteps;
  /** What each node said to the attempt that failed last. */
  reasons: readonly Error[] = [];
  #attempts = 0;
  #generation = 0;
  #retry: { cancel(): void } | undefined;
  readonly #waiters = new ReadyWaiters();

  constructor(lifecycle: Lifecycle, world: World, steps: ConnectSteps) {
    this.#lifecycle = lifecycle;
    this.#world = world;
    this.#steps = steps;
  }

  /** Counts attempts and ends: what was begun in an earlier one is out of date. */
  get generation(): number {
    return this.#generation;
  }

  /** Resolves at `ready`; rejects when this attempt fails (others follow by clusterRetryStrategy). */
  connect(): Promise<void> {
    const { status } = this.#lifecycle;
    if (status === 'connecting' || status === 'connect' || status === 'ready') {
      return Promise.reject(new RedisError('Redis is already connecting/connected', { code: 'ERR_CONNECTED' }));
    }
    this.#retry?.cancel();
    const ready = this.#waiters.next();
    this.#begin();
    return ready;
  }

  /** Ready, or the attempt under way has failed. */
  nextOutcome(): Promise<void> {
    return this.#waiters.next().catch(() => undefined);
  }

  /** After `close`: there will be no other attempt. */
  cancelRetry(): void {
    const { status } = this.#lifecycle;
    if (status !== 'close' && status !== 'reconnecting') return;
    this.#generation++;
    this.#retry?.cancel();
  }

  /** Breaks off what is under way. */
  abandon(cause: Error): void {
    this.#generation++;
    this.#retry?.cancel();
    const aborted = new RedisError('Connection is aborted', { code: 'ERR_CLOSED', cause });
    this.#waiters.take()(aborted);
  }

  /**
   * Another attempt after a while, or none, behind the listeners of `close`: one that ends the client, or connects it, has
   * decided. `shown`: the reason that the retry strategy is called with.
   */
  tryAgain(reason: Error, shown: Error = reason): void {
    const generation = this.#generation;
    nextTick(() => {
      if (generation === this.#generation) this.#tryAgain(reason, shown);
    });
  }

  #tryAgain(reason: Error, shown: Error): void {
    const generation = this.#generation;
    const delay = this.#askDelay(shown);
    // The strategy is the user's, and may have decided by itself.
    if (generation !== this.#generation) return;
    if (typeof delay !== 'number') {
      this.#generation++;
      this.#steps.gaveUp(reason);
      return;
    }
    this.#lifecycle.become('reconnecting');
    this.#retry = this.#world.after(delay, () => this.#begin(), true);
  }

  // What the user's strategy throws is for the process to see; the client is closed in good order.
  #askDelay(shown: Error): unknown {
    try {
      return this.#steps.retryDelay(++this.#attempts, shown);
    } catch (thrown) {
      nextTick(() => {
        throw thrown;
      });
      return null;
    }
  }

  #begin(): void {
    const generation = ++this.#generation;
    this.#steps.prepare();
    this.#lifecycle.become('connecting');
    this.#steps
      .attempt(() => generation !== this.#generation)
      .then(
        () => {
          if (generation !== this.#generation) return;
          this.#attempts = 0;
          this.reasons = [];
          this.#lifecycle.become('ready');
          this.#steps.succeeded();
          this.#waiters.take()();
        },
        (error: Error) => {
          if (generation === this.#generation) this.#failed(error);
        },
      );
  }

  #failed(error: Error): void {
    const generation = this.#generation;
    const { code } = error as { code?: unknown };
    const noDatabase = code === 'ERR_DATABASE';
    if (error instanceof ClusterAllFailedError || noDatabase || code === 'ERR_CREDENTIALS') {
      this.#lifecycle.reportError(error);
    }
    // A listener has ended the client, or connected it anew.
    if (generation !== this.#generation) return;
    const reasons = error instanceof ClusterAllFailedError ? error.errors : [error];
    this.reasons = reasons;
    // What is wrong with the options themselves is said as it is.
    const unavailable =
      error instanceof OptionError || noDatabase
        ? error
        : new ClusterAllFailedError('None of startup nodes is available', reasons);
    // For a name that cannot be resolved the error is the look-up's own, as with ioredis.
    const shown = lookupFailureIn(reasons) ?? unavailable;
    const settle = this.#waiters.take();
    this.#lifecycle.become('close');
    this.tryAgain(unavailable, shown);
    // Who waited learns of it when the status says what comes of it.
    nextTick(() => settle(shown));
  }
}
