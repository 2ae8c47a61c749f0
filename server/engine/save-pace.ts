// How quickly a snapshot is written in the background: as quickly as the disk takes it, or slowed down on purpose
// (`rdb-key-save-delay`), so that tests see a node that is saving. Knows parameters and time.

import type { World } from '../../lib/base/world.ts';
import type { Engine } from './engine.ts';

/** Milliseconds that the delays of keys are gathered for. */
const leastMs = 10;

export interface SavePace {
  /** With a delay there is a piece for each key. */
  readonly chunkBytes: 0;
  /** Called between two pieces; to be waited for. The wait ends early with `signal`. */
  pause(signal: AbortSignal): Promise<void> | undefined;
}

/** As the parameter is now: what is set later is for later saves. Undefined: without delays. */
export function savePace({ config, world }: Engine): SavePace | undefined {
  const delayMs = (Number(config.get('rdb-key-save-delay')) || 0) / 1000;
  if (delayMs <= 0) return undefined;
  let debt = 0;
  const pause = (signal: AbortSignal): Promise<void> | undefined => {
    debt += delayMs;
    if (debt < leastMs) return undefined;
    const ms = debt;
    debt = 0;
    return delay(world, ms, signal);
  };
  return { chunkBytes: 0, pause };
}

function delay(world: World, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = world.after(ms, done, true);
    function done(): void {
      timer.cancel();
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
