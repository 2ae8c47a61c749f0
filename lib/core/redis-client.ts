// What the calls of a client of one server share with its life: one object, the client's core. Contract only; RedisCore
// implements it.

import type { EventEmitter } from 'node:events';
import type { Backlog } from '../base/backlog.ts';
import type { World } from '../base/world.ts';
import type { Call } from '../connection/call.ts';
import type { ReconnectingConnection } from '../connection/reconnecting-connection.ts';
import type { RedisOptions } from '../options/options.ts';
import type { Subscriptions } from '../pubsub/subscriptions.ts';
import type { NodeAddress } from '../topology/seeds.ts';
import type { Lifecycle } from './lifecycle.ts';

export interface SharedRedisCore {
  /** The public client: events are emitted there. */
  readonly client: EventEmitter;
  readonly options: RedisOptions;
  readonly world: World;
  readonly lifecycle: Lifecycle;
  /** Everything that waits anywhere in this client. */
  readonly backlog: Backlog;
  /** Another one after the client has ended and connects again. */
  readonly connection: ReconnectingConnection;
  /** Others where a new connection is not to subscribe again. */
  readonly subscriptions: Subscriptions;
  /** Counts the connections that were up; 0 while none is. */
  readonly connectionNumber: number;
  /** Why the client was closed, if quit() had waited too long. */
  readonly quitLate: Error | undefined;
  connect(): Promise<void>;
  disconnect(reconnect: boolean): void;
  quit(): Promise<'OK'>;
  depart(): void;
  /** Takes a QUIT that was admitted. */
  submitQuit(call: Call): void;
  /** A replica names its primary: connects there. False: it does not. */
  moveTo(primary: NodeAddress): boolean;
}
