// What is to be cancelled when an AbortSignal fires, however much it is: one listener a signal, put on with the first
// and taken off with the last. A listener each would make Node warn from the eleventh on, and taking one off again is
// a walk over all of them.
// Invariant: a signal has a listener of ours exactly while something is to be cancelled by it.

/** Something that can be given up. */
export interface Cancelled {
  cancel(): void;
}

export class AbortGroup {
  readonly #signal: AbortSignal;
  readonly #members = new Set<Cancelled>();
  readonly #fire = (): void => {
    const members = [...this.#members];
    this.#members.clear();
    for (const member of members) member.cancel();
  };

  private constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** The group of a signal: always the same one. */
  static of(signal: AbortSignal): AbortGroup {
    let group = groups.get(signal);
    if (group === undefined) {
      group = new AbortGroup(signal);
      groups.set(signal, group);
    }
    return group;
  }

  get size(): number {
    return this.#members.size;
  }

  /** `member` is cancelled when the signal fires, once; not for a signal that has fired already. */
  add(member: Cancelled): void {
    if (this.#members.size === 0) this.#signal.addEventListener('abort', this.#fire, { once: true });
    this.#members.add(member);
  }

  delete(member: Cancelled): void {
    if (this.#members.delete(member) && this.#members.size === 0) this.#signal.removeEventListener('abort', this.#fire);
  }
}

const groups = new WeakMap<AbortSignal, AbortGroup>();
