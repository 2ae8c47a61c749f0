// A replica's side of replication: keeps one link to its master, applies what comes, says how far it got.
// Knows effects as words; applying them is its host's. Invariant: what is applied is exactly the master's copy and
// the effects after it; a lost link is dialled again until told to stop, and begins with a new copy.

import type { Timer, World } from '../../lib/base/world.ts';
import type { Copy, DialPrimary, PrimarySession, ReplicaIdentity, StreamAddress, Words } from './transport.ts';

export interface ReplicaHost {
  readonly world: World;
  identity(): ReplicaIdentity;
  /** Replaces all data by the copy. */
  load(copy: Copy): void;
  applyEffects(batch: readonly Words[]): void;
  onLinkChanged(up: boolean): void;
  /** The offset moved: `before` is where it stood. */
  onApplied(before: number): void;
}

const redialMs = 100;
/** Batches kept back at most; then the link is given up and a new copy is taken later. */
const heldLimit = 100_000;

export class Replica {
  readonly #host: ReplicaHost;
  readonly #dial: DialPrimary;
  #address: StreamAddress | undefined;
  #session: PrimarySession | undefined;
  #timer: Timer | undefined;
  #offset = 0;
  #up = false;
  #held: (() => void)[] | undefined;

  constructor(host: ReplicaHost, dial: DialPrimary) {
    this.#host = host;
    this.#dial = dial;
  }

  /** Bytes of the master's stream that have been applied. */
  get offset(): number {
    return this.#offset;
  }

  /** Whether the copy has arrived and the link holds. */
  get linked(): boolean {
    return this.#up;
  }

  get address(): StreamAddress | undefined {
    return this.#address;
  }

  follow(address: StreamAddress): void {
    const same = this.#address?.host === address.host && this.#address.port === address.port;
    if (same && this.#session !== undefined) return;
    this.stop();
    this.#address = address;
    this.#connect();
  }

  /** Keeps back what arrives, as a stopped process would; false applies it, in order. */
  hold(held: boolean): void {
    if (held) {
      this.#held ??= [];
      return;
    }
    const waiting = this.#held ?? [];
    this.#held = undefined;
    for (const run of waiting) run();
  }

  /** Ends replication; what was applied stays. */
  stop(): void {
    this.#address = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#session?.close();
    this.#session = undefined;
    this.#setUp(false);
  }

  #connect(): void {
    const address = this.#address;
    if (address === undefined) return;
    const session: PrimarySession = this.#dial(address, this.#host.identity(), {
      full: (copy) => this.#take(session, () => this.#onCopy(session, copy)),
      effects: (batch, offset) => this.#take(session, () => this.#onEffects(session, batch, offset)),
      closed: () => this.#take(session, () => this.#onClosed()),
    });
    this.#session = session;
  }

  #take(session: PrimarySession, act: () => void): void {
    const run = (): void => {
      if (this.#session === session) act();
    };
    if (this.#held === undefined) run();
    else if (this.#held.length < heldLimit) this.#held.push(run);
    else {
      session.close();
      this.#onClosed();
    }
  }

  #onCopy(session: PrimarySession, copy: Copy): void {
    this.#host.load(copy);
    this.#offset = copy.offset;
    this.#setUp(true);
    session.ack(copy.offset);
  }

  #onEffects(session: PrimarySession, batch: readonly Words[], offset: number): void {
    const before = this.#offset;
    this.#host.applyEffects(batch);
    this.#offset = offset;
    session.ack(offset);
    this.#host.onApplied(before);
  }

  #onClosed(): void {
    this.#session = undefined;
    this.#setUp(false);
    this.#timer = this.#host.world.after(redialMs, () => this.#connect());
  }

  #setUp(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    this.#host.onLinkChanged(up);
  }
}
