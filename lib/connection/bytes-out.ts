// How much of what was written to a socket the kernel has taken, and how much waits for it.

import type { Socket } from './dial.ts';

interface Handle {
  readonly bytesWritten?: number;
  readonly writeQueueSize?: number;
}

/**
 * Bytes. A socket's own counts move only when a whole write is done, which for 20 MB on a slow line is once in seconds;
 * its handle has the current ones.
 */
export function bytesOut(socket: Socket): { left: number; waiting: number } {
  const handle = (socket as unknown as { _handle?: Handle | null })._handle;
  const queued = handle?.writeQueueSize;
  if (typeof handle?.bytesWritten !== 'number' || typeof queued !== 'number') {
    return { left: socket.bytesWritten - socket.writableLength, waiting: socket.writableLength };
  }
  return { left: handle.bytesWritten - queued, waiting: Math.max(queued, socket.writableLength) };
}
