// Files that appear whole or not at all: written beside their place, forced to the disk, then renamed.
// Owns: the temporary file until it is renamed.
// Does not know: what the bytes mean.
// Invariant: whatever fails, a file that was there before is still there, unchanged.

import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Bytes read at a time. */
const readLength = 262_144;

let made = 0;

function temporary(path: string): string {
  return join(dirname(path), `temp-${process.pid}-${++made}-${basename(path)}`);
}

/** Writes all chunks before it returns. Throws what the file system says; then nothing is left behind. */
export function writeWhole(path: string, chunks: Iterable<Uint8Array>): void {
  replace(path, chunks, fsyncSync);
  syncFolder(dirname(path));
}

/** The same without waiting for the disk: it outlives the process, not the machine. */
export function writeWholeUnsynced(path: string, chunks: Iterable<Uint8Array>): void {
  replace(path, chunks, () => undefined);
}

function replace(path: string, chunks: Iterable<Uint8Array>, sync: (file: number) => void): void {
  const place = temporary(path);
  try {
    const file = openSync(place, 'wx');
    try {
      for (const chunk of chunks) writeAll(file, chunk);
      sync(file);
    } finally {
      closeSync(file);
    }
    renameSync(place, path);
  } catch (error) {
    rmSync(place, { force: true });
    throw error;
  }
}

/** Writes every byte, however many calls the system takes for it. */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

/** Makes a rename last: the entry of a file is its folder's data. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** As readChunks, without a pause for other work. */
export function* readChunksNow(path: string): Generator<Buffer, void, undefined> {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(readLength);
    for (let count = readSync(file, buffer); count > 0; count = readSync(file, buffer)) yield buffer.subarray(0, count);
  } finally {
    closeSync(file);
  }
}

/** The bytes of a file from its start, chunk by chunk; a chunk is void when the next one is asked for. */
export async function* readChunks(path: string): AsyncGenerator<Buffer, void, undefined> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(readLength);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, readLength);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
