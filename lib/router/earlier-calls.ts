// A call with a connection of its own must not overtake what was sent to its node before it (RPUSH, then BLPOP): while
// there is any on the shared connection, the answer to a PING behind it says that the server has had it all.
// Owns the calls that wait so.

import { Backlog } from '../base/backlog.ts';
import { ownCall, type Parcel } from '../connection/call.ts';
import type { Keeper } from '../connection/keeper.ts';

export class EarlierCalls {
  readonly #go: (parcel: Parcel) => void;
  readonly #waiting = new Set<Parcel>();
  readonly #backlog: Backlog;
  /** Once is enough. */
  readonly #done = new WeakSet<Parcel>();

  /** `go` sends what has waited; `backlog`: the client's, where it counts. */
  constructor(go: (parcel: Parcel) => void, backlog: Backlog) {
    this.#go = go;
    this.#backlog = new Backlog({}, backlog);
  }

  /** True: the parcel waits for what `shared` owes, or its queue is full and it has failed. */
  holds(parcel: Parcel, shared: Keeper | undefined): boolean {
    if (shared === undefined || shared.load === 0 || this.#done.has(parcel)) return false;
    const { bytes } = parcel;
    const full = this.#backlog.refusal(1, bytes, shared.address);
    if (full !== undefined) {
      parcel.fail(full);
      return true;
    }
    const { call, answer } = ownCall(['ping']);
    if (!shared.send(call)) return false;
    this.#waiting.add(parcel);
    this.#backlog.add(1, bytes);
    const go = (): void => {
      this.#waiting.delete(parcel);
      this.#backlog.remove(1, bytes);
      this.#done.add(parcel);
      this.#go(parcel);
    };
    answer.then(go, go);
    return true;
  }

  forEach(visit: (parcel: Parcel) => void): void {
    for (const parcel of this.#waiting) visit(parcel);
  }
}
