// Where a file is written, and how it comes to its place. Knows files only.

import { renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FileTarget } from './saver.ts';

/** What it is called while the process `pid` writes it. */
export function temporaryOf({ before, after }: FileTarget, pid: number): string {
  return `${before}${pid}${after}`;
}

/** Renames at once, so that nothing can come between; resolves when it lasts. Rejects, the file being gone, as rename throws. */
export async function placeFile(temporary: string, path: string): Promise<void> {
  try {
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
