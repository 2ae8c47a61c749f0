// Where a client of one server connects, with which options, and how long it waits before the next attempt.
// Owns: the attempts since the client was ready last, and the primary that a replica redirected it to.
// Does not know: the connection. Invariant: options are read before each attempt, so what users assign takes effect.

import { nextTick } from '../base/turns.ts';
import type { CredentialSource } from '../connection/credentials.ts';
import type { LatestOptions } from '../connection/reconnecting-connection.ts';
import { connectionOptionsOf } from '../options/derive.ts';
import type { RedisOptions } from '../options/options.ts';
import type { NodeAddress } from '../topology/seeds.ts';

export class RedisDialer {
  /** Attempts to connect, since the client was ready last. */
  attempts = 0;
  /** Milliseconds until the next attempt, as the strategy has it. */
  delay = 0;
  /** Where a replica redirected this client; undefined: to where its options say. */
  primary: NodeAddress | undefined;
  readonly #options: RedisOptions;
  readonly #credentials: CredentialSource | undefined;

  constructor(options: RedisOptions, credentials: CredentialSource | undefined) {
    this.#options = options;
    this.#credentials = credentials;
  }

  /** Users rotate passwords, and move their servers, by assigning options. */
  dialOptions(): LatestOptions {
    const { path, host, port, readOnly, followRedirects } = this.#options;
    const { primary } = this;
    const place = { host: primary?.host ?? host ?? 'localhost', port: primary?.port ?? port ?? 6379 };
    const address = primary?.key ?? path ?? `${place.host}:${place.port}`;
    // One node: its bounds are the client's.
    const bounds = { maxQueueLength: undefined, maxQueueBytes: undefined };
    return {
      ...connectionOptionsOf(this.#options, undefined),
      ...bounds,
      ...place,
      address,
      ...(primary === undefined ? {} : { path: undefined }),
      readOnly,
      followsRedirects: followRedirects,
      credentials: this.#credentials,
    };
  }

  /**
   * Milliseconds before the next attempt; null: there is none. Counted until ready, as ioredis does: a server that
   * accepts the client and closes its connection is none that can be used.
   */
  retryDelay(): number | null {
    const delay = this.#askStrategy(++this.attempts);
    if (typeof delay !== 'number') return null;
    this.delay = delay;
    return delay;
  }

  #askStrategy(times: number): unknown {
    const strategy = this.#options.retryStrategy;
    try {
      return typeof strategy === 'function' ? strategy(times) : null;
    } catch (thrown) {
      // The user's mistake, which the process shall see; the connection is given up in good order.
      nextTick(() => {
        throw thrown;
      });
      return null;
    }
  }
}
