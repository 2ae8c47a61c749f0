// Opens a socket with what is only known at that moment: credentials from the user's provider, TLS options from the
// user's function. Where neither is asked for, this is dial().

import type { ConnectionOptions } from 'node:tls';
import { OptionError, RedisError } from '../base/errors.ts';
import { settledWithin } from '../base/within.ts';
import type { World } from '../base/world.ts';
import type { CredentialSource, Credentials } from './credentials.ts';
import { type Dialing, type DialOptions, dial, type Socket } from './dial.ts';
import type { HandshakeOptions } from './handshake.ts';

/** Asked before each connection: certificates may have been renewed. */
export type TlsOptionsFunction = () => ConnectionOptions | PromiseLike<ConnectionOptions>;

export interface ReachOptions extends Omit<DialOptions, 'tls'>, Omit<HandshakeOptions, 'tls'> {
  /** Given: the connection is TLS, with these options of node:tls, or with what a function gives at each connect. */
  readonly tls?: ConnectionOptions | TlsOptionsFunction | undefined;
  /** Gives username and password instead of the options of that name. */
  readonly credentials?: CredentialSource | undefined;
}

/** By what a connection was made. */
export interface Terms<Options> {
  readonly options: Omit<Options, 'tls'> & DialOptions & HandshakeOptions;
  readonly credentials: Credentials | undefined;
}

export interface Reaching<Options> extends Dialing {
  /** Known once the socket is open. */
  readonly terms: Terms<Options>;
}

export function reach<Options extends ReachOptions>(options: Options, world: World): Reaching<Options> {
  if (options.credentials === undefined && typeof options.tls !== 'function') {
    const { opened, cancel } = dial(options as DialOptions, world);
    return { opened, cancel, terms: { options: options as Terms<Options>['options'], credentials: undefined } };
  }
  return new AskedReaching(options, world);
}

class AskedReaching<Options extends ReachOptions> implements Reaching<Options> {
  terms!: Terms<Options>;
  readonly opened: Promise<Socket>;
  #cancelled: Error | undefined;
  #dialing: Dialing | undefined;

  constructor(options: Options, world: World) {
    this.opened = this.#open(options, world);
  }

  cancel(reason: Error): void {
    this.#cancelled ??= reason;
    this.#dialing?.cancel(reason);
  }

  async #open(options: Options, world: World): Promise<Socket> {
    const { credentials: source, tls: given, connectTimeout = 10_000 } = options;
    const [credentials, tls] = await Promise.all([source?.take(), tlsOptions(given, connectTimeout, world)]);
    if (this.#cancelled !== undefined) throw this.#cancelled;
    this.terms = { options: withCredentials({ ...options, tls }, source), credentials };
    this.#dialing = dial(this.terms.options, world);
    return this.#dialing.opened;
  }
}

// Whoever connects beside this connection later (to ask about it) does so with the credentials of then.
function withCredentials<Options extends object>(options: Options, source: CredentialSource | undefined): Options {
  if (source === undefined) return options;
  return Object.defineProperties(options, {
    username: { enumerable: true, get: () => source.latest?.username },
    password: { enumerable: true, get: () => source.latest?.password },
  });
}

async function tlsOptions(
  given: ReachOptions['tls'],
  limit: number,
  world: World,
): Promise<ConnectionOptions | undefined> {
  if (typeof given !== 'function') return given;
  const late = (): Error =>
    new RedisError(`tls (a function) gave nothing within ${limit}ms (connectTimeout)`, { code: 'ETIMEDOUT' });
  const options: unknown = await settledWithin(given, limit, world, late);
  if (typeof options === 'object' && options !== null) return options;
  throw new OptionError('tls', 'Invalid option tls: the function has to give options of node:tls');
}
