// The cluster's subscriptions: shard channels go to pubsub/sharded; the classic ones live here, on one connection of
// their own to one node, so that regular commands never share a socket with messages. Every node of a cluster delivers
// every classic message, so any will do; when the node goes or falls silent, another is taken (pubsub/subscriber-dialer)
// and subscribed to what is wanted.
// Owns: that connection, and what is wanted on it. Does not know: the slot map, and why a node is gone.
// Invariant: a call settles by `retryDeadline`, with an error that says what it waited for.

import type { EventEmitter } from 'node:events';
import { emitSafely } from '../base/emit.ts';
import { AbortError, RedisError } from '../base/errors.ts';
import { queueMicrotask } from '../base/turns.ts';
import type { World } from '../base/world.ts';
import type { Call, CallSink } from '../connection/call.ts';
import type { ReconnectingConnection, ReconnectingState } from '../connection/reconnecting-connection.ts';
import { Deadlines } from '../router/deadlines.ts';
import type { NodePool } from '../router/node-pool.ts';
import type { Router } from '../router/router.ts';
import { lossOf } from '../router/verdict.ts';
import type { Refresher } from '../topology/refresher.ts';
import { Heartbeat } from './heartbeat.ts';
import { ShardedSubscriptions } from './sharded.ts';
import { SubscriberDialer } from './subscriber-dialer.ts';
import { Subscriptions } from './subscriptions.ts';

/** The parts of a cluster that subscriptions rest on. */
export interface SubscriberHost {
  readonly pool: NodePool;
  readonly router: Router;
  readonly refresher: Refresher;
}

export interface SubscriberOptions {
  /** The client's name; its subscribers' connections have one of their own made of it. */
  readonly connectionName: string | null | undefined;
  /** Milliseconds without a sign of life after which a node is asked for one. */
  readonly silenceTimeout: number;
  /** Milliseconds that a call waits for its confirmation. */
  readonly deadline: number;
}

/** Milliseconds between looks at confirmations that quit() waits for. */
const pause = 5;

export class ClusterSubscriber implements CallSink {
  readonly #emitter: EventEmitter;
  readonly #pool: NodePool;
  readonly #world: World;
  readonly #subscriptions: Subscriptions;
  readonly #sharded: ShardedSubscriptions;
  readonly #heartbeat: Heartbeat;
  readonly #dialer: SubscriberDialer;
  readonly #deadline: number;
  readonly #deadlines: Deadlines;
  /** The connection in use, through its handshake. */
  #connection: ReconnectingConnection | undefined;
  #waiting: Call[] = [];
  /** Channels that nobody else wanted, by the call that asked for them and has no answer yet. */
  readonly #asked = new WeakMap<Call, readonly string[]>();
  #stopped = false;

