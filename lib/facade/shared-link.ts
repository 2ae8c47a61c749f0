// A cluster's own connection to one of its nodes, as a Redis of nodes() uses it: the cluster keeps it alive, so what it
// loses is lost, and there is nothing to connect or to close but for a moment. Subscriptions have another one.

import { AbortError, RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { type Call, CallFlag, ownCall, type Parcel } from '../connection/call.ts';
import type { Keeper, KeeperState } from '../connection/keeper.ts';
import type { Subscriptions } from '../pubsub/subscriptions.ts';
import { Deadlines } from '../router/deadlines.ts';
import { SingleRouter } from '../router/single.ts';
import type { Status } from './lifecycle.ts';
import type { NodeSubscriber } from './node-subscriber.ts';
import type { RedisOptions } from './options.ts';
import { closedText, type NodeLink } from './redis-core.ts';
import { resendsWritten } from './settings.ts';
import { refusalOnShared } from './shared-refusals.ts';

const statusOf: Record<KeeperState, Status> = {
  idle: 'wait',
  dialing: 'connecting',
  up: 'ready',
  resting: 'reconnecting',
  ended: 'end',
};

export class SharedLink implements NodeLink {
  readonly keeper: Keeper;
  readonly router: SingleRouter;
  readonly refuse: NodeLink['refuse'];
  readonly db: number;
  readonly #subscriber: NodeSubscriber;
  readonly #deadlines: Deadlines | undefined;

  constructor(keeper: Keeper, subscriber: NodeSubscriber, options: RedisOptions, world: World) {
    this.keeper = keeper;
    this.#subscriber = subscriber;
    this.db = options.db ?? 0;
    this.refuse = (call) => refusalOnShared(call, this.db) ?? refusalOfSubscribing(call);
    this.router = new SingleRouter(keeper, world, {
      resendWritten: resendsWritten(options),
      loadingDeadline: options.maxLoadingRetryTime ?? 10_000,
      hold: (parcel) => parcel.fail(parcel.lastError ?? this.#closed()),
    });
    const timeout = options.commandTimeout;
    if (timeout === undefined || timeout <= 0) return;
    this.#deadlines = new Deadlines(timeout, world, (visit) => {
      this.router.forEachParked(visit);
      keeper.forEachCall(visit);
    });
  }

  get subscriptions(): Subscriptions {
    return this.#subscriber.subscriptions;
  }

  subscribe(call: Call): void {
    this.#subscriber.send(call);
  }

  get status(): Status {
    return statusOf[this.keeper.state];
  }

  submit(parcel: Parcel): void {
    this.#deadlines?.start();
    this.router.send(parcel);
  }

  async connect(): Promise<void> {
    const { state } = this.keeper;
    if (state === 'up' || state === 'dialing') {
      throw new RedisError('Redis is already connecting/connected', { code: 'ERR_CONNECTED' });
    }
    this.keeper.open();
    const { call, answer } = ownCall(['ping']);
    if (!this.keeper.send(call)) throw this.#closed();
    await answer;
  }

  /** The cluster dials again when it likes, whatever `reconnect` says. */
  disconnect(): void {
    this.keeper.drop(this.#closed());
  }

  async quit(): Promise<'OK'> {
    const { call, answer } = ownCall(['quit']);
    if (this.keeper.state === 'up' && this.keeper.send(call)) await answer.catch(() => undefined);
    this.disconnect();
    return 'OK';
  }

  #closed(): AbortError {
    return new AbortError(closedText, { code: 'ERR_CLOSED', node: this.keeper.address });
  }
}

// As calls of their own they never come here.
function refusalOfSubscribing(call: Call): Error | undefined {
  if ((call.flags & CallFlag.subscribing) === 0) return undefined;
  const why = 'cannot be part of a pipeline on a node of a cluster: subscriptions have a connection of their own';
  return new RedisError(`${call.name} ${why}`, { code: 'ERR_INVALID_ARG' });
}
