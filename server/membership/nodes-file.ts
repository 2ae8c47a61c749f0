// One node's cluster configuration on the disk: nodes.conf as redis keeps it, and the same as JSON beside it.
// Owns both files and their lock; knows the state only to print and parse it.
// Invariants: what was promised to others (epochs, votes, the own role) is on the disk when save() returns, in a file
// that was replaced whole; every other change outlives this process, and is in such a file a moment later.

import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Timer, World } from '../../lib/base/world.ts';
import { parseNodesFile, printNodesFile } from '../cluster/nodes-conf.ts';
import { parseNodesJson, printNodesJson } from '../cluster/nodes-json.ts';
import { type ClusterState, me } from '../cluster/state.ts';
import { writeWhole, writeWholeUnsynced } from '../persistence/disk/atomic-file.ts';
import { type FileLock, lockFile } from '../persistence/disk/file-lock.ts';

const maxBytes = 64 << 20;
const settleMs = 1000;

export class ClusterFile {
  readonly path: string;
  readonly jsonPath: string;
  readonly #world: World;
  readonly #lock: FileLock;
  #version = 0;
  #saved = '';
  #promised = '';
  #state: ClusterState | undefined;
  #timer: Timer | undefined;
  /** nodes.conf as it was last replaced; undefined: not opened since. */
  #file: number | undefined;

  /** Locks the file. Throws an Error that says who uses it. */
  constructor(dir: string, name: string, world: World) {
    this.path = join(dir, name);
    this.jsonPath = join(dirname(this.path), `${basename(this.path).replace(/\.conf$/, '')}.json`);
    this.#world = world;
    try {
      this.#lock = lockFile(this.path);
    } catch (error) {
      const why = (error as Error).message;
      throw new Error(`the cluster configuration cannot be locked: ${why}: two nodes cannot share one`);
    }
  }

  /**
   * What was saved, from nodes.conf, or from the JSON file where there is no nodes.conf; undefined: nothing was.
   * Throws an Error that names the file when it is damaged; nothing is overwritten then.
   */
  load(): ClusterState | undefined {
    const fromJson = this.#parse(this.jsonPath, parseNodesJson);
    const state = this.#parse(this.path, parseNodesFile) ?? fromJson?.state;
    this.#version = Math.max(this.#version, fromJson?.version ?? 0);
    return state;
  }

  #parse<T>(path: string, parse: (text: string) => T): T | undefined {
    // An empty one is what redis-server leaves that was stopped before it knew itself.
    if (!existsSync(path) || statSync(path).size === 0) return undefined;
    try {
      if (statSync(path).size > maxBytes) throw new Error('it is too big');
      return parse(readFileSync(path, 'latin1'));
    } catch (error) {
      // The JSON form is a copy: damage there costs nothing as long as nodes.conf is whole.
      if (path === this.jsonPath && existsSync(this.path)) return undefined;
      throw new Error(`the cluster configuration file ${path} is corrupted: ${(error as Error).message}`);
    }
  }

  /** Throws what the file system says. */
  save(state: ClusterState): void {
    const text = printNodesFile(state);
    if (text === this.#saved) return;
    const promised = promisesOf(state);
    if (promised === this.#promised) this.#overwrite(text);
    else this.#replace(text, writeWhole);
    this.#saved = text;
    this.#promised = promised;
    this.#state = state;
    this.#version++;
    this.#timer ??= this.#world.after(settleMs, () => this.#settle());
  }

  /**
   * Writes over nodes.conf where it stands: nothing is lost when the process ends, the file may be torn when the machine
   * does. Many times cheaper than a rename, for which file systems write the data out. Until the file is cut to its
   * length, empty lines follow the text. A file that somebody removed comes back when both are replaced.
   */
  #overwrite(text: string): void {
    this.#file ??= openSync(this.path, 'r+');
    const shorter = text.length < this.#saved.length;
    const bytes = shorter ? text.padEnd(this.#saved.length, '\n') : text;
    const written = writeSync(this.#file, bytes, 0, 'latin1');
    if (written < bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes could be written`);
    if (shorter) ftruncateSync(this.#file, text.length);
  }

  #replace(text: string, write: typeof writeWhole): void {
    const old = this.#file;
    this.#file = undefined;
    if (old !== undefined) closeSync(old);
    write(this.path, [Buffer.from(text, 'latin1')]);
  }

  /** Replaces both files whole. */
  #settle(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#state === undefined) return;
    const json = printNodesJson(this.#state, { version: this.#version, savedAt: this.#world.wallClock() });
    this.#state = undefined;
    try {
      this.#replace(this.#saved, writeWholeUnsynced);
      writeWholeUnsynced(this.jsonPath, [Buffer.from(json, 'latin1')]);
    } catch (error) {
      // What counts is in nodes.conf already.
      this.#world.log(`the cluster configuration could not be copied: ${(error as Error).message}`);
    }
  }

  close(): void {
    this.#settle();
    if (this.#file !== undefined) closeSync(this.#file);
    this.#lock.release();
  }
}

/** What other nodes build on: forgetting it could give two masters the same slots at the same epoch. */
function promisesOf(state: ClusterState): string {
  const { role, master, configEpoch } = me(state);
  return [state.myself, state.currentEpoch, state.lastVoteEpoch, role, master, configEpoch].join(' ');
}
