// Subscriptions of one node of a cluster, as `cluster.nodes()` gives it: keyspace notifications are published by the node that
// holds the key and by no other. They have a connection of their own, since the node's other one belongs to everybody's
// commands; it is dialed at the first subscription, again after a loss as the node's own, and closed with the last one.

import type { EventEmitter } from 'node:events';
import { AbortError } from '../base/errors.ts';
import { queueMicrotask } from '../base/turns.ts';
import type { World } from '../base/world.ts';
import type { Call, CallSink } from '../connection/call.ts';
import type {
  ReconnectingConnection,
  ReconnectingEvents,
  ReconnectingState,
} from '../connection/reconnecting-connection.ts';
import { lossOf } from '../router/verdict.ts';
import { Heartbeat } from './heartbeat.ts';
import { Subscriptions } from './subscriptions.ts';

/** Makes a connection to the node. */
export type Connect = (events: ReconnectingEvents) => ReconnectingConnection;

export class NodeSubscriber implements CallSink {
  readonly subscriptions: Subscriptions;
  readonly #connect: Connect;
  readonly #heartbeat: Heartbeat;
  #connection: ReconnectingConnection | undefined;
  #waiting: Call[] = [];
  /** A connection was lost that was subscribed: the next one is subscribed again. */
  #owed = false;
  /** The node has left the cluster, or the cluster was closed. */
  #stopped: Error | undefined;

  /** `silenceTimeout`: milliseconds of silence after which the connection is looked into; 0: never. */
  constructor(emitter: EventEmitter, connect: Connect, silenceTimeout: number, world: World) {
    this.subscriptions = new Subscriptions(emitter);
    this.#connect = connect;
    this.#heartbeat = new Heartbeat(world, silenceTimeout, () => this.#look());
  }

  send(call: Call): void {
    if (this.#stopped !== undefined) {
      call.fail(lossOf(call, this.#stopped));
      return;
    }
    this.subscriptions.prepare(call);
    call.sink = this;
    this.#place(call);
  }

  onReply(call: Call, reply: unknown): void {
    if (reply instanceof Error) call.fail(reply);
    else call.settle(reply);
    if (this.subscriptions.size > 0 || this.#waiting.length > 0 || (this.#connection?.load ?? 0) > 0) return;
    this.#leave(new AbortError('Connection is closed.', { code: 'ERR_CLOSED' }));
  }

  onLost(call: Call, reason: Error): void {
    if (this.#stopped !== undefined) call.fail(lossOf(call, reason));
    else this.#place(call);
  }

  /** Closes for good; what waits is rejected. */
  stop(reason: Error): void {
    this.#stopped = reason;
    this.#leave(reason);
    for (const call of this.#waiting.splice(0)) call.fail(lossOf(call, reason));
  }

  #place(call: Call): void {
    this.#connection ??= this.#open();
    if (!this.#connection.send(call)) this.#waiting.push(call);
  }

  #open(): ReconnectingConnection {
    const connection = this.#connect({
      onState: (one, state, reason) => {
        if (one === this.#connection) this.#onState(one, state, reason);
      },
      onSilence: (one, silent) => {
        if (one === this.#connection && !silent) this.#flush();
      },
      onPush: (one, push) => {
        if (one === this.#connection) this.subscriptions.receive(push);
      },
    });
    this.#heartbeat.start();
    return connection;
  }

  #onState(connection: ReconnectingConnection, state: ReconnectingState, reason: Error | undefined): void {
    if (state === 'backoff' || state === 'ended') this.#owed = this.subscriptions.size > 0;
    if (state === 'ended') {
      this.#connection = undefined;
      const error = reason ?? new AbortError('Connection is closed.', { node: connection.address });
      for (const call of this.#waiting.splice(0)) call.fail(lossOf(call, error));
      return;
    }
    if (state !== 'up') return;
    if (this.#owed) this.subscriptions.restore((call) => connection.send(call));
    this.#owed = false;
    // Not within the connection's own event: what it queued itself goes first.
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    for (const call of this.#waiting.splice(0)) this.#place(call);
  }

  #look(): boolean {
    const connection = this.#connection;
    if (connection === undefined) return false;
    this.#heartbeat.check(connection);
    return true;
  }

  #leave(reason: Error): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    this.#heartbeat.stop();
    connection.close(reason);
  }
}
