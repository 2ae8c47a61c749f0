/** Something done again and again until it is stopped. */
export interface Repeated {
  /** Resolves to how often it was done, once the last time is over; rejects when one of them failed. */
  stop(): Promise<number>;
}

/** Does `step` in the background, one after another; it gets the number of times it was done before. A failure ends it. */
export function repeat(step: (done: number) => Promise<void>): Repeated {
  let stopped = false;
  const run = async (): Promise<number> => {
    let done = 0;
    for (; !stopped; done++) await step(done);
    return done;
  };
  const running = run();
  // Whoever stops it gets the failure; until then nobody does.
  running.catch(() => undefined);
  return {
    stop() {
      stopped = true;
      return running;
    },
  };
}
