// Requests that report on other clients, or end them, run once what those have sent before is known.
// Sockets are read one after the other, in an order of the system's: CLIENT LIST, read first, would show a client that
// has sent megabytes as idle.
// Owns: the requests that wait, for the rest of one turn of the event loop.
// Does not know: sockets; who reads them says when it has read them all (`onceRead`).

export class Arrivals {
  /** Runs something when all that has arrived by now was read. Undefined: requests come from nowhere outside. */
  onceRead: ((run: () => void) => void) | undefined = undefined;
  #waiting = new Set<() => void>();
  #allRead = false;

  /** What had arrived when this turn of the event loop began is known. */
  get allRead(): boolean {
    return this.#allRead || this.onceRead === undefined;
  }

  /** `run` is called when all is read. Gives back what forgets it. */
  wait(run: () => void): () => void {
    const waiting = this.#waiting;
    waiting.add(run);
    if (waiting.size === 1) this.onceRead?.(() => this.#runAll());
    return () => void waiting.delete(run);
  }

  #runAll(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    this.#allRead = true;
    try {
      for (const run of waiting) run();
    } finally {
      this.#allRead = false;
    }
  }
}
