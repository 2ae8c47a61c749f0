// Keys on their way to another node: until the exchange is over, every other command on them waits.
// Invariant: a key is locked by at most one exchange; whoever waited runs in order of arrival once it is free.

export class KeyLocks {
  readonly #locked = new Set<string>();
  #waiting: (() => void)[] = [];

  get size(): number {
    return this.#locked.size;
  }

  isLocked(key: string): boolean {
    return this.#locked.has(key);
  }

  lock(keys: readonly string[]): void {
    for (const key of keys) this.#locked.add(key);
  }

  /** Frees keys and lets everyone who waits try again. */
  unlock(keys: readonly string[]): void {
    for (const key of keys) this.#locked.delete(key);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) run();
  }

  /** Runs `retry` after the next unlock; gives back what to call to wait no longer. */
  onUnlock(retry: () => void): () => void {
    this.#waiting.push(retry);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== retry);
    };
  }
}
