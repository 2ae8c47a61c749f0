// Callers that wait for the outcome of an attempt to connect.
// Invariant: each is settled once, by the next outcome.

export class ReadyWaiters {
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];

  /** Resolves at the next success, rejects at the next failure. */
  next(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Those who wait until now. Call what it returns to settle them: with an error, or with none. */
  take(): (error?: Error) => void {
    const waiters = this.#waiters;
    this.#waiters = [];
    return (error) => {
      for (const { resolve, reject } of waiters) error === undefined ? resolve() : reject(error);
    };
  }
}
