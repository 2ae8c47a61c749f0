// Sends a replica the file of a snapshot that was made for it. Knows files and the replica, not what the bytes are.

import { open } from 'node:fs/promises';
import type { AttachedReplica } from './attached-replica.ts';

const pieceBytes = 65_536;

/** Resolves when the replica has the file and follows the stream, or is gone. Rejects with what the file system says. */
export async function sendFile(replica: AttachedReplica, path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    replica.stage = 'copying';
    replica.send(`$${size}\r\n`);
    for (let sent = 0; sent < size && !replica.closed; ) {
      const piece = Buffer.allocUnsafe(Math.min(pieceBytes, size - sent));
      const { bytesRead } = await file.read(piece, 0, piece.length);
      if (bytesRead === 0) throw new Error('the file has become shorter');
      sent += bytesRead;
      replica.send(piece.subarray(0, bytesRead));
      await replica.writable();
    }
  } finally {
    await file.close();
  }
  replica.goOnline();
}
