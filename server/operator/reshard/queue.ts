// Moves that wait for their turn: those of higher priority first, among equals in order of arrival.
// Invariant: whatever was added is given out once, in O(1).

const priorities = 10;

interface Line<T> {
  readonly entries: (T | undefined)[];
  next: number;
}

export class MoveQueue<T> {
  /** By priority, 1 to 10. */
  readonly #lines: readonly Line<T>[] = Array.from({ length: priorities + 1 }, () => ({ entries: [], next: 0 }));

  get size(): number {
    return this.#lines.reduce((sum, { entries, next }) => sum + entries.length - next, 0);
  }

  add(entry: T, priority: number): void {
    this.#lines[priority]!.entries.push(entry);
  }

  /** The next one; undefined: nobody waits. */
  take(): T | undefined {
    for (let priority = priorities; priority > 0; priority--) {
      const line = this.#lines[priority]!;
      if (line.next === line.entries.length) continue;
      const entry = line.entries[line.next];
      line.entries[line.next++] = undefined;
      if (line.next === line.entries.length) {
        line.entries.length = 0;
        line.next = 0;
      }
      return entry;
    }
    return undefined;
  }
}
