// Keys on their way to another node: until the exchange is over, every other command on them waits.
// Invariant: a key is locked by at most one exchange; whoever waited runs in order of arrival once something is free.

export class KeyLocks {
  readonly #keys = new Set<string>();
  #waiting: (() => void)[] = [];

  /** Keys locked. */
  get size(): number {
    return this.#keys.size;
  }

  /** Whether an exchange has the key: other commands on it must wait. */
  isLocked(key: string): boolean {
    return this.#keys.has(key);
  }

  lock(keys: readonly string[]): void {
    for (const key of keys) this.#keys.add(key);
  }

  /** Frees keys and lets everyone who waits try again. */
  unlock(keys: readonly string[]): void {
    for (const key of keys) this.#keys.delete(key);
    this.#retryAll();
  }

  /** Runs `retry` after the next unlock; gives back what to call to wait no longer. */
  onUnlock(retry: () => void): () => void {
    this.#waiting.push(retry);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== retry);
    };
  }

  #retryAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) run();
  }
}
