// Keys on their way to another node: until the exchange is over, every other command on them waits.
// A whole slot may be held too, while its keys are taken back.
// Invariant: a key is locked by at most one exchange; whoever waited runs in order of arrival once something is free.

import { slotOfBinary } from '../../lib/wire/slot.ts';

export class KeyLocks {
  readonly #keys = new Set<string>();
  readonly #slots = new Set<number>();
  #waiting: (() => void)[] = [];

  /** Keys and slots locked. */
  get size(): number {
    return this.#keys.size + this.#slots.size;
  }

  /** Whether an exchange has this very key. */
  isMoving(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Whether a client's command on the key must wait. */
  isLocked(key: string): boolean {
    return this.#keys.has(key) || (this.#slots.size > 0 && this.#slots.has(slotOfBinary(key)));
  }

  lock(keys: readonly string[]): void {
    for (const key of keys) this.#keys.add(key);
  }

  /** Frees keys and lets everyone who waits try again. */
  unlock(keys: readonly string[]): void {
    for (const key of keys) this.#keys.delete(key);
    this.#retryAll();
  }

  holdSlot(slot: number, held: boolean): void {
    if (held) this.#slots.add(slot);
    else if (this.#slots.delete(slot)) this.#retryAll();
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
