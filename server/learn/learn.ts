// Experiments that show how a cluster works, each on a cluster of its own, explained while it runs.
// Owns: the list of experiments.
// Does not know: where their text goes.
// Invariant: an experiment that ends well has shown each of its claims to hold.

import { Lab, type LabOptions } from './lab.ts';

export { ClaimError, type LabOptions } from './lab.ts';

interface Row {
  readonly title: string;
  readonly load: () => Promise<(lab: Lab) => Promise<void>>;
}

/** By name, in the order in which they are best read. */
export const experiments: Readonly<Record<string, Row>> = {
  slots: {
    title: 'from a key to its node: hash slots and hash tags',
    load: async () => (await import('./experiments/slots.ts')).slots,
  },
  redirects: {
    title: 'MOVED and ASK, seen without a client that follows them',
    load: async () => (await import('./experiments/redirects.ts')).redirects,
  },
  reshard: {
    title: 'a slot moves, step by step, with keys in it',
    load: async () => (await import('./experiments/reshard.ts')).reshard,
  },
  gossip: {
    title: 'how nodes find out that one of them fails',
    load: async () => (await import('./experiments/gossip.ts')).gossip,
  },
  failover: {
    title: 'a master dies, a replica is elected, writes go on',
    load: async () => (await import('./experiments/failover.ts')).failover,
  },
  epochs: {
    title: 'who is right when two nodes claim a slot: configuration epochs',
    load: async () => (await import('./experiments/epochs.ts')).epochs,
  },
  replication: {
    title: 'the acknowledged write that a failover loses, and what helps against it',
    load: async () => (await import('./experiments/replication.ts')).replication,
  },
  persistence: {
    title: 'kill -9 of a node: what is there again, and from which file',
    load: async () => (await import('./experiments/persistence.ts')).persistence,
  },
  map: {
    title: "the client's slot map: patched, refreshed, and by whom",
    load: async () => (await import('./experiments/map.ts')).map,
  },
  pubsub: {
    title: 'PUBLISH reaches every node, SPUBLISH one shard',
    load: async () => (await import('./experiments/pubsub.ts')).pubsub,
  },
  cache: {
    title: 'a near cache and the messages that keep it right',
    load: async () => (await import('./experiments/cache.ts')).cache,
  },
};

/** Rejects with the signal's reason when it fires, else with the error of what was run. */
async function unlessAborted(running: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return running;
  running.catch(() => undefined);
  const stop = new AbortController();
  const aborted = new Promise<never>((_, fail) => {
    signal.addEventListener('abort', () => fail(signal.reason), { signal: stop.signal });
  });
  await Promise.race([running, aborted]).finally(() => stop.abort());
}

/** Runs one; resolves to the number of claims shown. Rejects with a ClaimError, or with what broke or interrupted it. */
export async function learn(name: string, options: LabOptions): Promise<number> {
  const row = experiments[name];
  if (row === undefined) throw new RangeError(`there is no experiment '${name}'`);
  const lab = new Lab(options);
  try {
    const run = await row.load();
    await unlessAborted(run(lab), options.signal);
    return lab.claims;
  } finally {
    await lab.close();
  }
}
