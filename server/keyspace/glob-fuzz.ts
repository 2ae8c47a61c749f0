// DEBUG STRINGMATCH-TEST: the matcher of patterns meets random patterns and texts.

import type { World } from '../../lib/base/world.ts';
import { Status } from '../../lib/wire/reply.ts';
import { globMatcher } from './glob.ts';

const rounds = 10_000;
const letters = '*?[]^-\\ab\0';

function randomText(world: World): string {
  const length = Math.floor(world.random() * 24);
  return Array.from({ length }, () => letters[Math.floor(world.random() * letters.length)]).join('');
}

/** Throws what the matcher throws, which it never should. */
export function fuzzGlob(world: World): Status {
  for (let round = 0; round < rounds; round++) globMatcher(randomText(world))(randomText(world));
  return new Status('Apparently Redis did not crash: test passed');
}
