// How quickly data is loaded: as quickly as it goes, or slowed down on purpose (`key-load-delay`), so that tests see a
// node that is loading; and how long it took. Knows parameters and time.

import type { World } from '../../lib/base/world.ts';
import type { Engine } from './engine.ts';

/** Milliseconds to wait after so many keys. */
export function loadDelayMs(engine: Engine, keys: number): number {
  const microseconds = Number(engine.config.get('key-load-delay')) || 0;
  return microseconds > 0 ? (keys * microseconds) / 1000 : 0;
}

/** How many bytes are taken between two such waits; undefined: nothing is slowed down. */
export function loadPieceBytes(engine: Engine): number | undefined {
  const bytes = engine.config.number('loading-process-events-interval-bytes');
  return loadDelayMs(engine, 1) > 0 ? bytes : undefined;
}

/** To be awaited after so many keys; undefined: go on. */
export function loadPause(engine: Engine, keys: number): Promise<void> | undefined {
  const ms = loadDelayMs(engine, keys);
  if (ms <= 0) return undefined;
  return new Promise((resolve) => {
    engine.world.after(ms, resolve, true);
  });
}

/** For the log: three decimals. */
export function secondsSince(world: World, started: number): string {
  return ((world.now() - started) / 1000).toFixed(3);
}
