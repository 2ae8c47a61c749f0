// What a node's data is the result of: the name of a stream of writes and how far into it the data is. Two nodes with
// the same name and offset hold the same data, and one that is behind can go on from where it is.
// A second name holds up to where this node left the stream of a former master, so that its other replicas may go on.
// Knows bytes, not commands. Invariant: the backlog, when there is one, ends at the offset.

import type { World } from '../../lib/base/world.ts';
import { Backlog } from './backlog.ts';

const noId = '0'.repeat(40);

export class History {
  readonly #world: World;
  readonly #capacity: () => number;
  #id: string;
  #formerId = noId;
  #formerEnd = -1;
  #offset = 0;
  #backlog: Backlog | undefined;

  /** The offset from which on somebody waits for the stream; undefined: nobody does. */
  needed: (() => number | undefined) | undefined;

  /** `capacity`: bytes of backlog wanted, asked whenever one is made. */
  constructor(world: World, capacity: () => number) {
    this.#world = world;
    this.#capacity = capacity;
    this.#id = this.#newId();
  }

  /** 40 hex digits. */
  get id(): string {
    return this.#id;
  }

  /** The name it had as part of another master's stream; zeros for none. */
  get formerId(): string {
    return this.#formerId;
  }

  /** The first offset at which the former name is no longer good; -1 for none. */
  get formerEnd(): number {
    return this.#formerEnd;
  }

  /** Bytes of the stream so far. */
  get offset(): number {
    return this.#offset;
  }

  get backlog(): Backlog | undefined {
    return this.#backlog;
  }

  /** Whether anybody could go on from here: until then writes are not counted. */
  get kept(): boolean {
    return this.#backlog !== undefined;
  }

  /** Starts to keep the stream, under a new name: what went before was not counted. */
  begin(): void {
    if (this.kept) return;
    this.#rename();
    this.#keep();
  }

  append(bytes: Uint8Array): void {
    this.#offset += bytes.length;
    this.#backlog?.append(bytes, this.needed?.());
  }

  /** Whether a replica that has everything of `id` before the byte `next` can go on from there. */
  continues(id: string, next: number): boolean {
    if (this.#backlog?.reaches(next) !== true) return false;
    return id === this.#id || (id === this.#formerId && next <= this.#formerEnd);
  }

  /** A new name that nobody knows; the old one is forgotten. */
  renew(): void {
    this.#rename();
  }

  /** Why nobody can go on from there. */
  whyNot(id: string, next: number): string {
    if (id !== this.#id && id !== this.#formerId) {
      return `Replication ID mismatch (Replica asked for '${id}', my replication IDs are '${this.#id}' and '${this.#formerId}')`;
    }
    return `the backlog does not reach offset ${next}`;
  }

  /** Leaves the stream of a master to go on alone: a new name, the old one good up to here. */
  branch(): void {
    this.#formerId = this.#id;
    this.#formerEnd = this.#offset + 1;
    this.#id = this.#newId();
    if (!this.kept) this.#keep();
  }

  /** The master goes on under another name. False when it is the one known. */
  follow(id: string): boolean {
    if (id === this.#id) return false;
    this.#formerId = this.#id;
    this.#formerEnd = this.#offset + 1;
    this.#id = id;
    return true;
  }

  /** The data was replaced by a copy of what `id` is at `offset`. */
  adopt(id: string, offset: number): void {
    this.#id = id;
    this.#offset = offset;
    this.#forgetFormer();
    this.#keep();
  }

  /** Stops to keep the stream; whatever comes later belongs to another one. */
  drop(): void {
    this.#rename();
    this.#backlog = undefined;
  }

  /** The capacity wanted has changed. */
  resize(): void {
    this.#backlog?.resize(this.#capacity(), this.needed?.());
  }

  #keep(): void {
    this.#backlog = new Backlog(this.#capacity(), this.#offset);
  }

  #rename(): void {
    this.#id = this.#newId();
    this.#forgetFormer();
  }

  #forgetFormer(): void {
    this.#formerId = noId;
    this.#formerEnd = -1;
  }

  #newId(): string {
    let id = '';
    while (id.length < 40) id += Math.floor(this.#world.random() * 16).toString(16);
    return id;
  }
}
