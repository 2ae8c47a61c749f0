// The names that calls go by, where `rename-command` gave commands other ones. Names are in lower case.
// Invariant: a name belongs to one command at most.

import { entryOf } from '../acl/catalog.ts';

export class CommandNames {
  /** New name -> name in the table. */
  readonly #originals = new Map<string, string>();
  /** Names in the table that are not in use, or in use for another command. */
  readonly #left = new Set<string>();

  get untouched(): boolean {
    return this.#left.size === 0;
  }

  /** `''`: the command has no name any more. Throws an Error in redis-server's words. */
  rename(name: string, to: string): void {
    const original = this.originalOf(name);
    if (original === undefined || name.includes('|') || entryOf(original) === undefined) {
      throw new Error('No such command in rename-command');
    }
    this.#originals.delete(name);
    this.#left.add(original);
    if (to === '') return;
    const taken = this.#originals.has(to) || (entryOf(to) !== undefined && !this.#left.has(to));
    if (taken) throw new Error('Target command name already exists');
    if (to === original) this.#left.delete(to);
    else this.#originals.set(to, original);
  }

  /** The name in the table of what goes by `name`; undefined: nothing does. */
  originalOf(name: string): string | undefined {
    if (this.#left.size === 0) return name;
    return this.#originals.get(name) ?? (this.#left.has(name) ? undefined : name);
  }

  /** Whether the command of this name in the table cannot be called. */
  isGone(original: string): boolean {
    if (!this.#left.has(original)) return false;
    for (const each of this.#originals.values()) if (each === original) return false;
    return true;
  }
}
