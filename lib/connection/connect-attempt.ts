// One attempt to connect to an address: dials, makes a connection of the socket, shakes hands within connectTimeout.
// Owns: the socket and its connection until the handshake is through.
// Does not know: what was before and comes after: backoff, the calls that wait, who watches the connection.
// Invariant: one of onUp() and onFailed() is called, once, unless it was cancelled before; a connection that is not
// handed over is closed.

import { RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { Call } from './call.ts';
import type { Connection } from './connection.ts';
import type { Socket } from './dial.ts';
import { EarlyQuestions } from './early-questions.ts';
import { shakeHands } from './handshake.ts';
import { type Reaching, type ReachOptions, reach, type Terms } from './reach.ts';

export interface AttemptHost<Options extends ReachOptions> {
  /** Whether the handshake sends READONLY; asked when it begins. */
  readOnly(): boolean;
  /** Makes the connection of a socket that has opened; its end is reported by `closed()`. */
  connect(socket: Socket, attempt: ConnectAttempt<Options>): Connection;
  /** `connection` is there; the handshake begins. */
  onOpen(): void;
  /** look() has found that it is slow, for the first time; `reason`: for calls that do not wait for it. */
  onSlow(reason: Error): void;
  /** Calls that wait, and may leave with the handshake. */
  questions(): readonly Call[];
  onUp(connection: Connection, protocol: 2 | 3, attempt: ConnectAttempt<Options>): void;
  onFailed(error: Error): void;
}

export class ConnectAttempt<Options extends ReachOptions> {
  readonly address: string;
  /** World time. */
  readonly begunAt: number;
  /** It takes so long that nobody should wait for it: look() has found that. */
  slow = false;
  readonly #world: World;
  readonly #host: AttemptHost<Options>;
  readonly #reaching: Reaching<Options>;
  /** The connection of the open socket. */
  #connection: Connection | undefined;
  /** What was asked with its handshake. */
  #early: EarlyQuestions | undefined;
  #closedBy: Error | undefined;
  #cancelled = false;

  constructor(address: string, options: Options, world: World, host: AttemptHost<Options>) {
    this.address = address;
    this.#world = world;
    this.#host = host;
    this.begunAt = world.now();
    this.#reaching = reach(options, world);
    this.#reaching.opened.then(
      (socket) => this.#opened(socket),
      (error: Error) => this.#fail(error),
    );
  }

  /** Open, and still shaking hands. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** By what it was made; known once the socket is open. */
  get terms(): Terms<Options> {
    return this.#reaching.terms;
  }

  /** For onUp(): which of the calls that wait need not be sent any more; those answered already are settled. */
  answered(protocol: 2 | 3, waiting: readonly Call[]): ReadonlySet<Call> {
    return this.#early!.through(protocol === (this.terms.options.protocol ?? 3), waiting);
  }

  /** Milliseconds since it began, once it is slow; else 0. */
  get muteFor(): number {
    return this.slow ? this.#world.now() - this.begunAt : 0;
  }

  /** A look at how long it takes: with `limit` ms it is slow. */
  look(limit: number): void {
    if (this.slow || this.#world.now() - this.begunAt < limit) return;
    this.slow = true;
    const detail = { code: 'ERR_SILENT', node: this.address };
    this.#host.onSlow(new RedisError(`Socket timeout. No handshake within ${limit}ms.`, detail));
  }

  /** Gives up, without a call of the host. */
  cancel(reason: Error): void {
    this.#cancelled = true;
    this.#reaching.cancel(reason);
    this.#connection?.destroy(reason);
  }

  /** The connection has closed before its handshake was through. */
  closed(reason: Error): void {
    this.#closedBy = reason;
  }

  #fail(error: Error): void {
    if (!this.#cancelled) this.#host.onFailed(error);
  }

  #opened(socket: Socket): void {
    if (this.#cancelled) {
      socket.destroy();
      return;
    }
    const connection = this.#host.connect(socket, this);
    this.#connection = connection;
    this.#host.onOpen();
    const { options, credentials } = this.terms;
    const limit = options.connectTimeout ?? 10_000;
    const late = (): void =>
      connection.destroy(new RedisError('connect ETIMEDOUT', { code: 'ETIMEDOUT', node: this.address }));
    const deadline = limit > 0 ? this.#world.deadline(limit, late) : undefined;
    const handshake = shakeHands(connection, { ...options, ...credentials, readOnly: this.#host.readOnly() });
    this.#early = new EarlyQuestions(connection, this.#host.questions());
    handshake.then(
      (protocol) => {
        deadline?.cancel();
        if (this.#closedBy !== undefined) this.#fail(this.#closedBy);
        else if (!this.#cancelled) this.#host.onUp(connection, protocol, this);
      },
      (error: Error) => {
        deadline?.cancel();
        options.credentials?.forget();
        connection.destroy(error);
        this.#fail(error);
      },
    );
  }
}
