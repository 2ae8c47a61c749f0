// Where the records of moves are kept, so that a crash of whoever moves slots leaves no slot open for ever.
// Invariant: the file is always a whole older or a whole newer one (written beside it, synced, renamed), and one write
// carries everything that was asked for while the last one was under way.

import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type MoveRecord, parseRecords, printRecords } from './record.ts';

export interface Journal {
  /** What was kept last; none: an empty list. Rejects, and leaves the file alone, when it cannot be read as records. */
  load(): Promise<MoveRecord[]>;
  /** Resolves when the records as `current` gives them are safe. */
  save(current: () => readonly MoveRecord[]): Promise<void>;
}

/** Lives as long as the process. */
export class MemoryJournal implements Journal {
  #current: () => readonly MoveRecord[] = () => [];

  async load(): Promise<MoveRecord[]> {
    return [...this.#current()];
  }

  async save(current: () => readonly MoveRecord[]): Promise<void> {
    this.#current = current;
  }
}

export class FileJournal implements Journal {
  readonly #path: string;
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async load(): Promise<MoveRecord[]> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    try {
      return parseRecords(text);
    } catch (error) {
      throw new Error(`${this.#path}: ${(error as Error).message}`);
    }
  }

  async save(current: () => readonly MoveRecord[]): Promise<void> {
    if (this.#writing === undefined) {
      this.#writing = this.#write(current).finally(() => {
        this.#writing = undefined;
      });
      return this.#writing;
    }
    // The write under way may have read the records already: one more, for everyone who asked since.
    this.#next ??= this.#writing
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.save(current);
      });
    return this.#next;
  }

  async #write(current: () => readonly MoveRecord[]): Promise<void> {
    const beside = `${this.#path}.tmp`;
    await mkdir(dirname(this.#path), { recursive: true });
    const file = await open(beside, 'w');
    try {
      await file.writeFile(printRecords(current()));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, this.#path);
  }
}
