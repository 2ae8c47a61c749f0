// Lets time pass on a clock that moves only when told to, while somebody waits for something that needs time.

import { ManualWorld, type World } from '../../lib/base/world.ts';

// Taken at import: a test may put fake timers in the place of the global ones afterwards.
const { setImmediate } = globalThis;

const stepMs = 1;
/** Turns of the event loop after each step: what nodes say to each other arrives in between. */
const turns = 2;

/** One turn of the event loop, whatever has become of the global timers. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** As `work()`; meanwhile a ManualWorld's clock goes on, a millisecond a step. Other worlds need nobody to do that. */
export async function pumped<T>(world: World, work: () => Promise<T>): Promise<T> {
  if (!(world instanceof ManualWorld)) return work();
  let open = true;
  const result = work().finally(() => {
    open = false;
  });
  // Whoever awaits it hears of the failure.
  result.catch(() => undefined);
  while (open) {
    for (let left = turns; left > 0 && open; left--) await turn();
    if (open) world.forward(stepMs);
  }
  return result;
}
