// What commands have told one connection and the next one does not know: the database selected, and a MULTI sent by
// itself. The database is told to the new connection; what was meant for a transaction that is lost is never sent
// outside of it. Owns both; knows no socket.

import { AbortError } from '../base/errors.ts';
import type { Call, CallGroup, Parcel } from '../connection/call.ts';

interface OpenTransaction {
  readonly multi: Call;
  /** The connection that has it open; undefined until MULTI is answered. */
  connection: number | undefined;
}

const words = new Set(['select', 'multi', 'exec', 'discard'].flatMap((word) => [word, word.toUpperCase()]));

export class ConnectionState {
  /** Counts connections: the number of the one in use. */
  readonly #connection: () => number;
  readonly #onSelect: (db: number) => void;
  #db: number;
  #open: OpenTransaction | undefined;
  readonly #parts = new WeakMap<Parcel, OpenTransaction>();

  constructor(db: number, connection: () => number, onSelect: (db: number) => void) {
    this.#db = db;
    this.#connection = connection;
    this.#onSelect = onSelect;
  }

  /** The database that the server has confirmed last. */
  get db(): number {
    return this.#db;
  }

  /** Notes a call before it is sent for the first time; an error: it must not be. */
  admit(call: Call): Error | undefined {
    if (this.#open === undefined && !words.has(call.name)) return undefined;
    const name = call.name.toLowerCase();
    if (name === 'select') this.#followSelect(call);
    else if (name === 'multi') this.#followMulti(call);
    else if (this.#open !== undefined) {
      const open = this.#open;
      if (name === 'exec' || name === 'discard') this.#open = undefined;
      if (open.connection !== undefined && open.connection !== this.#connection()) return aborted();
      this.#parts.set(call, open);
    }
    return undefined;
  }

  /** Why a call that lost its connection must not be sent on another one. */
  refusal(parcel: Parcel): Error | undefined {
    return this.#parts.get(parcel)?.connection === undefined ? undefined : aborted();
  }

  #followSelect(call: Call): void {
    const db = Number(call.argv[1]);
    if (!Number.isInteger(db)) return;
    whenDone(call, (error) => {
      if (error !== null || db === this.#db) return;
      this.#db = db;
      this.#onSelect(db);
    });
  }

  #followMulti(multi: Call): void {
    const open: OpenTransaction = { multi, connection: undefined };
    this.#open = open;
    whenDone(multi, (error) => {
      if (error === null) open.connection = this.#connection();
      else if (this.#open === open) this.#open = undefined;
    });
  }
}

/** The text is ioredis's. */
function aborted(): Error {
  return new AbortError('Command aborted due to connection close', { code: 'ERR_CLOSED' });
}

/** Tells the outcome of a call before its caller hears of it. */
function whenDone(call: Call, done: (error: Error | null) => void): void {
  const group: CallGroup | null = call.group;
  const { resolve, reject } = call;
  if (group !== null) {
    call.group = {
      settled: (settled, error, value) => {
        done(error);
        group.settled(settled, error, value);
      },
    };
    return;
  }
  call.resolve = (value) => {
    done(null);
    resolve(value);
  };
  call.reject = (error) => {
    done(error);
    reject(error);
  };
}
