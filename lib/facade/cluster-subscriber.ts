// The cluster's classic subscriptions, on one connection of their own to one node, so that regular commands never
// share a socket with messages. Every node of a cluster delivers every classic message, so any will do; when the
// node goes, another is taken and subscribed to what is wanted.

import type { EventEmitter } from 'node:events';
import { AbortError, RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { Call, CallSink } from '../connection/call.ts';
import type { Keeper } from '../connection/keeper.ts';
import { Subscriptions } from '../pubsub/subscriptions.ts';
import type { NodePool } from '../router/node-pool.ts';

export class ClusterSubscriber implements CallSink {
  readonly #emitter: EventEmitter;
  readonly #pool: NodePool;
  readonly #world: World;
  readonly #subscriptions: Subscriptions;
  #keeper: Keeper | undefined;
  #waiting: Call[] = [];
  #stopped = false;

  constructor(emitter: EventEmitter, pool: NodePool, world: World) {
    this.#world = world;
    this.#emitter = emitter;
    this.#pool = pool;
    this.#subscriptions = new Subscriptions(emitter);
  }

  send(call: Call): void {
    const name = call.name.toLowerCase();
    if (name === 'ssubscribe' || name === 'sunsubscribe') {
      call.fail(
        new RedisError('Sharded pub/sub on a cluster is not supported yet; use it on one of nodes()', {
          code: 'ERR_UNSUPPORTED',
        }),
      );
      return;
    }
    this.#subscriptions.prepare(call);
    call.sink = this;
    this.#place(call);
  }

  onReply(call: Call, reply: unknown): void {
    if (reply instanceof Error) call.fail(reply);
    else call.settle(reply);
  }

  onLost(call: Call, reason: Error): void {
    if (this.#stopped) call.fail(reason);
    else this.#place(call);
  }

  /** New nodes may be there to subscribe on, or the one in use may have left. */
  mapChanged(): void {
    if (this.#keeper !== undefined && this.#pool.get(this.#keeper.address) === undefined) this.#leave();
    if (this.#keeper === undefined && (this.#waiting.length > 0 || this.#subscriptions.size > 0)) this.#choose();
    for (const call of this.#waiting.splice(0)) this.#place(call);
  }

  /** The cluster is ready: subscribe to whatever is wanted. */
  start(): void {
    this.#stopped = false;
    this.mapChanged();
  }

  /** Leaves the connection. What is wanted stays wanted, for start(). */
  stop(reconnecting: boolean): void {
    this.#stopped = true;
    const reason = new AbortError('Connection is closed.', { code: 'ERR_CLOSED' });
    this.#leave(reason);
    if (reconnecting) return;
    for (const call of this.#waiting.splice(0)) call.fail(reason);
  }

  #place(call: Call): void {
    if (this.#keeper === undefined) this.#choose();
    if (this.#keeper === undefined || !this.#keeper.send(call)) this.#waiting.push(call);
  }

  #choose(): void {
    if (this.#stopped) return;
    const nodes = [...this.#pool.all()].filter((node) => node.inMap);
    const up = nodes.filter((node) => node.keeper.state === 'up');
    const candidates = up.length > 0 ? up : nodes;
    if (candidates.length === 0) return;
    const node = candidates[Math.floor(this.#world.random() * candidates.length)]!;
    this.#keeper = this.#pool.keeper(node.key, false, {
      onState: (keeper, state) => {
        if (state === 'up') this.#onUp(keeper);
        if ((state === 'resting' || state === 'ended') && keeper === this.#keeper) this.#onLeft();
      },
      onPush: (_keeper, push) => this.#subscriptions.receive(push),
    });
    this.#keeper.open();
  }

  #onUp(keeper: Keeper): void {
    this.#subscriptions.restore((call) => keeper.send(call));
    this.#emitter.emit('+subscriber');
    queueMicrotask(() => {
      for (const call of this.#waiting.splice(0)) this.#place(call);
    });
  }

  #onLeft(): void {
    this.#leave();
    if (this.#subscriptions.size === 0 && this.#waiting.length === 0) return;
    // Not within the keeper's own event: it is still putting its affairs in order.
    this.#world.after(
      50,
      () => {
        if (this.#keeper === undefined) this.#choose();
      },
      true,
    );
  }

  #leave(reason: Error = new AbortError('Connection is closed.')): void {
    const keeper = this.#keeper;
    if (keeper === undefined) return;
    this.#keeper = undefined;
    keeper.close(reason);
    this.#emitter.emit('-subscriber');
  }
}
