// A cluster's own connection to one of its nodes, as a Redis of nodes() uses it: the cluster keeps it alive, so what it
// loses is lost, and there is nothing to connect or to close but for a moment. Subscriptions have another one.

import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { emitSafely } from '../base/emit.ts';
import { AbortError, RedisError } from '../base/errors.ts';
import { nextTick } from '../base/turns.ts';
import type { World } from '../base/world.ts';
import { Call, CallFlag, ownCall, type RoutableRequest } from '../connection/call.ts';
import type { ReconnectingConnection, ReconnectingState } from '../connection/reconnecting-connection.ts';
import { maxResendsOf, resendsWritten } from '../options/derive.ts';
import type { RedisOptions } from '../options/options.ts';
import type { NodeSubscriber } from '../pubsub/node-subscriber.ts';
import { CommandTimeout } from '../router/command-timeout.ts';
import { failAsTimedOut, type VisitRequests } from '../router/deadlines.ts';
import { SingleRouter } from '../router/single.ts';
import { limitBlocking } from './blocking-timeout.ts';
import type { NodeBackend } from './client-backend.ts';
import { defaultQuitTimeout, outlasts, quitTimeoutError } from './drain.ts';
import type { Status } from './lifecycle.ts';
import { closedText, gaveUpOf } from './redis-errors.ts';
import { refusalOnShared } from './refusals.ts';
import { limitsBlocking, secondOf, Unblocker } from './unblock.ts';

const statusOf: Record<ReconnectingState, Status> = {
  idle: 'wait',
  dialing: 'connecting',
  up: 'ready',
  backoff: 'reconnecting',
  ended: 'end',
};

/** What a Redis of nodes() needs of its cluster, beside the connection. */
export interface NodeHooks {
  readonly subscriber: NodeSubscriber;
  /** The node is about to be used by itself while it is a replica: it shall answer reads. */
  readonly letRead: () => void;
}

export class NodeCore implements NodeBackend {
  readonly connection: ReconnectingConnection;
  readonly #client: EventEmitter;
  /** Lost, as ioredis sees it: what comes after belongs to another Redis. */
  #over = false;
  /** Its user has closed it: what comes before the next connect() is refused, as with a Redis of one's own. */
  #closedByUser = false;
  readonly dispatcher: SingleRouter;
  readonly oneNode = true;
  readonly subscribed = false;
  readonly database: number;
  readonly #subscriber: NodeSubscriber;
  readonly #timeout: CommandTimeout;
  readonly #world: World;
  readonly #unblocker: Unblocker;
  readonly #options: RedisOptions;
  readonly #retryStrategy: RedisOptions['retryStrategy'];
  /** Milliseconds. */
  readonly #quitTimeout: number;
  readonly #letRead: () => void;

