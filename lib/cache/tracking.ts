// CLIENT TRACKING: which connections send invalidations, and of which keys. Owns one session for each connection
// that tracks, and with RESP2 a second connection to the node that the notices come by.
// Invariant: a session is live only from the answer to CLIENT TRACKING until that very connection (or the one its
// notices come by) is lost or silent. What was read under it holds no longer than it does.
// Sources: the manual's page on client-side caching; CLIENT TRACKING, CLIENT ID.

import type { Timer, World } from '../base/world.ts';
import { Call, CallFlag, type CallSink, directSink, ownCall, type ReplySource } from '../connection/call.ts';
import type {
  ReconnectingConnection,
  ReconnectingEvents,
  ReconnectingState,
} from '../connection/reconnecting-connection.ts';
import type { Push } from '../wire/reply.ts';

/** The life of one connection as a source of answers worth keeping. */
export interface TrackingSession {
  /** `host:port`. */
  readonly address: string;
  live: boolean;
}

export interface TrackingEvents {
  /** A key changed; one char a byte. */
  onChanged(key: string): void;
  /** Everything at this address changed. */
  onFlushed(address: string): void;
  /** What was read under this session is no longer watched over. */
  onEnded(session: TrackingSession): void;
}

export interface TrackingHost {
  /** A further connection to a node. */
  connection(address: string, events: ReconnectingEvents): ReconnectingConnection;
  /** Milliseconds of silence after which a connection is looked at; 0 = never. */
  readonly silenceTimeout: number;
}

const channel = '__redis__:invalidate';

/** A node's connection, and the one that listens for it with RESP2. */
interface Tracked {
  readonly connection: ReconnectingConnection;
  listener: ReconnectingConnection | undefined;
  session: TrackingSession | undefined;
  /** Raised with every change of either connection: an answer to a question of before counts for nothing. */
  generation: number;
}

export class Tracking {
  readonly #host: TrackingHost;
  readonly #events: TrackingEvents;
  readonly #world: World;
  readonly #tracked = new Map<ReconnectingConnection, Tracked>();
  /** Addresses that will not track. */
  readonly #refused = new Set<string>();
  readonly #sessions = new WeakMap<ReplySource, TrackingSession>();
  #timer: Timer | undefined;

  constructor(host: TrackingHost, events: TrackingEvents, world: World) {
    this.#host = host;
    this.#events = events;
    this.#world = world;
  }

  /** May an answer of this node be watched over? Yes while nothing is known: what decides is the session it comes under. */
  mayCover(address: string): boolean {
    return !this.#refused.has(address);
  }

  /** The live session of the connection an answer came by. */
  sessionOf(source: ReplySource): TrackingSession | undefined {
    const session = this.#sessions.get(source);
    return session?.live ? session : undefined;
  }

  /** A node's connection changed; to be called before anything else is sent on it. */
  nodeState(connection: ReconnectingConnection, state: ReconnectingState): void {
    if (state === 'up') this.#begin(connection);
    else this.#end(connection, state === 'ended');
  }

  /** A node went silent: its invalidations may be stuck. Or it sends again. */
  silence(connection: ReconnectingConnection, silent: boolean): void {
    if (silent) this.#end(connection, false);
    else if (connection.state === 'up') this.#begin(connection);
  }

  /** A push frame of a node's connection, or a message of its listener. */
  receive(connection: ReconnectingConnection, push: Push): void {
    const [kind, first, second] = push.items;
    const type = String(kind);
    if (type === 'invalidate') this.#notice(connection.address, first);
    else if (type === 'message' && String(first) === channel) this.#notice(connection.address, second);
  }

