// Where the files of an append-only log lie, and its manifest on the disk.
// Invariant: the manifest on the disk always names files that together hold every write that was acknowledged.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolder, writeWhole } from '../disk/atomic-file.ts';
import { isPlainName, type Manifest, parseManifest, printManifest } from './manifest.ts';

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
   * becomes the base of a log of several. Throws on a manifest that is damaged.
   */
  read(): Manifest | undefined {
    if (existsSync(this.#manifestPath)) return parseManifest(readFileSync(this.#manifestPath, 'latin1'));
    const single = join(this.#dir, this.name);
    if (!existsSync(single)) return undefined;
    this.make();
    renameSync(single, this.at(this.name));
    syncFolder(this.#dir);
    return this.#adopt();
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

  #adopt(): Manifest {
    const manifest = { base: { name: this.name, seq: 1 }, increments: [], history: [] };
    this.write(manifest);
    return manifest;
  }
}
