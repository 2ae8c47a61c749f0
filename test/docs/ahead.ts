// Runs tasks that have nothing in common ahead of the tests that await them, a few at a time: they mostly wait for
// processes, timeouts and elections.
// Owns: the promises. Does not know: what a task does.

/** Starts `tasks` in order, at most `limit` at a time; the outcome of each is in the map, rejected or not. */
export function startAhead<K>(tasks: ReadonlyMap<K, () => Promise<unknown>>, limit = 3): Map<K, Promise<unknown>> {
  const waiting: (() => void)[] = [];
  let running = 0;
  const turn = async (): Promise<void> => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    running++;
  };
  const outcomes = new Map<K, Promise<unknown>>();
  for (const [key, task] of tasks) {
    const outcome = turn()
      .then(task)
      .finally(() => {
        running--;
        waiting.shift()?.();
      });
    // Whoever awaits it later gets the rejection; until then it is no unhandled one.
    outcome.catch(() => undefined);
    outcomes.set(key, outcome);
  }
  return outcomes;
}
