// Asks a server, over a second connection, about a first one that owes answers and says nothing. The clock alone cannot
// distinguish a busy server from a dead path; the server can: it knows whether it still has the first connection, and what it is
// doing there. Decides nothing: the watchdog does.
// Sources: CLIENT LIST ID (6.2), CLIENT KILL ID; the fields of CLIENT LIST.

import type { World } from '../base/world.ts';
import type { DecoderOptions } from '../wire/decoder.ts';
import { ReplyError } from '../wire/reply.ts';
import { ownCall } from './call.ts';
import { Connection, type ConnectionEvents } from './connection.ts';
import { type DialOptions, dial, type Socket } from './dial.ts';
import { type HandshakeOptions, shakeHands } from './handshake.ts';

/** What a server says of the connection that was asked about. */
export type Findings =
  /** Nobody could be asked, or nobody answered in time. The server may be frozen, paused, overloaded or gone. */
  | { readonly kind: 'mute' }
  /** It answers here, and would not or could not say more. */
  | { readonly kind: 'alive' }
  /** It does not have the first connection (any more). */
  | { readonly kind: 'gone' }
  /** It is executing, blocked, paused, reading from it or writing to it. */
  | { readonly kind: 'busy' }
  /** It waits for the next command there, and has for `idle` whole seconds. */
  | { readonly kind: 'idle'; readonly idle: number };

/** The connection that is asked about. */
export interface Subject {
  /** The server's number for it. */
  readonly clientId: number | undefined;
  /** Milliseconds since it was opened. */
  readonly age: number;
}

const noEvents: ConnectionEvents = { onClose: () => {}, onPush: () => {}, onDrain: () => {}, onHeard: () => {} };

export class Inquiry {
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Opens a second connection and asks; never later than `limit` ms for each of its two steps, never rejects. `use` may
   * go on asking before the connection is closed.
   */
  static async about(
    subject: Subject,
    address: string,
    options: DialOptions & HandshakeOptions & DecoderOptions,
    limit: number,
    world: World,
    use: (findings: Findings, inquiry: Inquiry | undefined) => Promise<void> | void,
  ): Promise<void> {
    let socket: Socket;
    try {
      socket = await dial({ ...options, connectTimeout: limit }, world).opened;
    } catch {
      await use({ kind: 'mute' }, undefined);
      return;
    }
    const connection = new Connection(socket, address, options, world, noEvents);
    const timer = world.after(limit, () => connection.destroy(new Error('no answer')));
    const inquiry = new Inquiry(connection);
    try {
      const findings = (await inquiry.#answers(options)) ? await inquiry.#lookAt(subject) : ({ kind: 'mute' } as const);
      await use(findings, inquiry);
    } finally {
      timer.cancel();
      connection.destroy(new Error('asked'));
    }
  }

  /** CLIENT KILL ID; true when the server has closed that connection, so that nothing of it is executed any more. */
  async kill(clientId: number): Promise<boolean> {
    const reply = await this.#ask(['client', 'kill', 'id', String(clientId)]);
    return typeof reply === 'number' && reply > 0;
  }

  // Any answer is a sign of life, also a refusal: of the password, of the command, of a server that is busy.
  async #answers(options: HandshakeOptions): Promise<boolean> {
    try {
      await shakeHands(this.#connection, { ...options, connectionName: undefined, clientInfo: false, inStep: false });
    } catch (error) {
      return error instanceof ReplyError;
    }
    // With RESP2 and no password a handshake asks nothing.
    return (await this.#ask(['ping'])) !== undefined;
  }

  async #lookAt({ clientId, age }: Subject): Promise<Findings> {
    if (clientId === undefined) return { kind: 'alive' };
    const reply = await this.#ask(['client', 'list', 'id', String(clientId)]);
    if (reply instanceof ReplyError) return { kind: reply.code === 'BUSY' ? 'busy' : 'alive' };
    return typeof reply === 'string' ? findingsOf(reply, clientId, age) : { kind: 'alive' };
  }

  /** The answer, a ReplyError among them, or undefined when none came. */
  #ask(argv: readonly string[]): Promise<unknown> {
    const { call, answer } = ownCall(argv);
    if (!this.#connection.write(call)) call.fail(new Error('closed'));
    return answer.catch((error: unknown) => (error instanceof ReplyError ? error : undefined));
  }
}

/** Out of the reply to CLIENT LIST ID. `age`: milliseconds since we opened the connection. */
export function findingsOf(list: string, clientId: number, age: number): Findings {
  const line = list.split('\n').find((one) => fieldOf(one, 'id') === String(clientId));
  if (line === undefined) return { kind: list.trim() === '' ? 'gone' : 'alive' };
  const seconds = Number(fieldOf(line, 'age') ?? Number.NaN);
  const idle = Number(fieldOf(line, 'idle') ?? Number.NaN);
  if (Number.isNaN(seconds) || Number.isNaN(idle)) return { kind: 'alive' };
  // A server that was started again counts its clients anew: a younger one with our number is somebody else.
  if (seconds * 1000 < age - 3000) return { kind: 'gone' };
  if (/[bx]/.test(fieldOf(line, 'flags') ?? '')) return { kind: 'busy' };
  const pending = ['qbuf', 'argv-mem', 'obl', 'oll', 'omem'].some((name) => Number(fieldOf(line, name) ?? 0) > 0);
  return pending ? { kind: 'busy' } : { kind: 'idle', idle };
}

function fieldOf(line: string, name: string): string | undefined {
  return new RegExp(`(?:^| )${name}=(\\S*)`).exec(line)?.[1];
}
