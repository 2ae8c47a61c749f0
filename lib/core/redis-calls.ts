// What becomes of a call of a client of one server before it is sent: refused, limited, noted for what it does to the
// connection, held until the client is ready, or sent.
// Owns: what commands have set on the connection (database, MULTI), the deadlines of calls, the fieldsets that they may
// need again. Does not know: when the client connects, quits and gives up; that is redis-core.
// Invariant: every request given to submit() settles here, is held by the lifecycle, or is the dispatcher's.

import type { Socket } from 'node:net';
import { emitSafely } from '../base/emit.ts';
import { RedisError } from '../base/errors.ts';
import { nextTick } from '../base/turns.ts';
import { isInGroup } from '../command/groups.ts';
import { Call, CallFlag, type RoutableRequest } from '../connection/call.ts';
import { maxResendsOf, resendsWritten } from '../options/derive.ts';
import type { RedisOptions } from '../options/options.ts';
import { CommandTimeout } from '../router/command-timeout.ts';
import { failAsTimedOut } from '../router/deadlines.ts';
import { SingleRouter } from '../router/single.ts';
import { lossOf } from '../router/verdict.ts';
import { limitBlocking } from './blocking-timeout.ts';
import type { NodeBackend } from './client-backend.ts';
import { Fieldsets } from './fieldsets.ts';
import type { Lifecycle, Status } from './lifecycle.ts';
import type { SharedRedisCore } from './redis-client.ts';
import { gaveUpOf } from './redis-errors.ts';
import { SessionState } from './session-state.ts';
import { limitsBlocking, secondOf, Unblocker } from './unblock.ts';

export class RedisCalls implements NodeBackend {
  readonly dispatcher: SingleRouter;
  readonly oneNode = true;
  readonly session: SessionState;
  readonly fieldsets: Fieldsets | undefined;
  readonly #core: SharedRedisCore;
  readonly #options: RedisOptions;
  readonly #lifecycle: Lifecycle;
  /** Of calls that are to be sent again. */
  readonly #databases = new WeakMap<RoutableRequest, number>();
  readonly #timeout: CommandTimeout;
  readonly #unblocker: Unblocker;

