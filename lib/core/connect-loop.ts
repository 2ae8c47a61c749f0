// When a cluster client connects, tries again and gives up.
// Owns: the attempts, the phase they are in, and those who wait for `ready`. Does not know: what one attempt does, and
// what becomes of the client: both are ConnectSteps's.
// Invariant: what was begun in a phase that is over changes nothing any more. Users' code (listeners, retry strategies)
// runs in between and may have ended the client, or connected it anew.

import { ClusterAllFailedError, lookupFailureIn, OptionError, RedisError } from '../base/errors.ts';
import { nextTick } from '../base/turns.ts';
import type { World } from '../base/world.ts';
import type { Lifecycle } from './lifecycle.ts';
import { ReadyWaiters } from './ready-waiters.ts';

/** From one decision of the loop to the next: an attempt begins, what is under way is broken off, the loop gives up. */
export interface Phase {
  /** Another decision has been made since: what was begun in this phase is out of date. */
  readonly over: boolean;
}

/** One attempt to connect, and what surrounds it. */
export interface ConnectSteps {
  /** Milliseconds before attempt `times`; not a number: give up. */
  retryDelay(times: number, reason: Error): unknown;
  /** Before each attempt. */
  prepare(): void;
  /** One attempt; after each step it looks whether its phase is over. */
  attempt(phase: Phase): Promise<void>;
  /** An attempt has succeeded: `ready` already, no waiter resolved yet. */
  succeeded(): void;
  gaveUp(reason: Error): void;
}

export class ConnectLoop {
  readonly #lifecycle: Lifecycle;
  readonly #world: World;
  readonly #steps: ConnectSteps;
  /** What each node said to the attempt that failed last. */
  reasons: readonly Error[] = [];
  #attempts = 0;
  #phase: { over: boolean } = { over: false };
  #retry: { cancel(): void } | undefined;
  readonly #waiters = new ReadyWaiters();

  constructor(lifecycle: Lifecycle, world: World, steps: ConnectSteps) {
    this.#lifecycle = lifecycle;
    this.#world = world;
    this.#steps = steps;
  }

  /** The phase of now: kept by whoever begins something, and asked when it goes on. */
  get phase(): Phase {
    return this.#phase;
  }

  #enter(): Phase {
    this.#phase.over = true;
    this.#phase = { over: false };
    return this.#phase;
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
    this.#enter();
    this.#retry?.cancel();
  }

  /** Breaks off what is under way. */
  abandon(cause: Error): void {
    this.#enter();
    this.#retry?.cancel();
    const aborted = new RedisError('Connection is aborted', { code: 'ERR_CLOSED', cause });
    this.#waiters.take()(aborted);
  }

  /**
   * Another attempt after a while, or none, behind the listeners of `close`: one that ends the client, or connects it, has
   * decided. `shown`: the reason that the retry strategy is called with.
   */
  tryAgain(reason: Error, shown: Error = reason): void {
    const phase = this.#phase;
    nextTick(() => {
      if (!phase.over) this.#tryAgain(reason, shown);
    });
  }

  #tryAgain(reason: Error, shown: Error): void {
    const phase = this.#phase;
    const delay = this.#askDelay(shown);
    // The strategy is the user's, and may have decided by itself.
    if (phase.over) return;
    if (typeof delay !== 'number') {
      this.#enter();
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
    const phase = this.#enter();
    this.#steps.prepare();
    this.#lifecycle.become('connecting');
    this.#steps.attempt(phase).then(
      () => {
        if (!phase.over) this.#succeeded();
      },
      (error: Error) => {
        if (!phase.over) this.#failed(error);
      },
    );
  }

  #succeeded(): void {
    this.#attempts = 0;
    this.reasons = [];
    this.#lifecycle.become('ready');
    this.#steps.succeeded();
    this.#waiters.take()();
  }

  #failed(error: Error): void {
    const phase = this.#phase;
    const { code } = error as { code?: unknown };
    const noDatabase = code === 'ERR_DATABASE';
    if (error instanceof ClusterAllFailedError || noDatabase || code === 'ERR_CREDENTIALS') {
      this.#lifecycle.reportError(error);
    }
    // A listener has ended the client, or connected it anew.
    if (phase.over) return;
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
