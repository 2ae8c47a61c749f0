// Lets time pass on a clock that moves only when the test moves it, while somebody waits for something that needs time.

import { nextTurn } from '../../lib/base/turns.ts';
import { ManualWorld, type World } from '../../lib/base/world.ts';

const stepMs = 1;
/** Turns of the event loop after each step: what nodes say to each other arrives in between. */
const turns = 2;

/** A world whose time somebody else moves, who may have stopped it. */
interface SteppedWorld extends World {
  /** Lets `ms` pass if nobody else does. */
  step(ms: number): void;
}

/** As `work()`; meanwhile a clock that moves by hand goes on, a millisecond a step. Other worlds need nobody to do that. */
export async function pumped<T>(world: World, work: () => Promise<T>): Promise<T> {
  const step = stepOf(world);
  if (step === undefined) return work();
  let open = true;
  const result = work().finally(() => {
    open = false;
  });
  // Whoever awaits it hears of the failure.
  result.catch(() => undefined);
  while (open) {
    for (let left = turns; left > 0 && open; left--) await nextTurn();
    if (open) step(stepMs);
  }
  return result;
}

function stepOf(world: World): ((ms: number) => void) | undefined {
  if (world instanceof ManualWorld) return (ms) => world.forward(ms);
  return 'step' in world ? (ms) => (world as SteppedWorld).step(ms) : undefined;
}
