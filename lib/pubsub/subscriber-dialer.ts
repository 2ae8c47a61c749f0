// Finds a node that lets a subscriber in. A connection may take as long as `connectTimeout`; while it does, other nodes
// are tried beside it, each after a longer pause, and the first that is up is taken. Failures are followed by pauses
// that grow, with jitter: many clients lose the same node at once.
// Invariant: while it searches, a dial is under way or a timer runs; never more than `mostDials` at a time.

import { AbortError } from '../base/errors.ts';
import type { Timer, World } from '../base/world.ts';
import type { ReconnectingConnection, ReconnectingEvents } from '../connection/reconnecting-connection.ts';
import type { NodePool } from '../router/node-pool.ts';

const mostDials = 3;
/** Milliseconds until a second node is tried beside the first; twice as long for the third. */
const besidePause = 2000;
/** Milliseconds after the first failure, doubling up to `longestPause`. */
const firstPause = 50;
const longestPause = 2000;

export interface DialerEvents {
  /** A connection that is through its handshake; the dialer has forgotten it. */
  onUp(connection: ReconnectingConnection): void;
  /** What happens to that connection later. */
  readonly later: Required<Pick<ReconnectingEvents, 'onState' | 'onSilence' | 'onPush'>>;
}

export class SubscriberDialer {
  readonly #pool: NodePool;
  readonly #world: World;
  readonly #connectionName: string;
  readonly #events: DialerEvents;
  readonly #dials = new Set<ReconnectingConnection>();
  /** Nodes that have not let us in since the last connection, and why. */
  readonly #refusals = new Map<string, string>();
  #timer: Timer | undefined;
  #failures = 0;

  constructor(pool: NodePool, world: World, connectionName: string, events: DialerEvents) {
    this.#pool = pool;
    this.#world = world;
    this.#connectionName = connectionName;
    this.#events = events;
  }

  get searching(): boolean {
    return this.#dials.size > 0 || this.#timer !== undefined;
  }

  /** Who is being dialed and who has refused, in words; empty when nobody was tried. */
  get story(): string {
    const parts = [...this.#refusals].map(([key, why]) => `${key}: ${why}`);
    for (const { address } of this.#dials) parts.push(`${address}: being dialed`);
    return parts.join('; ');
  }

  /** Begins to look for a node; a no-op while it does. `left`: a node to be tried last. */
  search(left?: ReconnectingConnection): void {
    if (left !== undefined) this.#refusals.set(left.address, left.lastError?.message ?? 'silent');
    if (!this.searching) this.#dial();
  }

  /** As search(), after a pause. */
  searchLater(left: ReconnectingConnection): void {
    this.#refusals.set(left.address, left.lastError?.message ?? 'silent');
    if (!this.searching) this.#pauseAfterFailure();
  }

  /** New nodes may be there: one that waits for its turn need not. */
  mapChanged(): void {
    if (this.#dials.size > 0 || this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.#dial();
  }

  /** The connection in use is good for something: the next loss is a first one again. */
  proved(): void {
    if (this.#failures === 0 && this.#refusals.size === 0) return;
    this.#failures = 0;
    this.#refusals.clear();
  }

  stop(reason: Error): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const connection of [...this.#dials]) {
      this.#dials.delete(connection);
      connection.close(reason);
    }
  }

  #dial(): void {
    const key = this.#candidate();
    if (key === undefined) {
      if (this.#dials.size === 0) this.#pauseAfterFailure();
      return;
    }
    const { later } = this.#events;
    const connection = this.#pool.connection(
      key,
      false,
      {
        onState: (one, state, reason) => {
          if (!this.#dials.has(one)) later.onState(one, state, reason);
          else if (state === 'up') this.#up(one);
          else if (state === 'backoff' || state === 'ended') this.#failed(one, reason);
        },
        onSilence: (one, silent) => {
          if (!this.#dials.has(one)) later.onSilence(one, silent);
        },
        onPush: later.onPush,
      },
      { connectionName: this.#connectionName },
    );
    this.#dials.add(connection);
    this.#timer = this.#world.after(besidePause * this.#dials.size * this.#jitter(), () => {
      this.#timer = undefined;
      if (this.#dials.size < mostDials) this.#dial();
    });
    connection.open();
  }

  // Not proved yet: a node may let everybody in and close at the first word.
  #up(connection: ReconnectingConnection): void {
    this.#dials.delete(connection);
    this.stop(new AbortError('Connection is closed.', { code: 'ERR_CLOSED' }));
    this.#events.onUp(connection);
  }

  #failed(connection: ReconnectingConnection, reason: Error | undefined): void {
    this.#dials.delete(connection);
    this.#refusals.set(connection.address, reason?.message ?? 'Connection is closed.');
    connection.close(new AbortError('Connection is closed.', { node: connection.address }));
    if (this.#dials.size > 0) return;
    this.#timer?.cancel();
    this.#pauseAfterFailure();
  }

  #pauseAfterFailure(): void {
    const pause = Math.min(firstPause * 2 ** Math.min(this.#failures++, 10), longestPause);
    // Held: users await their subscriptions.
    this.#timer = this.#world.after(
      pause * this.#jitter(),
      () => {
        this.#timer = undefined;
        this.#dial();
      },
      true,
    );
  }

  #jitter(): number {
    return 0.75 + this.#world.random() * 0.5;
  }

  // A node known to be up, else one that nobody has tried, else any; those that have refused only if there is no other.
  #candidate(): string | undefined {
    const dialed = new Set([...this.#dials].map(({ address }) => address));
    const nodes = [...this.#pool.all()].filter((node) => node.inMap && !dialed.has(node.key));
    const others = nodes.filter(({ key }) => !this.#refusals.has(key));
    for (const group of [
      others.filter(({ connection }) => connection.state === 'up' && !connection.peer.silent),
      others.filter(({ connection }) => connection.state === 'idle'),
      others,
      nodes,
    ]) {
      if (group.length > 0) return group[Math.floor(this.#world.random() * group.length)]!.key;
    }
    return undefined;
  }
}