  #notice(address: string, keys: unknown): void {
    if (!Array.isArray(keys)) this.#events.onFlushed(address);
    else for (const key of keys) this.#events.onChanged(Buffer.isBuffer(key) ? key.toString('latin1') : String(key));
  }

  #begin(connection: ReconnectingConnection): void {
    let tracked = this.#tracked.get(connection);
    if (tracked === undefined) {
      tracked = { connection, listener: undefined, session: undefined, generation: 0 };
      this.#tracked.set(connection, tracked);
    }
    this.#over(tracked);
    this.#refused.delete(connection.address);
    if (connection.protocol === 3) this.#ask(tracked, ['client', 'tracking', 'on']);
    else if (tracked.listener === undefined || tracked.listener.state === 'ended') this.#listen(tracked);
    else if (tracked.listener.state === 'up') this.#redirect(tracked, tracked.listener);
    this.#timer ??= this.#probeLater();
  }

  #end(connection: ReconnectingConnection, forGood: boolean): void {
    const tracked = this.#tracked.get(connection);
    if (tracked === undefined) return;
    this.#over(tracked);
    if (!forGood) return;
    this.#refused.delete(connection.address);
    this.#tracked.delete(connection);
    tracked.listener?.close(new Error('Connection is closed.'));
    if (this.#tracked.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #over(tracked: Tracked): void {
    tracked.generation++;
    const { session } = tracked;
    if (session === undefined) return;
    tracked.session = undefined;
    session.live = false;
    this.#events.onEnded(session);
  }

  // A server without tracking, or a user who may not: nothing is kept of that node.
  #ask(tracked: Tracked, argv: readonly string[]): void {
    const { generation, connection } = tracked;
    const sink: CallSink = {
      onReply: (_call, reply, from) => {
        if (tracked.generation !== generation) return;
        if (reply instanceof Error) {
          this.#refused.add(connection.address);
          return;
        }
        tracked.session = { address: connection.address, live: true };
        this.#sessions.set(from, tracked.session);
      },
      onLost: () => {},
    };
    connection.send(new Call(argv, -1, CallFlag.readOnly, 'utf8', undefined, sink));
  }

  #listen(tracked: Tracked): void {
    const { connection } = tracked;
    tracked.listener = this.#host.connection(connection.address, {
      onState: (listener, state) => {
        if (listener !== tracked.listener) return;
        if (state === 'backoff' || state === 'ended') this.#refused.add(connection.address);
        if (state !== 'up') this.#over(tracked);
        else if (connection.state === 'up') this.#redirect(tracked, listener);
      },
      onSilence: (listener, silent) => {
        if (silent && listener === tracked.listener) this.#over(tracked);
        else if (connection.state === 'up') this.#redirect(tracked, listener);
      },
      onPush: (listener, push) => this.receive(listener, push),
    });
    tracked.listener.open();
  }

  // The listener must be subscribed before notices are sent its way, or the first could be missed.
  #redirect(tracked: Tracked, listener: ReconnectingConnection): void {
    this.#over(tracked);
    this.#refused.delete(listener.address);
    const { generation } = tracked;
    const id = ownCall(['client', 'id']);
    const subscribe = new Call(['subscribe', channel], -1, CallFlag.subscribing, 'utf8', undefined, directSink);
    const subscribed = new Promise((resolve, reject) => {
      subscribe.resolve = resolve;
      subscribe.reject = reject;
    });
    Promise.all([id.answer, subscribed]).then(
      ([number]) => {
        if (tracked.generation === generation)
          this.#ask(tracked, ['client', 'tracking', 'on', 'redirect', String(number)]);
      },
      // Lost: the listener's next connection asks again. Refused: nothing is kept of that node.
      () => void this.#refused.add(listener.address),
    );
    for (const call of [id.call, subscribe]) if (!listener.send(call)) call.fail(new Error('Connection is closed.'));
  }

  // A connection that nothing is asked on is not missed when it dies without notice: so something is asked.
  #probeLater(): Timer | undefined {
    const period = this.#host.silenceTimeout;
    if (period <= 0) return undefined;
    return this.#world.after(period, () => {
      this.#timer = this.#probeLater();
      for (const { session, connection, listener } of this.#tracked.values()) {
        if (session === undefined) continue;
        probe(connection);
        if (listener === undefined) continue;
        probe(listener);
        listener.peer.look({ silence: period, deadline: Number.POSITIVE_INFINITY, hasty: true });
      }
    });
  }
}

function probe(connection: ReconnectingConnection): void {
  if (connection.state !== 'up' || connection.load > 0) return;
  const { call, answer } = ownCall(['ping']);
  answer.catch(() => undefined);
  connection.send(call);
}
