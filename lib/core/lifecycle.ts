// The status of a client and its events, and the commands that wait until it is ready.
// Owns: the status and the offline queue. Does not know: when a client connects, and how it closes.
// Invariants: each status is emitted once, on the tick behind the one in which it came. What was held is sent when the
// client becomes ready, in the order in which it came, or failed.

import type { EventEmitter } from 'node:events';
import { Backlog } from '../base/backlog.ts';
import { emitSafely } from '../base/emit.ts';
import { AbortError } from '../base/errors.ts';
import { Fifo } from '../base/fifo.ts';
import { nextTick } from '../base/turns.ts';
import type { RoutableRequest } from '../connection/call.ts';

export type Status =
  | 'wait'
  | 'connecting'
  | 'connect'
  | 'ready'
  | 'monitoring'
  | 'close'
  | 'reconnecting'
  | 'disconnecting'
  | 'end';

export interface LifecycleOptions {
  /** Hold commands while not ready; false rejects them with `offlineMessage`. */
  readonly offlineQueue: boolean;
  readonly offlineMessage: string;
  /** Whether a request is sent as soon as there is a connection, ready or not, when nothing waits. Default: none is. */
  readonly early?: (request: RoutableRequest) => boolean;
  /** The client's: what is held counts there. */
  readonly backlog: Backlog;
  /** Sends a request once the client is ready. */
  readonly send: (request: RoutableRequest) => void;
  /** The first command of a lazy client. */
  readonly wake: () => void;
  /** A request has to wait until the client is ready. */
  readonly onHeld?: () => void;
  /** Prints a line, for errors that nobody listens to. */
  readonly log: (line: string) => void;
}

export class Lifecycle {
  readonly #emitter: EventEmitter;
  readonly #options: LifecycleOptions;
  readonly #held = new Fifo<RoutableRequest>();
  readonly #backlog: Backlog;
  #status: Status = 'wait';
  #paused = false;

  constructor(emitter: EventEmitter, options: LifecycleOptions) {
    this.#emitter = emitter;
    this.#options = options;
    this.#backlog = new Backlog({}, options.backlog);
  }

  get status(): Status {
    return this.#status;
  }

  /** Commands held because the client is not ready. */
  get held(): number {
    return this.#held.size;
  }

  /** Changes the status; its event fires on the next tick, with `args` and nothing else. */
  become(status: Status, ...args: readonly unknown[]): void {
    this.#status = status;
    this.#paused = false;
    nextTick(() => emitSafely(this.#emitter, status, ...args));
    if (status === 'ready') for (const request of this.#takeHeld()) if (!request.settled) this.#options.send(request);
  }

  /** Commands are held from now on as if the client were not ready, until the status changes: its connection is closing. */
  pause(): void {
    this.#paused = true;
  }

  /** Ready, and not closing: what comes may be sent. */
  get open(): boolean {
    return this.#status === 'ready' && !this.#paused;
  }

  get ended(): boolean {
    return this.#status === 'end';
  }

  get paused(): boolean {
    return this.#paused;
  }

  submit(request: RoutableRequest): void {
    if (this.open) {
      this.#options.send(request);
      return;
    }
    if ((this.#status === 'end' || this.#status === 'disconnecting') && !this.#paused) {
      request.fail(new AbortError('Connection is closed.', { code: 'ERR_CLOSED' }));
      return;
    }
    if (this.#status === 'connect' && this.#isEarly(request)) {
      this.#options.send(request);
      return;
    }
    const lazy = this.#status === 'wait';
    if (!this.#options.offlineQueue && !lazy) {
      request.fail(new AbortError(this.#options.offlineMessage, { code: 'ERR_OFFLINE' }));
      return;
    }
    const { bytes } = request;
    const full = this.#backlog.refusal(1, bytes);
    if (full !== undefined) {
      request.fail(full);
      return;
    }
    this.#held.push(request);
    this.#backlog.add(1, bytes);
    this.#options.onHeld?.();
    if (lazy) this.#options.wake();
  }

  #isEarly(request: RoutableRequest): boolean {
    return !this.#paused && this.#held.size === 0 && this.#options.early?.(request) === true;
  }

  #takeHeld(): RoutableRequest[] {
    this.#backlog.clear();
    return this.#held.drain();
  }

  /** Runs `act` once ready; `request` stands for it in the queue and is failed if that never comes. */
  whenReady(act: () => void, request: RoutableRequest): void {
    this.submit({
      slot: request.slot,
      flags: request.flags,
      moment: request.moment,
      get settled() {
        return request.settled;
      },
      bytes: request.bytes,
      attempts: 0,
      redirects: 0,
      writes: 0,
      losses: 0,
      lastError: undefined,
      sendOn: () => {
        act();
        return true;
      },
      fail: (error) => request.fail(error),
    });
  }

  forEachHeld(visit: (request: RoutableRequest) => void): void {
    this.#held.forEach(visit);
  }

  /** Lets go of what was settled while it was held (by a deadline, or a signal): it takes no room in the queue. */
  forgetSettled(): void {
    for (const request of this.#takeHeld()) {
      if (request.settled) continue;
      this.#held.push(request);
      this.#backlog.add(1, request.bytes);
    }
  }

  /** Each with an error of its own, since errors name their call. */
  failHeldNow(errorOf: (request: RoutableRequest) => Error): void {
    for (const request of this.#takeHeld()) request.fail(errorOf(request));
  }

  /** As failHeldNow(), but behind the events of this tick. */
  failHeld(errorOf: (request: RoutableRequest) => Error): void {
    const held = this.#takeHeld();
    if (held.length === 0) return;
    nextTick(() => {
      for (const request of held) request.fail(errorOf(request));
    });
  }

  /** `error` events never crash a process that has no listener for them: they are printed, as ioredis does. */
  reportError(error: Error): void {
    if (this.#emitter.listenerCount('error') > 0) {
      emitSafely(this.#emitter, 'error', error);
      return;
    }
    // What a client that is being closed meets on its way is no news. The stack alone: an error's other properties
    // (the command and its arguments) may hold what is secret.
    if (this.#status === 'disconnecting' || this.#status === 'end') return;
    this.#options.log(`[lingcache] Unhandled error event: ${error.stack ?? String(error)}`);
  }
}
