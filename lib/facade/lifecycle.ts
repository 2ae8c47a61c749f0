// Where a client stands, told by status and events, and the commands that wait until it is ready.
// One owner for status, offline queue and the promises that wait for ready.

import type { EventEmitter } from 'node:events';
import { AbortError, QueueFullError } from '../base/errors.ts';
import { Fifo } from '../base/fifo.ts';
import type { Parcel } from '../connection/call.ts';

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
  readonly maxQueueLength: number;
  /** Most bytes of commands held. */
  readonly maxQueueBytes: number;
  /** Sends a parcel once the client is ready. */
  readonly send: (parcel: Parcel) => void;
  /** The first command of a lazy client. */
  readonly wake: () => void;
  /** A parcel has to wait until the client is ready. */
  readonly onHeld?: () => void;
  /** Prints a line, for errors that nobody listens to. */
  readonly log: (line: string) => void;
}

export class Lifecycle {
  readonly #emitter: EventEmitter;
  readonly #options: LifecycleOptions;
  readonly #held = new Fifo<Parcel>();
  #heldBytes = 0;
  #status: Status = 'wait';

  constructor(emitter: EventEmitter, options: LifecycleOptions) {
    this.#emitter = emitter;
    this.#options = options;
  }

  get status(): Status {
    return this.#status;
  }

  /** Commands held because the client is not ready. */
  get held(): number {
    return this.#held.size;
  }

  /** Changes the status; its event fires on the next tick, with `told` and nothing else. */
  become(status: Status, ...told: readonly unknown[]): void {
    this.#status = status;
    process.nextTick(() => this.#emitter.emit(status, ...told));
    if (status === 'ready') for (const parcel of this.#takeHeld()) if (!parcel.settled) this.#options.send(parcel);
  }

  submit(parcel: Parcel): void {
    if (this.#status === 'ready') {
      this.#options.send(parcel);
      return;
    }
    if (this.#status === 'end' || this.#status === 'disconnecting') {
      parcel.fail(new AbortError('Connection is closed.', { code: 'ERR_CLOSED' }));
      return;
    }
    const lazy = this.#status === 'wait';
    if (!this.#options.offlineQueue && !lazy) {
      parcel.fail(new AbortError(this.#options.offlineMessage, { code: 'ERR_OFFLINE' }));
      return;
    }
    const full = this.#full(parcel);
    if (full !== undefined) {
      parcel.fail(new QueueFullError(`Command queue is full: ${full} wait for the client to be ready.`));
      return;
    }
    this.#held.push(parcel);
    this.#heldBytes += parcel.bytes;
    this.#options.onHeld?.();
    if (lazy) this.#options.wake();
  }

  #full(parcel: Parcel): string | undefined {
    const { maxQueueLength, maxQueueBytes } = this.#options;
    if (this.#held.size >= maxQueueLength) return `${maxQueueLength} calls (maxQueueLength)`;
    if (this.#heldBytes + parcel.bytes > maxQueueBytes) return `${this.#heldBytes} bytes (maxQueueBytes)`;
    return undefined;
  }

  #takeHeld(): Parcel[] {
    this.#heldBytes = 0;
    return this.#held.drain();
  }

  /** Runs `act` once ready; `parcel` stands for it in the queue and is failed if that never comes. */
  whenReady(act: () => void, parcel: Parcel): void {
    this.submit({
      slot: parcel.slot,
      flags: parcel.flags,
      moment: parcel.moment,
      get settled() {
        return parcel.settled;
      },
      bytes: parcel.bytes,
      attempts: 0,
      redirects: 0,
      lastError: undefined,
      sendOn: () => {
        act();
        return true;
      },
      fail: (error) => parcel.fail(error),
    });
  }

  forEachHeld(visit: (parcel: Parcel) => void): void {
    this.#held.forEach(visit);
  }

  /** Lets go of what was settled while it was held (by a deadline, or a signal): it takes no room in the queue. */
  forgetSettled(): void {
    for (const parcel of this.#takeHeld()) {
      if (parcel.settled) continue;
      this.#held.push(parcel);
      this.#heldBytes += parcel.bytes;
    }
  }

  /** Each with an error of its own, since errors name their call. */
  failHeld(errorOf: (parcel: Parcel) => Error): void {
    for (const parcel of this.#takeHeld()) parcel.fail(errorOf(parcel));
  }

  /** `error` events never crash a process that has no listener for them: they are printed, as ioredis does. */
  reportError(error: Error): void {
    if (this.#emitter.listenerCount('error') > 0) {
      this.#emitter.emit('error', error);
      return;
    }
    // What a client that is being closed meets on its way is no news. The stack alone: an error's other properties
    // (the command and its arguments) may hold what is secret.
    if (this.#status === 'disconnecting' || this.#status === 'end') return;
    const { hint } = error as { hint?: unknown };
    const reasons = typeof hint === 'string' && hint !== '' ? `\n    ${hint}` : '';
    this.#options.log(`[lingcache] Unhandled error event: ${error.stack ?? String(error)}${reasons}`);
  }
}
