// When the rest of something is done: later in this turn of the event loop, or in the next one. Taken at import: a test
// that puts fake timers in the place of the global ones afterwards stops its own time and not ours.

export const queueMicrotask: typeof globalThis.queueMicrotask = globalThis.queueMicrotask;
export const setImmediate: typeof globalThis.setImmediate = globalThis.setImmediate;
export const nextTick: typeof process.nextTick = process.nextTick;

/** Resolves in the next turn of the event loop: what waits there goes first. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
