// One connection and what is thought of it: looks, lets a server be asked about it, and closes it where it is certain that
// nothing will come. Owns the watchdog; the connection belongs to the reconnecting-connection.

import { RedisError, SilentNodeError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { DecoderOptions } from '../wire/decoder.ts';
import { CallFlag } from './call.ts';
import type { Connection } from './connection.ts';
import type { DialOptions } from './dial.ts';
import type { HandshakeOptions } from './handshake.ts';
import { type Findings, Inquiry } from './inquiry.ts';
import { neverArrived, Watchdog } from './watchdog.ts';

/** Milliseconds. */
export interface SilenceLimits {
  /** Without a sign of life while calls wait: wonder. */
  readonly silence: number;
  /** Silent for so long, and nothing is known of the server: give up what waits. */
  readonly deadline: number;
  /** Nothing here is ever executed twice (a subscription): close it as soon as the server answers elsewhere. */
  readonly hasty?: boolean;
}

export class Watch {
  readonly connection: Connection;
  readonly #dial: DialOptions & HandshakeOptions & DecoderOptions;
  readonly #world: World;
  readonly #watchdog: Watchdog;
  /** New calls are held back, or no longer. */
  readonly #onHold: (held: boolean) => void;
  /** The server has said what it does with this connection. */
  #explained = false;

  constructor(
    connection: Connection,
    dial: DialOptions & HandshakeOptions & DecoderOptions,
    world: World,
    onHold: (held: boolean) => void,
  ) {
    this.connection = connection;
    this.#dial = dial;
    this.#world = world;
    this.#watchdog = new Watchdog(world);
    this.#onHold = onHold;
  }

  get holds(): boolean {
    return this.#watchdog.holds;
  }

  get doubtful(): boolean {
    return this.#watchdog.opinion !== 'fine';
  }

  /** Milliseconds for which the server has not shown that it is alive; 0 when it is, as far as anybody knows. */
  get muteFor(): number {
    return this.#watchdog.opinion === 'mute' ? this.connection.silence : 0;
  }

  /** One look; to be repeated more often than the limits. */
  look(limits: SilenceLimits): void {
    const { connection } = this;
    const { silence } = connection;
    if (silence < limits.silence) return;
    const patient = ((connection.head?.flags ?? 0) & (CallFlag.slow | CallFlag.blocking)) !== 0;
    if (silence >= limits.deadline && this.#hopeless(patient)) {
      connection.destroy(new SilentNodeError(connection.address, limits.deadline));
      return;
    }
    const held = this.holds;
    if (!this.#watchdog.look(silence, limits.silence, patient)) return;
    connection.watched = true;
    if (this.holds !== held) this.#onHold(this.holds);
    void this.#ask(limits);
  }

  /** A byte came. */
  heard(): void {
    this.#explained = false;
    if (this.#watchdog.reset()) this.#onHold(false);
  }

  // Mute, or alive and nobody may say what it does with this connection: no use to wait for ever.
  #hopeless(patient: boolean): boolean {
    const { opinion } = this.#watchdog;
    return opinion === 'mute' || (opinion === 'alive' && !this.#explained && !patient);
  }

  #ask(limits: SilenceLimits): Promise<void> {
    const { connection } = this;
    const subject = { clientId: connection.clientId, age: this.#world.now() - connection.openedAt };
    return Inquiry.about(subject, connection.address, this.#dial, limits.silence, this.#world, (findings, inquiry) =>
      this.#found(findings, inquiry, limits),
    ).catch(() => undefined);
  }

  async #found(findings: Findings, inquiry: Inquiry | undefined, limits: SilenceLimits): Promise<void> {
    const { connection } = this;
    if (connection.closed) return;
    const { silence } = connection;
    const held = this.holds;
    let ruling = this.#watchdog.found(findings, silence, limits.silence);
    this.#explained = findings.kind === 'busy';
    if (this.holds !== held) this.#onHold(this.holds);
    if (limits.hasty && (findings.kind === 'alive' || findings.kind === 'idle')) ruling = 'lost';
    if (ruling === 'wait' || silence === 0) return;
    if (ruling === 'kill') {
      if (connection.clientId === undefined || !(await inquiry?.kill(connection.clientId))) return;
      // Nothing of it can be executed any more. What has not even arrived is as good as never sent.
      if (findings.kind === 'idle' && connection.activity.untouched && neverArrived(findings.idle, silence)) {
        connection.takeBackAll();
      }
    }
    const { address: node } = connection;
    connection.destroy(new RedisError('Connection is closed.', { code: 'ECONNRESET', node }));
  }
}
