// Credentials that change: asks the user's provider at each connect, and has live connections authenticate again before
// what they were given expires. Owns the credentials given last and the renewal timer; knows neither sockets nor commands.
// Invariant: while a connection has credentials that expire, a renewal is under way or a timer runs.

import { RedisError } from '../base/errors.ts';
import { withoutCredentials, withoutSecret } from '../base/secrets.ts';
import { settledWithin } from '../base/within.ts';
import type { Timer, World } from '../base/world.ts';

/** Who a connection is, by AUTH. */
export interface Credentials {
  /** User of the server's ACL. Default: the user `default`. */
  readonly username?: string | undefined;
  readonly password: string;
  /** When they expire: a Date, or milliseconds since 1970. Default: never. */
  readonly expiresAt?: Date | number | undefined;
}

/** Asked at each connect, and again before the credentials expire. */
export type CredentialsProvider = () => Credentials | PromiseLike<Credentials>;

/** What the source needs of a connection that is to stay authenticated. */
export interface Authenticated {
  /** AUTH on the connection; undefined when it cannot be sent just now (in an open transaction, behind a call that blocks). */
  authenticate(credentials: Credentials): Promise<unknown> | undefined;
}

export interface CredentialSourceOptions {
  /** Read at each use: users change their options. */
  readonly provider: () => CredentialsProvider;
  /** Milliseconds that the provider has to answer; 0: as long as it takes. */
  readonly limit: () => number;
  /** A renewal failed; it is tried again. The first authentication is reported by the connection itself. */
  readonly onError: (error: Error) => void;
}

/** Connections made within so many milliseconds of an answer share it: a cluster's are made together. */
const sharedFor = 1000;
/** Renewal begins when this part of the life is left, and not earlier than `longestLead` milliseconds before its end. */
const leadShare = 0.2;
const longestLead = 60_000;
/** Milliseconds before a renewal that failed is tried again; doubles up to `longestPause`. */
const firstPause = 200;
const longestPause = 10_000;
/** Milliseconds before a connection is tried again that could not take AUTH. */
const busyPause = 250;

export class CredentialSource {
  readonly #options: CredentialSourceOptions;
  readonly #world: World;
  /** Live connections, and when the credentials of each expire (world time, milliseconds). */
  readonly #live = new Map<Authenticated, number>();
  #latest: Credentials | undefined;
  #answeredAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<Credentials> | undefined;
  #timer: Timer | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #renewing = false;
  /** Until then (world time) `#latest` serves connections that could not take it yet. */
  #pendingUntil = 0;
  #failures = 0;

  constructor(options: CredentialSourceOptions, world: World) {
    this.#options = options;
    this.#world = world;
  }

  /** What the provider gave last; undefined before its first answer. */
  get latest(): Credentials | undefined {
    return this.#latest;
  }

