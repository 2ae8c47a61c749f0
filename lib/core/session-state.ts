// What commands have set on one connection and the next one does not know: the database selected, and a MULTI sent by
// itself. The database is selected on the new connection; what was meant for a transaction that is lost is never sent
// outside of it. Owns both; knows no socket.

import { abortedByClose } from '../base/errors.ts';
import type { Call, RoutableRequest } from '../connection/call.ts';

interface OpenTransaction {
  readonly multi: Call;
  /** The connection that has it open; undefined until MULTI is answered. */
  connection: number | undefined;
}

const noted = new Set(['select', 'multi', 'exec', 'discard', 'quit'].flatMap((name) => [name, name.toUpperCase()]));

export class SessionState {
  /** Counts connections: the number of the one in use. */
  readonly #connection: () => number;
  readonly #onSelect: (db: number) => void;
  #db: number;
  /** Of this connection. */
  #current: number;
  /** The last `select` event; ioredis emits it when SELECT is sent, not when it is answered. */
  #announced: number;
  #open: OpenTransaction | undefined;
  readonly #parts = new WeakMap<RoutableRequest, OpenTransaction>();

  constructor(db: number, connection: () => number, onSelect: (db: number) => void) {
    this.#db = db;
    this.#current = db;
    this.#announced = db;
    this.#connection = connection;
    this.#onSelect = onSelect;
  }

  /** The database that the server has confirmed last. */
  get db(): number {
    return this.#db;
  }

  /** The database that commands issued now will find. */
  get intended(): number {
    return this.#announced;
  }

  /** A new connection: its handshake has selected the database of the options. */
  connected(db: number): void {
    this.#announced = db;
    this.#current = db;
  }

  announce(db: number): void {
    if (db === this.#announced) return;
    this.#announced = db;
    this.#onSelect(db);
  }

  /** The database in use on the connection of now. */
  get current(): number {
    return this.#current;
  }

  /** MULTI was sent by itself, and neither EXEC nor DISCARD since: the server queues what comes. */
  get inTransaction(): boolean {
    return this.#open !== undefined;
  }

  /** Notes a call before it is sent for the first time. An error: it must not be; `quit`: it ends the connection. */
  admit(call: Call): Error | 'quit' | undefined {
    if (this.#open === undefined && !noted.has(call.name)) return undefined;
    const name = call.name.toLowerCase();
    if (name === 'quit') return 'quit';
    if (name === 'select') this.#followSelect(call, call);
    else if (name === 'multi') this.#followMulti(call);
    else if (this.#open !== undefined) {
      const open = this.#open;
      if (name === 'exec' || name === 'discard') this.#open = undefined;
      if (open.connection !== undefined && open.connection !== this.#connection()) return abortedByClose();
      this.#parts.set(call, open);
    }
    return undefined;
  }

  /** Why a call that lost its connection must not be sent on another one. */
  refusal(request: RoutableRequest): Error | undefined {
    return this.#parts.get(request)?.connection === undefined ? undefined : abortedByClose();
  }

  /** Notes a call inside a transaction: what it does is done once `exec` is answered with results. */
  watch(call: Call, exec: Call): void {
    if (call.name.toLowerCase() === 'select') this.#followSelect(call, exec);
  }

  #followSelect(call: Call, decisive: Call): void {
    const db = Number(call.argv[1]);
    if (!Number.isInteger(db)) return;
    this.announce(db);
    decisive.onSettled((_call, error, value) => {
      if (error !== null || value === null) return;
      this.#db = db;
      this.#current = db;
    });
  }

  #followMulti(multi: Call): void {
    const open: OpenTransaction = { multi, connection: undefined };
    this.#open = open;
    multi.onSettled((_call, error) => {
      if (error === null) open.connection = this.#connection();
      else if (this.#open === open) this.#open = undefined;
    });
  }
}
