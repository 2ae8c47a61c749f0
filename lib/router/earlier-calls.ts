// A call with a connection of its own must not overtake what was sent to its node before it (RPUSH, then BLPOP): while
// there is any on the shared connection, the answer to a PING behind it says that the server has had it all.
// Owns the calls that wait so.

import { Backlog } from '../base/backlog.ts';
import { ownCall, type RoutableRequest } from '../connection/call.ts';
import type { ReconnectingConnection } from '../connection/reconnecting-connection.ts';

export class EarlierCalls {
  readonly #go: (request: RoutableRequest) => void;
  readonly #waiting = new Set<RoutableRequest>();
  readonly #backlog: Backlog;
  /** Once is enough. */
  readonly #done = new WeakSet<RoutableRequest>();

  /** `go` sends what has waited; `backlog`: the client's, where it counts. */
  constructor(go: (request: RoutableRequest) => void, backlog: Backlog) {
    this.#go = go;
    this.#backlog = new Backlog({}, backlog);
  }

  /** True: the request waits for what `shared` owes, or its queue is full and it has failed. */
  holds(request: RoutableRequest, shared: ReconnectingConnection | undefined): boolean {
    if (shared === undefined || shared.load === 0 || this.#done.has(request)) return false;
    const { bytes } = request;
    const full = this.#backlog.refusal(1, bytes, shared.address);
    if (full !== undefined) {
      request.fail(full);
      return true;
    }
    const { call, answer } = ownCall(['ping']);
    if (!shared.send(call)) return false;
    this.#waiting.add(request);
    this.#backlog.add(1, bytes);
    const go = (): void => {
      this.#waiting.delete(request);
      this.#backlog.remove(1, bytes);
      this.#done.add(request);
      this.#go(request);
    };
    answer.then(go, go);
    return true;
  }

  forEach(visit: (request: RoutableRequest) => void): void {
    for (const request of this.#waiting) visit(request);
  }
}