  /** Credentials for a new connection. Rejects with ERR_CREDENTIALS when the provider fails, or gives nothing of use. */
  take(): Promise<Credentials> {
    if (this.#asking !== undefined) return this.#asking;
    if (
      this.#latest !== undefined &&
      this.#world.now() - this.#answeredAt < sharedFor &&
      lifeOf(this.#latest, this.#world) > 0
    ) {
      return Promise.resolve(this.#latest);
    }
    this.#asking = this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** A server did not take them: the next connection asks anew. */
  forget(): void {
    this.#answeredAt = Number.NEGATIVE_INFINITY;
  }

  /** A connection has authenticated with `credentials`, and is to stay so until it leaves. */
  join(connection: Authenticated, credentials: Credentials): void {
    this.#live.set(connection, this.#endOf(credentials));
    this.#schedule();
  }

  leave(connection: Authenticated): void {
    if (this.#live.delete(connection) && this.#live.size === 0) this.#rest();
  }

  #endOf(credentials: Credentials): number {
    return this.#world.now() + lifeOf(credentials, this.#world);
  }

  async #ask(): Promise<Credentials> {
    let given: unknown;
    try {
      const limit = this.#options.limit();
      const late = (): Error => new Error(`no answer within ${limit}ms (connectTimeout)`);
      given = await settledWithin(this.#options.provider(), limit, this.#world, late);
    } catch (error) {
      throw this.#failure(error);
    }
    const credentials = checked(given);
    if (lifeOf(credentials, this.#world) <= 0) {
      throw failed(
        'it gave credentials that have expired already (expiresAt is in milliseconds; is the clock of this machine right?)',
      );
    }
    this.#latest = credentials;
    this.#answeredAt = this.#world.now();
    return credentials;
  }

  // The provider's own words may hold what it was about.
  #failure(error: unknown): RedisError {
    const text = withoutCredentials(error instanceof Error ? error.message || error.name : String(error));
    const secret = this.#latest?.password;
    return failed(secret === undefined ? text : withoutSecret(text, secret), error);
  }

  #schedule(): void {
    if (this.#renewing) return;
    const end = Math.min(...this.#live.values());
    if (end === Number.POSITIVE_INFINITY) return;
    this.#wake(untilRenewal(Math.max(0, end - this.#world.now())));
  }

  #wake(ms: number): void {
    const at = this.#world.now() + ms;
    if (this.#timer !== undefined && this.#dueAt <= at) return;
    this.#timer?.cancel();
    this.#dueAt = at;
    this.#timer = this.#world.after(ms, () => void this.#renew());
  }

  #rest(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #renew(): Promise<void> {
    this.#timer = undefined;
    this.#renewing = true;
    let pause = 0;
    try {
      pause = this.#authenticate(this.#pending ?? (await this.#takeNew()));
    } catch (error) {
      pause = this.#failed(error as Error);
    }
    this.#renewing = false;
    if (this.#live.size === 0) return;
    if (pause > 0) this.#wake(pause);
    else this.#schedule();
  }

  #takeNew(): Promise<Credentials> {
    this.forget();
    return this.take();
  }

  /** The credentials that some connection could not take yet, while they need no renewal themselves. */
  get #pending(): Credentials | undefined {
    return this.#world.now() < this.#pendingUntil ? this.#latest : undefined;
  }

  /** AUTH on those whose credentials expire earlier. Milliseconds until those follow that could not take it; 0: none. */
  #authenticate(credentials: Credentials): number {
    const end = this.#endOf(credentials);
    const stale = [...this.#live].filter(([, expires]) => expires < end);
    if (stale.length === 0 && this.#live.size > 0 && this.#pending === undefined) {
      throw failed('it gave credentials that expire no later than those in use');
    }
    let busy = 0;
    for (const [connection] of stale) {
      const answer = connection.authenticate(credentials);
      if (answer === undefined) {
        busy = busyPause;
        continue;
      }
      this.#live.set(connection, end);
      answer.then(
        () => {
          this.#failures = 0;
        },
        (error: Error) => this.#refused(connection, error),
      );
    }
    this.#pendingUntil = busy > 0 ? this.#world.now() + untilRenewal(end - this.#world.now()) : 0;
    return busy;
  }

  // The connection is still who it was, for as long as the server has it so.
  #refused(connection: Authenticated, error: Error): void {
    if (!this.#live.has(connection)) return;
    this.#live.set(connection, this.#world.now() + this.#failed(error));
    this.#schedule();
  }

  /** Reports a failure; milliseconds until the next try. */
  #failed(error: Error): number {
    if (this.#live.size > 0) this.#options.onError(error);
    const grown = Math.min(firstPause * 2 ** Math.min(this.#failures++, 10), longestPause);
    return grown * (0.75 + this.#world.random() / 2);
  }
}

function failed(what: string, cause?: unknown): RedisError {
  return new RedisError(`credentialsProvider failed: ${what}`, { code: 'ERR_CREDENTIALS', cause });
}

/** Milliseconds after which credentials are renewed that are good for `life` milliseconds. */
function untilRenewal(life: number): number {
  return life - Math.min(life * leadShare, longestLead);
}

/** Milliseconds that credentials are still good for. */
function lifeOf({ expiresAt }: Credentials, world: World): number {
  return expiresAt === undefined ? Number.POSITIVE_INFINITY : Number(expiresAt) - world.wallClock();
}

// Never the values themselves.
function checked(given: unknown): Credentials {
  if (typeof given !== 'object' || given === null) throw failed('it has to give { username, password, expiresAt }');
  const { username, password, expiresAt } = given as Partial<Record<keyof Credentials, unknown>>;
  if (typeof password !== 'string' || password === '') throw failed('password has to be a string that is not empty');
  if (username !== undefined && username !== null && typeof username !== 'string')
    throw failed('username has to be a string');
  if (expiresAt === undefined || expiresAt === null) return { username: username || undefined, password };
  const moment = Number(expiresAt);
  if (!(expiresAt instanceof Date || typeof expiresAt === 'number') || Number.isNaN(moment)) {
    throw failed('expiresAt has to be a Date or milliseconds since 1970');
  }
  return { username: username || undefined, password, expiresAt: moment };
}
