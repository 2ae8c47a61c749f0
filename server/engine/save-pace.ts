// How quickly a snapshot is written in the background: as quickly as the disk takes it, or slowed down on purpose
// (`rdb-key-save-delay`), so that tests see a node that is saving. Knows parameters and time.

import type { World } from '../../lib/base/world.ts';
import type { Engine } from './engine.ts';

/** Milliseconds between two looks at the parameter. */
const lookMs = 10;

export interface SavePace {
  /** Bytes of a chunk; with a delay there is a chunk for each key. Default: the writer's own. */
  readonly chunkBytes?: number;
  /** Called between two chunks; a promise is waited for. */
  readonly pause?: () => Promise<void> | undefined;
  readonly signal: AbortSignal;
}

/** `signal` ends the delays. */
export function savePace(engine: Engine, signal: AbortSignal): SavePace {
  const delayMs = (): number => (Number(engine.config.get('rdb-key-save-delay')) || 0) / 1000;
  if (delayMs() <= 0) return { signal };
  let debt = 0;
  const pause = async (): Promise<void> => {
    for (debt += delayMs(); debt >= lookMs && delayMs() > 0 && !signal.aborted; debt -= lookMs) {
      await after(engine.world, lookMs);
    }
    if (delayMs() <= 0) debt = 0;
  };
  return { signal, chunkBytes: 0, pause };
}

function after(world: World, ms: number): Promise<void> {
  return new Promise((resolve) => {
    world.after(ms, resolve, true);
  });
}