  constructor(
    client: EventEmitter,
    connection: ReconnectingConnection,
    hooks: NodeHooks,
    options: RedisOptions,
    world: World,
  ) {
    this.connection = connection;
    this.#subscriber = hooks.subscriber;
    this.#letRead = hooks.letRead;
    this.database = options.db ?? 0;
    this.#client = client;
    this.#world = world;
    this.#retryStrategy = options.retryStrategy;
    this.#unblocker = new Unblocker(
      () => connection,
      secondOf(() => connection, options, world),
      world,
    );
    this.#options = options;
    this.#quitTimeout = options.quitTimeout ?? defaultQuitTimeout;
    this.dispatcher = new SingleRouter(connection, world, {
      resendWritten: resendsWritten(options),
      maxResends: maxResendsOf(options),
      gaveUp: gaveUpOf(options),
      loadingDeadline: options.maxLoadingRetryTime ?? 10_000,
      hold: (request) => request.fail(request.lastError ?? this.#closed()),
      backlog: connection.backlog,
    });
    const visitAll: VisitRequests = (visit) => {
      this.forEachHeld(visit);
      this.forEachSent(visit);
    };
    this.#timeout = new CommandTimeout(options, world, visitAll, {
      expire: (request) => {
        failAsTimedOut(request);
        if ((request.flags & CallFlag.blocking) !== 0) this.release(request as Call);
      },
    });
  }

  get friendlyErrors(): boolean {
    return this.#options.showFriendlyErrorStack ?? false;
  }

  forEachSent(visit: (call: Call) => void): void {
    this.connection.forEachCall(visit);
  }

  forEachHeld(visit: (request: RoutableRequest) => void): void {
    this.dispatcher.forEachRetry(visit);
  }

  refusalOf(call: Call): Error | undefined {
    return refusalOnShared(call, this.database) ?? refusalOfSubscribing(call);
  }

  addressOf(_call: Call): string {
    return this.connection.address;
  }

  // What a transaction changes on the connection (SELECT) is refused before.
  watch(_call: Call, _exec: Call): void {}

  get socket(): Socket | undefined {
    return this.connection.peer.socket;
  }

  get status(): Status {
    return this.#over ? 'end' : statusOf[this.connection.state];
  }

  /** The connection's state as the events of a Redis, each on the next tick as with one of its own. */
  onState(state: ReconnectingState, reason: Error | undefined): void {
    if (this.#over) return;
    if (state === 'dialing') this.#emit('connecting');
    else if (state === 'up') this.#emit('connect', 'ready');
    else if (state === 'backoff') {
      if (reason !== undefined && this.#client.listenerCount('error') > 0) emitSafely(this.#client, 'error', reason);
      this.#emit('close');
      if (typeof this.#retryStrategy === 'function') this.#emit('reconnecting');
    } else if (state === 'ended') this.#emit('close');
  }

  // Behind what the call that made the node leave is answered with.
  onEnd(announce: () => void): void {
    if (!this.#over && this.connection.state === 'idle') this.#emit('close');
    nextTick(announce);
    if (!this.#over) this.#emit('end');
    this.#over = true;
  }

  #emit(...events: readonly string[]): void {
    nextTick(() => {
      for (const event of events) emitSafely(this.#client, event);
    });
  }

  mayRelease(call: Call): void {
    this.#unblocker.note(call);
  }

  release(call: Call): void {
    this.#unblocker.release(call);
  }

  submit(request: RoutableRequest): void {
    request.moment = this.dispatcher.moment;
    if (this.#closedByUser) {
      request.fail(this.#closed());
      return;
    }
    if (request instanceof Call && this.#handles(request)) return;
    if (this.#options.readOnly) this.#letRead();
    this.#timeout.start(request.moment.at);
    this.dispatcher.send(request);
  }

  // True: the call is not for the connection that everybody shares.
  #handles(call: Call): boolean {
    if ((call.flags & CallFlag.subscribing) !== 0 && call.group === null) {
      this.#subscriber.send(call);
      return true;
    }
    const refusal = call.slot < 0 ? this.refusalOf(call) : undefined;
    if (refusal !== undefined) {
      call.fail(refusal);
      return true;
    }
    if ((call.flags & CallFlag.blocking) !== 0) {
      limitBlocking(call, this.#options, this.#world, this.status === 'ready', (late) => this.release(late));
      if (limitsBlocking(this.#options)) this.mayRelease(call);
    }
    return false;
  }

  async connect(): Promise<void> {
    const { state } = this.connection;
    if (!this.#closedByUser && (state === 'up' || state === 'dialing')) {
      throw new RedisError('Redis is already connecting/connected', { code: 'ERR_CONNECTED' });
    }
    this.connection.open();
    const { call, answer } = ownCall(['ping']);
    if (!this.connection.send(call)) throw this.#closed();
    await answer;
    this.#closedByUser = false;
    this.#over = false;
  }

  /** The cluster dials again when it likes, whatever `reconnect` says. */
  disconnect(): void {
    this.#closedByUser = true;
    void this.connection.leave(this.#closed(), true);
  }

  async quit(): Promise<'OK'> {
    const { call, answer } = ownCall(['quit']);
    if (this.connection.state !== 'up' || !this.connection.send(call)) return 'OK';
    if (await outlasts(answer, this.#quitTimeout, this.#world)) {
      // What others sent on the cluster's connection goes round again; their limits are the cluster's.
      const awaited = `${this.connection.address} (${this.connection.load} unanswered)`;
      this.connection.drop(quitTimeoutError(this.#quitTimeout, awaited, this.connection.address));
    }
    this.#closedByUser = true;
    return 'OK';
  }

  depart(): void {
    this.disconnect();
  }

  #closed(): AbortError {
    return new AbortError(closedText, { code: 'ERR_CLOSED', node: this.connection.address });
  }
}

// As calls of their own they never come here.
function refusalOfSubscribing(call: Call): Error | undefined {
  if ((call.flags & CallFlag.subscribing) === 0) return undefined;
  const why = 'cannot be part of a pipeline on a node of a cluster: subscriptions have a connection of their own';
  return new RedisError(`${call.name} ${why}`, { code: 'ERR_INVALID_ARG' });
}
