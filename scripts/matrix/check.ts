// What a check of the matrix is: files, commands, and what these must print.
// Knows nothing of any single check, nor of how one is performed.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A command line in the folder of the check, and what it must print. */
export interface Step {
  readonly command: readonly string[];
  readonly expected?: RegExp;
}

export interface Check {
  readonly name: string;
  /** Below test/fixtures: its file in the folder of the check. */
  readonly fixtures: Readonly<Record<string, string>>;
  /** Written besides. */
  readonly files?: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
}

export interface Group {
  readonly packages: readonly string[];
  /** Has a folder of packages of its own, where ioredis is this package, for all that ask for it. */
  readonly overrides?: boolean;
  checks(modules: string): readonly Check[];
}

export const root = process.cwd();
export const fixtures = join(root, 'test/fixtures');
export const node = process.execPath;

/** The path of a file that a package runs. */
export function programOf(modules: string, name: string, bin?: string): string {
  const manifest = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')) as {
    bin: string | Record<string, string>;
  };
  const path = typeof manifest.bin === 'string' ? manifest.bin : manifest.bin[bin ?? name];
  return join(modules, name, path!);
}
