// CONFIG SET dir: where a node keeps its files from now on. The process stays where it is.

import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../config/config.ts';

/** Makes the new value of `dir` absolute; the reason why it is no folder, or undefined. */
export function moveTo(config: Config, before: string): string | undefined {
  const path = resolve(before, config.get('dir'));
  try {
    if (!statSync(path).isDirectory()) return 'Not a directory';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'No such file or directory' : (error as Error).message;
  }
  config.put('dir', path);
  return undefined;
}
