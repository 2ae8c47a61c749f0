// A connection that blocks for a caller who has left (commandTimeout, blockingTimeout, a signal), where it is shared with
// other calls: the server is asked to end that call, by CLIENT UNBLOCK from a second connection. Left armed it would
// swallow the next element and hold up everybody behind it. Nothing is dropped but a connection that owes nothing else.
// Source: CLIENT ID, CLIENT UNBLOCK (5.0).

import { AbortError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { type Call, CallFlag, ownCall } from '../connection/call.ts';
import { ReconnectingConnection } from '../connection/reconnecting-connection.ts';
import { connectionOptionsOf } from '../options/derive.ts';
import type { RedisOptions } from '../options/options.ts';

/** Milliseconds between looks at a call that is not yet first in line. */
const pause = 20;

export class Unblocker {
  readonly #connection: () => ReconnectingConnection;
  /** Makes a further connection to the same server. */
  readonly #second: () => ReconnectingConnection;
  readonly #world: World;
  readonly #ids = new WeakMap<Call, Promise<unknown>>();
  /** The question asked last, and on which connection: its id is asked for once. */
  #asked:
    | { readonly connection: ReconnectingConnection; readonly generation: number; readonly id: Promise<unknown> }
    | undefined;

  constructor(connection: () => ReconnectingConnection, second: () => ReconnectingConnection, world: World) {
    this.#connection = connection;
    this.#second = second;
    this.#world = world;
  }

  /** A call that blocks, and that may be given up, is about to be sent: asks by which id its connection is known. */
  note(call: Call): void {
    if (this.#ids.has(call)) return;
    const connection = this.#connection();
    if (this.#asked?.connection !== connection || this.#asked.generation !== generationOf(connection))
      this.#ask(connection);
    if (this.#asked !== undefined) this.#ids.set(call, this.#asked.id);
  }

  #ask(connection: ReconnectingConnection): void {
    const { call, answer } = ownCall(['client', 'id']);
    answer.catch(() => undefined);
    this.#asked = connection.send(call) ? { connection, generation: generationOf(connection), id: answer } : undefined;
  }

  /** The caller of `call` has left. */
  release(call: Call): void {
    void this.#free(call).catch(() => undefined);
  }

  async #free(call: Call): Promise<void> {
    const id = await this.#ids.get(call);
    for (;;) {
      const place = placeOf(call, this.#connection());
      // A second blocking call might be the one that the server ends: between two evils, what ioredis does.
      if (id === undefined || place === 'gone' || place === 'contested') return;
      if (place === 'first') break;
      await new Promise<void>((resolve) => this.#world.after(pause, resolve));
    }
    const connection = this.#connection();
    if (!(await this.#unblock(String(id))) && connection.load === 1 && placeOf(call, connection) === 'first') {
      connection.drop(new AbortError('Connection is closed.', { node: connection.address }));
    }
  }

  /** False when the server does not let us. */
  async #unblock(id: string): Promise<boolean> {
    const second = this.#second();
    const { call, answer } = ownCall(['client', 'unblock', id]);
    try {
      if (!second.send(call)) return false;
      await answer;
      return true;
    } catch {
      return false;
    } finally {
      second.close(new AbortError('Connection is closed.', { node: second.address }));
    }
  }
}

/** The connection that a call is sent on now; one that is still being dialed is the next. */
function generationOf(connection: ReconnectingConnection): number {
  return connection.state === 'up' ? connection.generation : connection.generation + 1;
}

/** Where a call stands among those that its connection owes answers to. */
function placeOf(call: Call, connection: ReconnectingConnection): 'gone' | 'behind' | 'contested' | 'first' {
  let at = -1;
  let before = 0;
  let contested = false;
  connection.forEachCall((one) => {
    if (one === call) at = before;
    else if (at < 0) before++;
    else contested ||= (one.flags & CallFlag.blocking) !== 0;
  });
  if (at < 0) return 'gone';
  if (at > 0) return 'behind';
  return contested ? 'contested' : 'first';
}

/** Whether the options know a limit for calls that block. */
export function limitsBlocking({ commandTimeout, blockingTimeout }: RedisOptions): boolean {
  return (commandTimeout ?? 0) > 0 || (blockingTimeout ?? 0) > 0;
}

/** Makes a short-lived connection to the node of `connection`: unnamed, tried once. */
export function secondOf(
  connection: () => ReconnectingConnection,
  options: RedisOptions,
  world: World,
): () => ReconnectingConnection {
  return () => {
    const [host, port] = [options.host ?? 'localhost', options.port ?? 6379];
    const all = { ...connectionOptionsOf(options, undefined), host, port, connectionName: undefined, db: undefined };
    const rules = { retryDelay: () => null, holdWhileDown: false, credentials: connection().credentials };
    return new ReconnectingConnection(connection().address, { ...all, ...rules }, world, { onState: () => {} });
  };
}
