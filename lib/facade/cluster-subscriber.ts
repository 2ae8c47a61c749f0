// The cluster's subscriptions: shard channels go to pubsub/sharded; the classic ones live here, on one connection of
// their own to one node, so that regular commands never share a socket with messages. Every node of a cluster delivers
// every classic message, so any will do; when the node goes or falls silent, another is taken and subscribed to what
// is wanted.

import type { EventEmitter } from 'node:events';
import { AbortError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { Call, CallSink } from '../connection/call.ts';
import type { Keeper } from '../connection/keeper.ts';
import { Heartbeat } from '../pubsub/heartbeat.ts';
import { ShardedSubscriptions } from '../pubsub/sharded.ts';
import { Subscriptions } from '../pubsub/subscriptions.ts';
import type { NodePool } from '../router/node-pool.ts';
import type { Router } from '../router/router.ts';
import { lossOf } from '../router/verdict.ts';
import type { Refresher } from '../topology/refresher.ts';
import type { ClusterOptions } from './options.ts';

/** The parts of a cluster that subscriptions rest on. */
export interface SubscriberHost {
  readonly pool: NodePool;
  readonly router: Router;
  readonly refresher: Refresher;
}

/** Milliseconds until a node must have let us in; then another is tried. */
const dialLimit = 2000;

/** Milliseconds between looks at confirmations that quit() waits for. */
const pause = 5;

export class ClusterSubscriber implements CallSink {
  readonly #emitter: EventEmitter;
  readonly #pool: NodePool;
  readonly #world: World;
  readonly #subscriptions: Subscriptions;
  readonly #sharded: ShardedSubscriptions;
  readonly #heartbeat: Heartbeat;
  #keeper: Keeper | undefined;
  #waiting: Call[] = [];
  /** The node left last: another is tried first. */
  #left = '';
  #chosenAt = 0;
  #stopped = false;

  constructor(emitter: EventEmitter, host: SubscriberHost, options: ClusterOptions, world: World) {
    const silenceTimeout = options.silenceTimeout ?? 1000;
    const { pool } = host;
    this.#world = world;
    this.#emitter = emitter;
    this.#pool = pool;
    this.#subscriptions = new Subscriptions(emitter);
    this.#heartbeat = new Heartbeat(world, silenceTimeout, () => this.#look());
    this.#sharded = new ShardedSubscriptions(
      emitter,
      {
        ownerOf: (slot) => host.router.map.masterOf(slot),
        connect: (key, events) => pool.keeper(key, false, events),
        learn: (slot, name, port, from) => host.router.learn(slot, name, port, from),
        hint: (reason) => host.refresher.suggest(reason),
        deadline: options.retryDeadline ?? options.redisOptions?.commandTimeout ?? 15_000,
        silenceTimeout,
      },
      world,
    );
  }

  send(call: Call): void {
    const name = call.name.toLowerCase();
    if (name === 'ssubscribe' || name === 'sunsubscribe') {
      this.#sharded.send(call);
      return;
    }
    this.#subscriptions.prepare(call);
    call.sink = this;
    this.#place(call);
  }

  onReply(call: Call, reply: unknown): void {
    if (reply instanceof Error) call.fail(reply);
    // A number with `stringNumbers` too, as ioredis has it for a Cluster.
    else call.settle(Number(reply));
  }

  onLost(call: Call, reason: Error): void {
    if (this.#stopped) call.fail(lossOf(call, reason));
    else this.#place(call);
  }

  /** New nodes may be there to subscribe on, or the one in use may have left. */
  mapChanged(): void {
    if (this.#keeper !== undefined && this.#pool.get(this.#keeper.address) === undefined) this.#leave();
    if (this.#keeper === undefined && (this.#waiting.length > 0 || this.#subscriptions.size > 0)) this.#choose();
    for (const call of this.#waiting.splice(0)) this.#place(call);
    this.#sharded.mapChanged();
  }

  /** The cluster is ready: subscribe to whatever is wanted. */
  start(): void {
    this.#stopped = false;
    this.#sharded.start();
    this.mapChanged();
  }

  /** Resolves when the connection owes no confirmation, or after a second. */
  async settled(): Promise<void> {
    for (let waited = 0; waited < 1000 && (this.#keeper?.load ?? 0) > 0; waited += pause) {
      await new Promise<void>((resolve) => this.#world.after(pause, resolve, true));
    }
  }

  /** Leaves the connection. What is wanted stays wanted, for start(). */
  stop(reconnecting: boolean): void {
    this.#stopped = true;
    this.#heartbeat.stop();
    this.#sharded.stop(reconnecting);
    const reason = new AbortError('Connection is closed.', { code: 'ERR_CLOSED' });
    const keeper = this.#keeper;
    this.#keeper = undefined;
    if (keeper !== undefined) {
      // What was asked just before is still confirmed.
      void Promise.all(keeper.leaveIfBusy(reason));
      this.#emitter.emit('-subscriber');
    }
    if (reconnecting) return;
    for (const call of this.#waiting.splice(0)) call.fail(lossOf(call, reason));
  }

  #place(call: Call): void {
    if (this.#keeper === undefined) this.#choose();
    if (this.#keeper === undefined || !this.#keeper.send(call)) this.#waiting.push(call);
  }

  #choose(): void {
    if (this.#stopped) return;
    const key = this.#candidate();
    if (key === undefined) return;
    this.#chosenAt = this.#world.now();
    this.#keeper = this.#pool.keeper(key, false, {
      onState: (keeper, state) => {
        if (state === 'up') this.#onUp(keeper);
        if ((state === 'resting' || state === 'ended') && keeper === this.#keeper) this.#onLeft();
      },
      onSilence: (keeper, silent) => {
        if (silent && keeper === this.#keeper) this.#onLeft();
      },
      onPush: (_keeper, push) => this.#subscriptions.receive(push),
    });
    this.#keeper.open();
    this.#heartbeat.start();
  }

  // A node known to be up, else one that nobody has tried, else any; the one that was left last only if there is no other.
  #candidate(): string | undefined {
    const nodes = [...this.#pool.all()].filter((node) => node.inMap);
    const others = nodes.filter(({ key }) => key !== this.#left);
    for (const group of [
      others.filter(({ keeper }) => keeper.state === 'up' && !keeper.silent),
      others.filter(({ keeper }) => keeper.state === 'idle'),
      others,
      nodes,
    ]) {
      if (group.length > 0) return group[Math.floor(this.#world.random() * group.length)]!.key;
    }
    return undefined;
  }

  #onUp(keeper: Keeper): void {
    this.#subscriptions.restore((call) => keeper.send(call));
    this.#emitter.emit('+subscriber');
    queueMicrotask(() => {
      for (const call of this.#waiting.splice(0)) this.#place(call);
    });
  }

  #onLeft(): void {
    this.#left = this.#keeper?.address ?? '';
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

  #look(): boolean {
    const keeper = this.#keeper;
    if (keeper === undefined) return false;
    if (keeper.state === 'dialing' && this.#world.now() - this.#chosenAt > dialLimit) this.#onLeft();
    else this.#heartbeat.check(keeper);
    return true;
  }
}
