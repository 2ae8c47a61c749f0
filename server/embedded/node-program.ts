// Where the program of a node's process lies: beside this code, as the sources, the compiled tests and the package have
// it, or in the package that is installed where the application runs, when a bundler has put this code elsewhere.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** As compiled one by one, and as the package has it. */
const besides = ['../tools/main.js', './main.cjs'];

/**
 * The path of the program; `from` is the URL of the code that asks, undefined in a bundle that does not know its own.
 * Throws an Error that says what to do when there is none.
 */
export function nodeProgram(from: string | undefined, folder: string = process.cwd()): string {
  const own = from === undefined ? [] : besides.map((path) => fileURLToPath(new URL(path, from)));
  const places = from === undefined ? [folder] : [folder, dirname(fileURLToPath(from))];
  const found = [...own.filter(isOurs), ...places.map(installedBelow)].find((path) => path !== undefined);
  if (found !== undefined) return found;
  throw new Error(
    `processes: the program of a node is not beside its code, and no installed lingcache is found from ${places.join(' or ')}. ` +
      "A bundle cannot start processes of itself: mark 'lingcache/server' as external, or leave `processes` out.",
  );
}

/** A bundle of users may have a file of that name beside it, which is not ours to run. */
function isOurs(path: string): boolean {
  return existsSync(path) && (path.endsWith('.js') || existsSync(join(dirname(path), 'lingcache.cjs')));
}

function installedBelow(folder: string): string | undefined {
  try {
    const manifest = createRequire(join(folder, 'any.js')).resolve('lingcache/package.json');
    const path = join(dirname(manifest), 'dist/main.cjs');
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}
