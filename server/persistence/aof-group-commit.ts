// The writes of one turn of the loop on their way into the log, and the replies that wait for them.
// Knows the log and effects, no clients. Invariant: no reply leaves before the writes it follows from are in the log,
// with `always` on the disk.

import { queueMicrotask, setImmediate } from '../../lib/base/turns.ts';
import type { Effect } from '../engine/ports.ts';
import type { AppendLog } from './aof/log.ts';

export class LogWrites {
  /** Undefined: no log is kept. */
  log: AppendLog | undefined;
  /** DEBUG AOF-FLUSH-SLEEP. */
  beforeFlush: (() => void) | undefined;
  readonly #onLost: (error: unknown) => void;
  /** Writes were appended that are not in the file yet. */
  #unwritten = false;
  readonly #held = new Set<() => void>();

  /** `onLost` is called for writes that could not be logged. */
  constructor(onLost: (error: unknown) => void) {
    this.#onLost = onLost;
  }

  append(effects: readonly Effect[]): void {
    if (this.log === undefined) return;
    try {
      this.log.append(effects);
    } catch (error) {
      this.log.breakOff(error as Error);
      this.#onLost(error);
    }
    if (this.#unwritten) return;
    this.#unwritten = true;
    // Not every write has a client that waits for a reply. A disk that is waited for takes the writes of all clients
    // that are heard in one turn of the loop; without that there is nothing to gain from waiting.
    if (this.log.policy === 'always') setImmediate(() => this.flush());
    else queueMicrotask(() => this.flush());
  }

  /** As PersistencePort.canFlushReplies. */
  canFlushReplies(again: () => void): boolean {
    if (!this.#unwritten) return true;
    if (this.log?.policy === 'always') {
      this.#held.add(again);
      return false;
    }
    this.flush();
    return true;
  }

  /** Writes what was appended, then lets the replies leave that wait for it. */
  flush(): void {
    if (!this.#unwritten) return;
    this.#unwritten = false;
    this.beforeFlush?.();
    try {
      this.log?.flush();
    } catch (error) {
      this.#onLost(error);
    }
    const held = [...this.#held];
    this.#held.clear();
    for (const again of held) again();
  }
}