  constructor(emitter: EventEmitter, host: SubscriberHost, options: SubscriberOptions, world: World) {
    const { connectionName, silenceTimeout, deadline } = options;
    const { pool } = host;
    this.#world = world;
    this.#emitter = emitter;
    this.#pool = pool;
    this.#subscriptions = new Subscriptions(emitter);
    this.#heartbeat = new Heartbeat(world, silenceTimeout, () => this.#look());
    this.#deadline = deadline;
    this.#deadlines = new Deadlines(this.#deadline, world, (visit) => this.#visitAll(visit), {
      expire: (request) => this.#expire(request as Call),
      swept: () => {
        this.#waiting = this.#waiting.filter((call) => !call.settled);
      },
      maxPeriod: 250,
    });
    this.#dialer = new SubscriberDialer(pool, world, subscriberName('subscriber', connectionName), {
      onUp: (connection) => this.#onUp(connection),
      later: {
        onState: (connection, state) => this.#onState(connection, state),
        onSilence: (connection, silent) => {
          if (silent && connection === this.#connection) this.#onLeft();
        },
        onPush: (connection, push) => {
          // The connection that is being left may still get messages that its successor gets as well.
          if (connection !== this.#connection) return;
          this.#dialer.proved();
          this.#subscriptions.receive(push);
        },
      },
    });
    const shardName = subscriberName('ssubscriber', connectionName);
    this.#sharded = new ShardedSubscriptions(
      emitter,
      {
        ownerOf: (slot) => host.router.map.masterOf(slot),
        connect: (key, events) => pool.connection(key, false, events, { connectionName: shardName }),
        learn: (slot, name, port, from) => host.router.learn(slot, name, port, from),
        hint: (reason) => host.refresher.suggest(reason),
        deadline: this.#deadline,
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
    this.#asked.set(call, this.#subscriptions.newIn(call));
    this.#subscriptions.prepare(call);
    call.sink = this;
    this.#deadlines.start();
    this.#place(call);
  }

  onReply(call: Call, reply: unknown): void {
    if (reply instanceof Error) {
      this.#forget(call);
      call.fail(reply);
      // A number with `stringNumbers` too, as ioredis has it for a Cluster.
    } else call.settle(Number(reply));
  }

  onLost(call: Call, reason: Error): void {
    if (call.settled) return;
    call.lastError = reason;
    if (this.#stopped) call.fail(lossOf(call, reason));
    else this.#place(call);
  }

  /** New nodes may be there to subscribe on, or the one in use may have left. */
  mapChanged(): void {
    if (this.#connection !== undefined && this.#pool.get(this.#connection.address) === undefined) this.#onLeft();
    this.#dialer.mapChanged();
    if (this.#needed) this.#search();
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
    for (let waited = 0; waited < 1000 && (this.#connection?.load ?? 0) > 0; waited += pause) {
      await new Promise<void>((resolve) => this.#world.after(pause, resolve, true));
    }
  }

  /** Leaves the connection. What is wanted stays wanted, for start(). */
  stop(reconnecting: boolean): void {
    this.#stopped = true;
    this.#heartbeat.stop();
    this.#sharded.stop(reconnecting);
    const reason = new AbortError('Connection is closed.', { code: 'ERR_CLOSED' });
    this.#dialer.stop(reason);
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection !== undefined) {
      // What was asked just before is still confirmed.
      void Promise.all(connection.leaveIfBusy(reason));
      emitSafely(this.#emitter, '-subscriber');
    }
    if (reconnecting) return;
    this.#deadlines.stop();
    for (const call of this.#waiting.splice(0)) call.fail(lossOf(call, reason));
  }

  /** Somebody waits for a connection, or wants what comes on it. */
  get #needed(): boolean {
    return this.#waiting.length > 0 || this.#subscriptions.size > 0;
  }

  #place(call: Call): void {
    if (this.#connection?.send(call)) return;
    this.#waiting.push(call);
    this.#search();
  }

  #search(): void {
    if (!this.#stopped && this.#connection === undefined) this.#dialer.search();
  }

  // Everything that was wanted before, then what waits: nothing is asked for twice.
  #onUp(connection: ReconnectingConnection): void {
    this.#connection = connection;
    this.#heartbeat.start();
    const asked = new Set(this.#waiting.flatMap((call) => (call.settled ? [] : (this.#asked.get(call) ?? []))));
    this.#subscriptions.restore(
      (call) => connection.send(call),
      (label) => asked.has(label),
    );
    emitSafely(this.#emitter, '+subscriber');
    queueMicrotask(() => {
      for (const call of this.#waiting.splice(0)) if (!call.settled) this.#place(call);
    });
  }

  #onState(connection: ReconnectingConnection, state: ReconnectingState): void {
    if ((state === 'backoff' || state === 'ended') && connection === this.#connection) this.#onLeft();
  }

  // The next is not chosen within the event of the one that is lost: it has calls to hand back.
  #onLeft(): void {
    const connection = this.#connection!;
    this.#leave();
    if (!this.#stopped && this.#needed) this.#dialer.searchLater(connection);
  }

  #expire(call: Call): void {
    this.#forget(call);
    const trouble = this.#connection === undefined ? this.#dialer.story : `${this.#connection.address}: no answer yet`;
    const message = `No answer to ${call.name} within ${this.#deadline}ms (retryDeadline). ${trouble || 'No node to ask'}`;
    const detail = { code: 'ERR_RETRY_DEADLINE', attempts: call.attempts, cause: call.lastError };
    call.fail(new RedisError(message, { ...detail, node: this.#connection?.address }));
  }

  // Refused to its caller, so not wanted by it; what others wanted before goes on being wanted.
  #forget(call: Call): void {
    const labels = this.#asked.get(call);
    if (labels !== undefined) this.#subscriptions.drop(labels);
  }

  #visitAll(visit: (call: Call) => void): void {
    for (const call of this.#waiting) visit(call);
    this.#connection?.forEachCall(visit);
  }

  #leave(reason: Error = new AbortError('Connection is closed.')): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    connection.close(reason);
    emitSafely(this.#emitter, '-subscriber');
  }

  #look(): boolean {
    const connection = this.#connection;
    if (connection === undefined) return false;
    this.#heartbeat.check(connection);
    return true;
  }
}

/** The name of a connection that carries messages: ioredis's own, since scripts look for it in CLIENT LIST. LIB-NAME names the library. */
function subscriberName(part: 'subscriber' | 'ssubscriber', connectionName: string | null | undefined): string {
  return connectionName ? `ioredis-cluster(${part}):${connectionName}` : `ioredis-cluster(${part})`;
}