  constructor(core: SharedRedisCore) {
    const { client, options, world, lifecycle } = core;
    this.#core = core;
    this.#options = options;
    this.#lifecycle = lifecycle;
    this.#unblocker = new Unblocker(
      () => core.connection,
      secondOf(() => core.connection, options, world),
      world,
    );
    this.dispatcher = this.#makeDispatcher();
    this.session = new SessionState(
      options.db ?? 0,
      () => core.connectionNumber,
      (db) => emitSafely(client, 'select', db),
    );
    this.#timeout = new CommandTimeout(options, world, (visit) => this.#visitAll(visit), {
      expire: (request) => {
        failAsTimedOut(request);
        if ((request.flags & CallFlag.blocking) !== 0) this.release(request as Call);
      },
      swept: () => lifecycle.forgetSettled(),
    });
    if (options.himportFieldsets?.length) this.fieldsets = new Fieldsets(options.himportFieldsets);
  }

  get socket(): Socket | undefined {
    return this.#core.connection.peer.socket;
  }

  get status(): Status {
    return this.#lifecycle.status;
  }

  get database(): number {
    return this.session.db;
  }

  get friendlyErrors(): boolean {
    return this.#options.showFriendlyErrorStack ?? false;
  }

  get subscribed(): boolean {
    return this.#core.connection.protocol === 2 && this.#core.subscriptions.size > 0;
  }

  connect(): Promise<void> {
    return this.#core.connect();
  }

  disconnect(reconnect: boolean): void {
    this.#core.disconnect(reconnect);
  }

  quit(): Promise<'OK'> {
    return this.#core.quit();
  }

  depart(): void {
    this.#core.depart();
  }

  submit(request: RoutableRequest): void {
    request.moment = this.dispatcher.moment;
    if (!(request instanceof Call) || (this.#prepare(request) && this.#admits(request))) this.#pass(request);
  }

  /** As submit(), for a call of the client's own: it is admitted in every mode of the connection. */
  submitOwn(call: Call): void {
    if (this.#admits(call)) this.#pass(call);
  }

  /** Once it may be sent. */
  send(request: RoutableRequest): void {
    if ((request.flags & CallFlag.blocking) !== 0 && limitsBlocking(this.#options))
      this.#unblocker.note(request as Call);
    this.dispatcher.send(request);
  }

  refusalOf(_call: Call): undefined {
    return undefined;
  }

  addressOf(_call: Call): string {
    return this.#core.connection.address;
  }

  watch(call: Call, exec: Call): void {
    this.session.watch(call, exec);
  }

  mayRelease(call: Call): void {
    this.#unblocker.note(call);
  }

  release(call: Call): void {
    this.#unblocker.release(call);
  }

  // False: it has been refused.
  #prepare(call: Call): boolean {
    const core = this.#core;
    if ((call.flags & CallFlag.subscribing) !== 0) core.subscriptions.prepare(call);
    const refusal = this.#refusalOfMode(call);
    if (refusal !== undefined) {
      call.fail(refusal);
      return false;
    }
    if ((call.flags & CallFlag.blocking) !== 0) {
      const ready = this.status === 'ready';
      limitBlocking(call, this.#options, core.world, ready, (late) => this.release(late));
    }
    this.fieldsets?.attach(call, () => [core.connection]);
    return true;
  }

  // Why the connection takes no such call just now: it is a monitor, or a RESP2 one that receives messages only.
  #refusalOfMode(call: Call): RedisError | undefined {
    if (this.#options.monitor) {
      return new RedisError("Connection is in monitoring mode, can't process commands.", { code: 'ERR_MONITOR_MODE' });
    }
    if (!this.subscribed || isInGroup('VALID_IN_SUBSCRIBER_MODE', call.name)) return undefined;
    const why = 'Connection in subscriber mode, only subscriber commands may be used';
    return new RedisError(why, { code: 'ERR_SUBSCRIBER_MODE' });
  }

  // What commands do to the connection is noted in the order in which they are issued, whenever they are sent.
  #admits(call: Call): boolean {
    const admitted = this.session.admit(call);
    if (admitted === undefined) return true;
    if (admitted === 'quit') {
      this.#timeout.start(call.moment.at);
      this.#core.submitQuit(call);
    } else call.fail(admitted);
    return false;
  }

  #pass(request: RoutableRequest): void {
    this.#timeout.start(request.moment.at);
    const plain = (request.flags & CallFlag.blocking) === 0;
    if (plain && this.#lifecycle.open) this.dispatcher.send(request);
    else this.#lifecycle.submit(request);
  }

  #makeDispatcher(): SingleRouter {
    const core = this.#core;
    const options = this.#options;
    return new SingleRouter(core.connection, core.world, {
      get resendWritten() {
        return resendsWritten(options);
      },
      get maxResends() {
        return maxResendsOf(options);
      },
      gaveUp: (request, reason) => gaveUpOf(options)(request, reason),
      loadingDeadline: options.maxLoadingRetryTime ?? 10_000,
      follow: options.followRedirects ? (primary) => core.moveTo(primary) : undefined,
      again: (request) => this.#databases.set(request, this.session.db),
      hold: (request) => this.#hold(request),
      backlog: core.backlog,
    });
  }

  // What could not be sent: waits for the next connection, or fails where nothing will come.
  #hold(request: RoutableRequest): void {
    const { quitLate } = this.#core;
    const refusal = quitLate === undefined ? this.session.refusal(request) : lossOf(request, quitLate);
    if (refusal !== undefined) request.fail(refusal);
    // Behind the events of the end.
    else if (this.status === 'end') nextTick(() => this.#lifecycle.submit(request));
    else {
      this.#returnTo(request);
      this.#lifecycle.submit(request);
    }
  }

  // A command that is sent again runs in the database it was issued for, also when its handler has selected another. The
  // connection stays there, as with ioredis.
  #returnTo(request: RoutableRequest): void {
    const db = this.#databases.get(request);
    if (db === undefined) return;
    this.#databases.delete(request);
    if (db === this.session.intended) return;
    // As a user's own: held and sent again like what comes behind it.
    const call = new Call(['select', String(db)], -1, 0, 'utf8', undefined, this.dispatcher);
    call.moment = request.moment;
    call.reject = (error) => this.#lifecycle.reportError(error);
    this.submitOwn(call);
  }

  forEachSent(visit: (call: Call) => void): void {
    this.#core.connection.forEachCall(visit);
  }

  forEachHeld(visit: (request: RoutableRequest) => void): void {
    this.#lifecycle.forEachHeld(visit);
    this.dispatcher.forEachRetry(visit);
  }

  #visitAll(visit: (request: RoutableRequest) => void): void {
    this.forEachHeld(visit);
    this.forEachSent(visit);
  }
}
