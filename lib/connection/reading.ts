// One read buffer for all plain sockets of the process: the kernel's bytes land in it, the connection reads what is
// whole and keeps the rest, and the next read of any socket overwrites it. Without it every read takes 64 KiB from the
// allocator, goes through a stream's machinery, and leaves garbage that brings collections on.
// Invariant: nobody holds on to the buffer after `onBytes` has returned. That is safe because reads, and so calls of
// `onBytes`, never nest: each is an event of its own.

import type { OnReadOpts, Socket } from 'node:net';
import { nextTick } from '../base/turns.ts';
import { allocate, type Bytes } from '../wire/bytes.ts';

/** `bytes` from `start` to `end` have come. */
export type OnBytes = (bytes: Bytes, start: number, end: number) => void;

/** Free bytes before what was read, where a reader may put what it kept of the read before. */
const headroom = 8 * 1024;
/** Most bytes of one read. */
const room = 64 * 1024;

/** Made with the first socket. */
let buffer: Bytes | undefined;

/** Where the bytes of one plain socket go. */
class Reading {
  #onBytes: OnBytes | undefined;
  #early: Buffer | undefined;
  readonly socketOptions: OnReadOpts;

  constructor() {
    buffer ??= allocate(headroom + room);
    const shared = buffer;
    this.socketOptions = {
      buffer: shared.subarray(headroom),
      callback: (length) => {
        if (this.#onBytes !== undefined) {
          this.#onBytes(shared, headroom, headroom + length);
          return true;
        }
        // Nobody listens yet: false stops the reading.
        this.#early = Buffer.from(shared.subarray(headroom, headroom + length));
        return false;
      },
    };
  }

  listen(socket: Socket, onBytes: OnBytes): void {
    this.#onBytes = onBytes;
    const early = this.#early;
    if (early === undefined) return;
    this.#early = undefined;
    // As an event of its own, like all others: whoever listens may not be put together yet.
    nextTick(() => {
      onBytes(early as Bytes, 0, early.length);
      socket.resume();
    });
  }
}

const readings = new WeakMap<Socket, Reading>();

/** Opens a plain socket that reads into the shared buffer: `connect` gets the options that node:net needs for it. */
export function openReading(connect: (options: { onread: OnReadOpts }) => Socket): Socket {
  const reading = new Reading();
  const socket = connect({ onread: reading.socketOptions });
  readings.set(socket, reading);
  return socket;
}

/** Starts handing over a socket's bytes; true when they are borrowed, false when whoever gets them may keep them. */
export function listen(socket: Socket, onBytes: OnBytes): boolean {
  const reading = readings.get(socket);
  if (reading === undefined) {
    socket.on('data', (chunk: Bytes) => onBytes(chunk, 0, chunk.length));
    return false;
  }
  reading.listen(socket, onBytes);
  return true;
}
