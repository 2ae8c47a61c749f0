// The server of one address as its connections show it: the one that is being made, the one that is up, and those that
// were given up and still owe answers.
// Owns: which connection is which of these, and so what the silence of the server means. Does not know: when it is dialed,
// and the calls that wait for that (reconnecting-connection).
// Invariant: one connection at most is being made or up; one that owes answers is looked after until it has closed.

import { RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { Call } from './call.ts';
import type { ConnectAttempt } from './connect-attempt.ts';
import type { Connection } from './connection.ts';
import type { Socket } from './dial.ts';
import { LiveConnection, type LiveOptions } from './live-connection.ts';
import { RetiredConnections } from './retired.ts';
import type { SilenceLimits } from './watch.ts';

/** For whoever uses the address: which connection is which is for the owner alone to change. */
export type PeerHealth = Pick<
  Peer,
  'socket' | 'silent' | 'muteFor' | 'idleFor' | 'doubtful' | 'holdsBack' | 'owed' | 'look' | 'giveUpReads' | 'abandon'
>;

export class Peer {
  readonly #world: World;
  readonly #onSilence: (silent: boolean) => void;
  #attempt: ConnectAttempt<LiveOptions> | undefined;
  #live: LiveConnection | undefined;
  readonly #retired = new RetiredConnections();

  /** `onSilence`: calls wait on the live connection, no bytes come, and new ones are held back (true), or no longer. */
  constructor(world: World, onSilence: (silent: boolean) => void) {
    this.#world = world;
    this.#onSilence = onSilence;
  }

  // --- Its connections ---

  get live(): LiveConnection | undefined {
    return this.#live;
  }

  /** The connection that is open now, through its handshake or not. */
  get connection(): Connection | undefined {
    return this.#live?.connection ?? this.#attempt?.connection;
  }

  /** The socket that is open now, through its handshake or not. */
  get socket(): Socket | undefined {
    return this.connection?.socket;
  }

  /** A connection is being made. */
  dialing(attempt: ConnectAttempt<LiveOptions>): void {
    this.#attempt = attempt;
  }

  /** `attempt` has made a connection: it is live from now on. */
  up(connection: Connection, { terms }: ConnectAttempt<LiveOptions>): LiveConnection {
    this.#attempt = undefined;
    const live: LiveConnection = new LiveConnection(connection, terms, this.#world, (held) => {
      if (this.#live === live) this.#onSilence(held);
    });
    this.#live = live;
    return live;
  }

  /** No attempt is under way any more. */
  dialFailed(): void {
    this.#attempt = undefined;
  }

  /** Ends the attempt under way. */
  cancelDial(reason: Error): void {
    this.#attempt?.cancel(reason);
    this.#attempt = undefined;
  }

  /** The live connection is so no longer: given, for retire(), and nothing authenticates it any more. */
  release(): LiveConnection | undefined {
    const live = this.#live;
    this.#live = undefined;
    live?.release();
    return live;
  }

  /** A connection that was live takes no more calls, and stays until it has answered those it has. */
  retire({ connection, watch }: LiveConnection): void {
    if (connection.closed) return;
    this.#retired.add(watch);
    connection.end();
  }

  /** A connection has closed; true when it was a retired one. */
  retiredClosed(connection: Connection): boolean {
    return this.#retired.closed(connection);
  }

  /** Calls that connections given up still owe answers for. */
  get owed(): number {
    return this.#retired.owed;
  }

  /** A connection that was given up is still open. */
  get owing(): boolean {
    return this.#retired.size > 0;
  }

  /** Every call that was sent and has no answer. */
  forEachCall(visit: (call: Call) => void): void {
    this.#live?.connection.forEachCall(visit);
    this.#retired.forEachCall(visit);
  }

  /** Half-closes what was retired; what resolves when it is gone, at most `limit` ms from now. */
  leaveRetired(reason: Error, limit: number): Promise<void>[] {
    return this.#retired.leave(reason, limit, this.#world);
  }

  /** It is known to be dead, and others have taken over: what retired connections still owe will not come. */
  abandon(reason: Error): void {
    this.#retired.abandon(reason);
  }

  // --- Its silence ---

  /** It owes answers, or a handshake, and says nothing; new calls are held back until it speaks. */
  get silent(): boolean {
    return this.#live?.watch.holds ?? this.#attempt?.slow ?? false;
  }

  /** Milliseconds for which it has shown no sign of life, on this connection or another; 0: it is well. */
  get muteFor(): number {
    return this.#live?.watch.muteFor ?? this.#attempt?.muteFor ?? 0;
  }

  /** Milliseconds that an open connection has had nothing to do; 0 otherwise. */
  get idleFor(): number {
    const connection = this.#live?.connection;
    return connection === undefined || connection.inFlight > 0 ? 0 : this.#world.now() - connection.activity.movedAt;
  }

  /** Owes answers for longer than it should, whatever the reason: others are better asked. */
  get doubtful(): boolean {
    return this.#live?.watch.doubtful ?? this.#attempt?.slow ?? false;
  }

  /** New calls would be held back, on this connection or one that still owes answers. */
  get holdsBack(): boolean {
    return this.#retired.holds || this.silent;
  }

  /**
   * Looks whether it shows signs of life while calls wait; to be repeated. In doubt no new calls are given to it, and a
   * second connection asks. What was written stays where it is: it may be executing.
   */
  look(limits: SilenceLimits): void {
    this.#retired.look(limits);
    // One that was frozen before it was first dialed is as silent as one that froze later.
    if (this.#live === undefined) this.#attempt?.look(limits.silence);
    else this.#live.watch.look(limits);
  }

  /** A byte has come on one of its connections. */
  heard(connection: Connection): void {
    const watch = connection === this.#live?.connection ? this.#live.watch : this.#retired.watchOf(connection);
    watch?.heard();
  }

  /** Hands back the reads that wait for an answer, when they have another place to go. */
  giveUpReads(): void {
    const connection = this.#live?.connection;
    if (connection === undefined) return;
    const detail = { code: 'ERR_SILENT', node: connection.address };
    const reason = new RedisError('Socket timeout. The node is silent.', detail);
    // With nothing but reads on it the connection itself can go: nothing is done twice that matters.
    if (connection.readsOnly) connection.destroy(reason);
    else connection.giveUpReads(reason);
  }
}
