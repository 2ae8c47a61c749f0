// A cluster's own connection to one of its nodes, as a Redis of nodes() uses it: the cluster keeps it alive, so what it
// loses is lost, and there is nothing to connect or to close but for a moment.

import { AbortError, RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { ownCall, type Parcel } from '../connection/call.ts';
import type { Keeper, KeeperState } from '../connection/keeper.ts';
import { Subscriptions } from '../pubsub/subscriptions.ts';
import { CommandTimeout } from '../router/command-timeout.ts';
import { SingleRouter } from '../router/single.ts';
import type { Status } from './lifecycle.ts';
import type { RedisOptions } from './options.ts';
import { closedText, type NodeLink } from './redis-core.ts';
import { resendsWritten } from './settings.ts';

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
  readonly subscriptions: Subscriptions;
  readonly #timeout: CommandTimeout;

  constructor(
    client: ConstructorParameters<typeof Subscriptions>[0],
    keeper: Keeper,
    options: RedisOptions,
    world: World,
  ) {
    this.keeper = keeper;
    this.router = new SingleRouter(keeper, world, {
      resendWritten: resendsWritten(options),
      loadingDeadline: options.maxLoadingRetryTime ?? 10_000,
      hold: (parcel) => parcel.fail(parcel.lastError ?? this.#closed()),
    });
    this.subscriptions = new Subscriptions(client);
    this.#timeout = new CommandTimeout(options, world, (visit) => {
      this.router.forEachParked(visit);
      keeper.forEachCall(visit);
    });
  }

  get status(): Status {
    return statusOf[this.keeper.state];
  }

  submit(parcel: Parcel): void {
    this.#timeout.start(parcel.moment.at);
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
    void this.keeper.leave(this.#closed(), true);
  }

  async quit(): Promise<'OK'> {
    const { call, answer } = ownCall(['quit']);
    if (this.keeper.state === 'up' && this.keeper.send(call)) await answer.catch(() => undefined);
    return 'OK';
  }

  depart(): void {
    this.disconnect();
  }

  #closed(): AbortError {
    return new AbortError(closedText, { code: 'ERR_CLOSED', node: this.keeper.address });
  }
}
