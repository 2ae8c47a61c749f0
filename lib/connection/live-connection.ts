// A connection that is through its handshake, with what looks after it for as long as it is the one of its address: the
// watch, ioredis's socketTimeout, and the source of its credentials.
// Owns: since when it is live, the watch, and its place at the source. Does not know: what was before, and what follows.
// Invariant: all of it begins with the connection; nothing is authenticated any more after release().

import type { World } from '../base/world.ts';
import type { DecoderOptions } from '../wire/decoder.ts';
import type { Connection } from './connection.ts';
import { keepAuthenticated } from './keep-authenticated.ts';
import type { ReachOptions, Terms } from './reach.ts';
import { limitSilence } from './socket-timeout.ts';
import { Watch } from './watch.ts';

export interface LiveOptions extends ReachOptions, DecoderOptions {
  /** Milliseconds without a byte, while calls wait, after which the socket is dropped; default never. */
  readonly socketTimeout?: number | undefined;
  /** False while AUTH on the live connection would be taken for something else: in a transaction that is open. */
  readonly mayAuthenticate?: (() => boolean) | undefined;
}

export class LiveConnection {
  readonly connection: Connection;
  readonly watch: Watch;
  /** World time. */
  readonly since: number;
  #leaveSource: (() => void) | undefined;

  /** `terms`: by what it was made. `onHold`: new calls are held back, or no longer. */
  constructor(connection: Connection, terms: Terms<LiveOptions>, world: World, onHold: (held: boolean) => void) {
    const { credentials, options } = terms;
    this.connection = connection;
    this.watch = new Watch(connection, options, world, onHold);
    this.since = world.now();
    limitSilence(connection, options.socketTimeout ?? 0, world);
    if (options.credentials === undefined || credentials === undefined) return;
    const mayAuthenticate = options.mayAuthenticate ?? (() => true);
    this.#leaveSource = keepAuthenticated(connection, options.credentials, credentials, mayAuthenticate);
  }

  /** It is not the connection of its address any more. */
  release(): void {
    this.#leaveSource?.();
    this.#leaveSource = undefined;
  }
}
