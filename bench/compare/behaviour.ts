// What cluster clients do when nodes redirect, refuse or stand still: each case on a bundled cluster of its own, one
// client after the other. Gives outcomes, and times where a client gives up: facts of its rules, not of this machine.
// Owns: the clusters it starts. Does not know: how outcomes are printed beyond rows of text.

import { type InterceptAction, startCluster, type TestCluster } from '../../server/testing/testing.ts';
import { type Contender, type ContenderName, contenderNames, openContender } from './contenders.ts';

export interface BehaviourRow {
  readonly title: string;
  readonly outcomes: Readonly<Record<ContenderName, string>>;
}

interface Case {
  readonly title: string;
  run(cluster: TestCluster, client: Contender): Promise<string>;
}

/** How long nodes refuse, and how long a promise is waited for before it counts as pending. */
const refusalMs = 3000;
const timeoutMs = 20_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const firstWords = (error: unknown): string => String((error as Error).message ?? error).slice(0, 40);

/** The outcome of a call, and the time in seconds until an error. */
async function outcomeOf(call: Promise<unknown>): Promise<string> {
  const started = performance.now();
  const seconds = (): string => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  const pending = sleep(timeoutMs).then(() => `pending after ${timeoutMs / 1000} s`);
  const settled = call.then(
    () => 'ok',
    (error: unknown) => `error after ${seconds()}: ${firstWords(error)}`,
  );
  return Promise.race([settled, pending]);
}

function failuresOf(results: readonly unknown[], wanted: (at: number) => unknown): string {
  const failed = results.filter((result, at) => result instanceof Error || result !== wanted(at));
  const [first] = failed;
  return failed.length === 0 ? 'ok' : `${failed.length} of ${results.length} fail: ${firstWords(first)}`;
}

async function pipelined(client: Contender, keys: readonly string[], wanted: (at: number) => unknown): Promise<string> {
  return client.pipeline(keys).then(
    (results) => failuresOf(results, wanted),
    (error: unknown) => `rejected: ${firstWords(error)}`,
  );
}

const many = Array.from({ length: 30 }, (_, at) => `key:${at}`);

async function refused(cluster: TestCluster, call: () => Promise<unknown>, action: InterceptAction): Promise<string> {
  const intercept = cluster.intercept({ key: 'refused' }, action);
  const timer = setTimeout(() => intercept.remove(), refusalMs);
  const outcome = await outcomeOf(call());
  clearTimeout(timer);
  return outcome;
}

const refusal = (error: string, write = false): Case => ({
  title: `${error.split(' ')[0]} for ${refusalMs / 1000} s`,
  run: (cluster, client) =>
    refused(cluster, () => (write ? client.set('refused', 'x') : client.get('refused')), {
      error,
      times: Number.POSITIVE_INFINITY,
    }),
});

const cases: readonly Case[] = [
  {
    title: 'pipeline over several nodes',
    run: async (_, client) => {
      await Promise.all(many.map((key, at) => client.set(key, `${at}`)));
      return pipelined(client, many, (at) => `${at}`);
    },
  },
  {
    title: 'pipeline on one slot that has moved',
    run: async (cluster, client) => {
      await client.set('{a}', 'x');
      const owner = await cluster.ownerOf('{a}');
      const target = (await cluster.masters()).find((node) => node !== owner)!;
      await cluster.moveSlot('{a}', target);
      return pipelined(client, ['{a}', '{a}', '{a}'], () => 'x');
    },
  },
  { title: 'multi-key command over slots', run: (_, client) => outcomeOf(client.mget(['a', 'b', 'c'])) },
  refusal('CLUSTERDOWN The cluster is down'),
  refusal('TRYAGAIN Multiple keys request during rehashing of slot'),
  refusal('LOADING Redis is loading the dataset in memory'),
  refusal('MASTERDOWN Link with MASTER is down'),
  refusal("READONLY You can't write against a read only replica.", true),
  {
    title: 'a master frozen, its replica promoted',
    run: async (cluster, client) => {
      await client.set('frozen', 'x');
      (await cluster.ownerOf('frozen')).freeze();
      return outcomeOf(client.get('frozen'));
    },
  },
];

async function outcome(each: Case, name: ContenderName): Promise<string> {
  const config = { 'cluster-node-timeout': '1000', 'cluster-require-full-coverage': 'no' };
  const cluster = await startCluster({ masters: 3, replicas: 1, config });
  const client = await openContender(name, cluster.seeds);
  try {
    return await each.run(cluster, client);
  } finally {
    client.close();
    await cluster.close();
  }
}

/** Takes about two minutes. */
export async function runBehaviour(progress: (line: string) => void): Promise<BehaviourRow[]> {
  // A client that is closed amid a call rejects promises that nobody awaits any more.
  process.on('unhandledRejection', () => undefined);
  const rows: BehaviourRow[] = [];
  for (const each of cases) {
    progress(each.title);
    const outcomes = await Promise.all(contenderNames.map((name) => outcome(each, name)));
    rows.push({
      title: each.title,
      outcomes: Object.fromEntries(contenderNames.map((name, at) => [name, outcomes[at]!])) as BehaviourRow['outcomes'],
    });
  }
  return rows;
}

/** Text for a terminal: a heading a case, a line a client. */
export function behaviourLines(rows: readonly BehaviourRow[]): string[] {
  return rows.flatMap(({ title, outcomes }) => [
    title,
    ...contenderNames.map((name) => `  ${name.padEnd(12)}${outcomes[name]}`),
  ]);
}
