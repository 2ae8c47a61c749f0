// How a cluster client leaves: by disconnect(), by quit(), or because it has given up.
// Owns: what is waited for before the end, and the order in which the parts are closed. Does not know: how a connection
// closes (connection/departure), nor when the client connects again (connect-loop).
// Invariants: after `end` nothing waits, no socket is open and no timer runs. `close` comes once before it, however often
// the client is closed on its way.

import { AbortError } from '../base/errors.ts';
import type { ReadMonitor } from '../router/read-monitor.ts';
import { lossOf } from '../router/verdict.ts';
import type { SharedCore } from './cluster-client.ts';
import type { ConnectLoop } from './connect-loop.ts';
import { awaitedBy, defaultQuitTimeout, drain, outlasts, quitTimeoutError, sendQuit } from './drain.ts';

/** A part with a timer of its own. */
export interface Timed {
  stop(): void;
}

export class Shutdown {
  readonly #core: SharedCore;
  readonly #loop: ConnectLoop;
  readonly #readMonitor: ReadMonitor | undefined;
  readonly #timed: readonly Timed[];
  /** The status before `disconnecting` was `close`: its event has been emitted. */
  #closeEmitted = false;

  /** `readMonitor` stops as soon as the client begins to close, `timed` with its end. */
  constructor(core: SharedCore, loop: ConnectLoop, readMonitor: ReadMonitor | undefined, timed: readonly Timed[]) {
    this.#core = core;
    this.#loop = loop;
    this.#readMonitor = readMonitor;
    this.#timed = timed;
  }

  /** Closes every socket: what was written is still answered, what waits is rejected. */
  disconnect(reconnect: boolean): void {
    this.#core.subscriber.stop(reconnect);
    this.#close(closedByUser(), reconnect);
  }

  /**
   * Everything submitted before is answered first; then closes. What has no answer after `quitTimeout` is rejected with
   * an error that says what was waited for.
   */
  async quit(): Promise<'OK'> {
    const { lifecycle, options, pool, router, world } = this.#core;
    if (lifecycle.ended) return 'OK';
    const limit = options.quitTimeout ?? options.redisOptions?.quitTimeout ?? defaultQuitTimeout;
    let late = false;
    let refusal: Error | undefined;
    const parting = this.#part(() => late || lifecycle.ended).then((refused) => {
      refusal = refused;
    });
    late = await outlasts(parting, limit, world);
    if (late) this.#closeAtOnce(quitTimeoutError(limit, awaitedBy(pool, router.retrying, lifecycle.held)));
    else this.#close(closedByUser(), false);
    if (refusal !== undefined) throw refusal;
    return 'OK';
  }

  /** The end: at once, and for good unless the user connects again. */
  end(reason: Error): void {
    const { lifecycle, pool, router, subscriber } = this.#core;
    this.#readMonitor?.stop();
    for (const part of this.#timed) part.stop();
    router.close(reason);
    pool.closeAll(reason);
    lifecycle.become('end');
    lifecycle.failHeld((request) => lossOf(request, reason));
    subscriber.stop(false);
  }

  /** Resolves with what a node answered to QUIT that was no OK. */
  async #part(over: () => boolean): Promise<Error | undefined> {
    const { lifecycle, pool, router, subscriber, world } = this.#core;
    if (lifecycle.held > 0 && lifecycle.status !== 'wait') await this.#loop.nextOutcome();
    if (over()) return undefined;
    // Nothing waits for the cluster to be found again.
    if (router.retrying === 0) this.#loop.cancelRetry();
    this.#disconnecting();
    await drain(pool, () => router.retrying, world, over);
    if (over()) return undefined;
    await subscriber.settled();
    return sendQuit(pool);
  }

  // What is owed has been waited for long enough.
  #closeAtOnce(reason: Error): void {
    if (!this.#beginToClose(reason)) return;
    this.#core.router.close(reason);
    this.#closed(reason, false);
  }

  #close(reason: Error, reconnect: boolean): void {
    if (!this.#beginToClose(reason)) return;
    const { lifecycle, pool, router } = this.#core;
    if (reconnect) lifecycle.pause();
    else router.close(reason);
    const leaving = pool.leaveAll(reason);
    if (leaving.length === 0) {
      this.#closed(reason, reconnect);
      return;
    }
    const { phase } = this.#loop;
    void Promise.all(leaving).then(() => {
      // Unless connect() was called again meanwhile.
      if (!phase.over) this.#closed(reason, reconnect);
    });
  }

  #beginToClose(reason: Error): boolean {
    if (this.#core.lifecycle.ended) return false;
    this.#disconnecting();
    this.#loop.abandon(reason);
    this.#readMonitor?.stop();
    return true;
  }

  #disconnecting(): void {
    const { lifecycle } = this.#core;
    if (lifecycle.status === 'disconnecting') return;
    this.#closeEmitted = lifecycle.status === 'close';
    lifecycle.become('disconnecting');
  }

  #closed(reason: Error, reconnect: boolean): void {
    if (!this.#closeEmitted) this.#core.lifecycle.become('close');
    if (reconnect) this.#loop.tryAgain(reason);
    else this.end(reason);
  }
}

function closedByUser(): AbortError {
  return new AbortError('Connection is closed.', { code: 'ERR_CLOSED' });
}
