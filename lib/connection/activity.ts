// When anything last moved on the socket of a connection that owes answers, in either direction.
// Owns: that time, and what had left at the last look. Does not know: which calls wait, nor what is thought of silence
// (watchdog).
// Invariant: only bytes that the peer has sent or taken end a silence: what the kernel takes at once has reached nobody
// yet, so bytes that leave count only where others had to wait.

import type { World } from '../base/world.ts';
import type { Socket } from './dial.ts';

interface Handle {
  readonly bytesWritten?: number;
  readonly writeQueueSize?: number;
}

export class Activity {
  readonly #world: World;
  #movedAt: number;
  /** Bytes that had left at the last look, and whether others waited then. */
  #left = 0;
  #behind = false;
  #touched = false;

  constructor(world: World) {
    this.#world = world;
    this.#movedAt = world.now();
  }

  /** World time at which bytes last came, or were written when nothing was owed. */
  get movedAt(): number {
    return this.#movedAt;
  }

  /** Nothing has come since begin(). */
  get untouched(): boolean {
    return !this.#touched;
  }

  /** A call is written, and none was owed an answer before. */
  begin(): void {
    this.#movedAt = this.#world.now();
    this.#touched = false;
  }

  /** Bytes have come. */
  heard(): void {
    this.#movedAt = this.#world.now();
    this.#touched = true;
  }

  /** Milliseconds since anything moved. Bytes that leave are noticed from one look to the next. */
  look(socket: Socket): number {
    const { left, waiting } = bytesOut(socket);
    if (this.#behind && left !== this.#left) this.#movedAt = this.#world.now();
    this.#left = left;
    this.#behind = waiting > 0;
    return this.#world.now() - this.#movedAt;
  }
}

/**
 * How much of what was written the kernel has taken, and how much waits for it. A socket's own counts move only when a
 * whole write is done, which for 20 MB on a slow line is once in seconds; its handle has the current ones.
 */
function bytesOut(socket: Socket): { left: number; waiting: number } {
  const handle = (socket as unknown as { _handle?: Handle | null })._handle;
  const queued = handle?.writeQueueSize;
  if (typeof handle?.bytesWritten !== 'number' || typeof queued !== 'number') {
    return { left: socket.bytesWritten - socket.writableLength, waiting: socket.writableLength };
  }
  return { left: handle.bytesWritten - queued, waiting: Math.max(queued, socket.writableLength) };
}
