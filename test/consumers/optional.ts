// Consumers that a checkout may do without: tests of one that is not installed say so in a line and are skipped.

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** The module, or undefined after a line that says what is skipped. */
export function installed<T>(name: string): T | undefined {
  try {
    return require(name) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    console.log(`      skipped: ${name} is not installed`);
    return undefined;
  }
}
