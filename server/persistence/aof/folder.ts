// Where the files of an append-only log lie, and its manifest on the disk.
// Invariant: the manifest on the disk always names files that together hold every write that was acknowledged.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolder, writeWhole } from '../disk/atomic-file.ts';
import { emptyManifest, isPlainName, type Manifest, parseManifest, printManifest } from './manifest.ts';

/** The parameters `dir`, `appenddirname` and `appendfilename`. */
export interface LogPlace {
  readonly dir: string;
  /** Default `appendonlydir`. */
  readonly folder?: string;
  /** Default `appendonly.aof`. */
  readonly name?: string;
}

export class LogFolder {
  readonly path: string;
  readonly name: string;
  readonly #dir: string;

  /** Throws a RangeError for names that are paths. */
  constructor({ dir, folder = 'appendonlydir', name = 'appendonly.aof' }: LogPlace) {
    for (const word of [folder, name]) if (!isPlainName(word)) throw new RangeError(`'${word}' is not a plain name`);
    this.#dir = dir;
    this.path = join(dir, folder);
    this.name = name;
  }

  at(name: string): string {
    return join(this.path, name);
  }

  /**
   * The manifest, or undefined when there is no log. A log of one file, as servers before 7.0 kept it in `dir`,
   * becomes the base of a log of several, also when that was cut off half way. Throws on a manifest that is damaged.
   */
  read(): Manifest | undefined {
    const known = existsSync(this.#manifestPath)
      ? parseManifest(readFileSync(this.#manifestPath, 'latin1'))
      : emptyManifest;
    const single = join(this.#dir, this.name);
    if (existsSync(single) && this.#isToAdopt(known)) return this.#adopt(single);
    return known.base === undefined && known.increments.length === 0 ? undefined : known;
  }

  write(manifest: Manifest): void {
    writeWhole(this.#manifestPath, [Buffer.from(printManifest(manifest), 'latin1')]);
  }

  make(): void {
    mkdirSync(this.path, { recursive: true });
    syncFolder(this.#dir);
  }

  /** Deletes what a rewrite has replaced, and gives the manifest without it. */
  sweep(manifest: Manifest): Manifest {
    if (manifest.history.length === 0) return manifest;
    for (const { name } of manifest.history) rmSync(this.at(name), { force: true });
    const swept = { ...manifest, history: [] };
    this.write(swept);
    return swept;
  }

  get #manifestPath(): string {
    return this.at(`${this.name}.manifest`);
  }

  /** Nothing is known of a log, or only that the single file is to be its base, which has not come yet. */
  #isToAdopt({ base, increments }: Manifest): boolean {
    if (increments.length > 0) return false;
    return base === undefined || (base.name === this.name && !existsSync(this.at(this.name)));
  }

  /** The manifest first: a base that is not there yet is looked for in `dir`, a file without a manifest is not. */
  #adopt(single: string): Manifest {
    const manifest = { base: { name: this.name, seq: 1 }, increments: [], history: [] };
    this.make();
    this.write(manifest);
    renameSync(single, this.at(this.name));
    syncFolder(this.path);
    syncFolder(this.#dir);
    return manifest;
  }
}
