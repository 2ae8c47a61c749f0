// One node's cluster configuration on the disk: nodes.conf as redis keeps it, and the same as JSON beside it.
// Owns both files and their lock; knows the state only to print and parse it.
// Invariants: what was promised to others (epochs, votes, the own role) is on the disk when save() returns, in a file
// that was replaced whole; every other change outlives this process, and is in such a file a moment later.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Timer, World } from '../../lib/base/world.ts';
import { type ClusterState, me } from '../cluster/state.ts';
import { overwrite, writeWhole, writeWholeUnsynced } from '../persistence/snapshot-file.ts';
import { type FileLock, lockFile } from './file-lock.ts';
import { parseNodesJson, printNodesJson } from './nodes-json.ts';
import { parseNodesFile, printNodesFile } from './nodes-text.ts';

const maxBytes = 64 << 20;
const settleMs = 200;

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
    if (promised === this.#promised && existsSync(this.path)) overwrite(this.path, text);
    else writeWhole(this.path, [Buffer.from(text, 'latin1')]);
    this.#saved = text;
    this.#promised = promised;
    this.#state = state;
    this.#version++;
    this.#timer ??= this.#world.after(settleMs, () => this.#settle());
  }

  /** Replaces both files whole. */
  #settle(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#state === undefined) return;
    const json = printNodesJson(this.#state, { version: this.#version, savedAt: this.#world.now() });
    this.#state = undefined;
    try {
      writeWholeUnsynced(this.path, [Buffer.from(this.#saved, 'latin1')]);
      writeWholeUnsynced(this.jsonPath, [Buffer.from(json, 'latin1')]);
    } catch (error) {
      // What counts is in nodes.conf already.
      this.#world.log(`the cluster configuration could not be copied: ${(error as Error).message}`);
    }
  }

  close(): void {
    this.#settle();
    this.#lock.release();
  }
}

/** What other nodes build on: forgetting it could give two masters the same slots at the same epoch. */
function promisesOf(state: ClusterState): string {
  const { role, master, configEpoch } = me(state);
  return [state.myself, state.currentEpoch, state.lastVoteEpoch, role, master, configEpoch].join(' ');
}
