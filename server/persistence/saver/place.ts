// Puts a written file in its place. Knows files only.

import { renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

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
