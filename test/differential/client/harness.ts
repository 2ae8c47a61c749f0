// Runs one script on ioredis and on lingcache against the same real cluster and compares what each made of it:
// values with their types, errors with class, text and command, and what is left in the keyspace.

import { isDeepStrictEqual } from 'node:util';
import * as ioredis from 'ioredis';
import * as lingcache from '../../../lib/index.ts';
import { type RealCluster, sharedRealCluster } from '../../kit/real-cluster.ts';
import { serverUnderTest } from '../../kit/servers.ts';
import { GaveUp } from '../../kit/until.ts';
import { deviations } from './deviations.ts';

// biome-ignore lint/suspicious/noExplicitAny: one script for two libraries, whose typings have nothing in common
export type Face = any;

/** What a script gets from either library. */
export interface Library {
  readonly name: 'ioredis' | 'lingcache';
  readonly Cluster: Face;
  readonly Redis: Face;
  readonly Command: Face;
}

export const libraries: readonly Library[] = [
  { name: 'ioredis', Cluster: ioredis.Cluster, Redis: ioredis.Redis, Command: ioredis.Command },
  { name: 'lingcache', Cluster: lingcache.Cluster, Redis: lingcache.Redis, Command: lingcache.Command },
];

export interface Setting {
  readonly client: Face;
  readonly library: Library;
  readonly cluster: RealCluster;
}

/** A call as `[method, ...arguments]`. */
export type Step = readonly [method: string, ...args: unknown[]];
export type Script = (setting: Setting) => unknown;

export interface Row {
  readonly name: string;
  readonly steps: readonly Step[] | Script;
}

/** Calls one after another; the outcome of each counts. */
export function row(name: string, ...steps: Step[]): Row {
  return { name, steps };
}

/** A script; what it returns counts. */
export function script(name: string, steps: Script): Row {
  return { name, steps };
}

/** Values as plain data that can be compared across the libraries. */
function describeValue(value: unknown): unknown {
  if (value instanceof Error) return describeError(value);
  if (Buffer.isBuffer(value)) return { buffer: value.toString('latin1') };
  if (Array.isArray(value)) return value.map(describeValue);
  if (value instanceof Map) return { map: [...value].map(describeValue) };
  if (typeof value === 'function') return { function: value.name };
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => [name, describeValue(field)]);
  return { object: Object.getPrototypeOf(value)?.constructor?.name ?? null, fields };
}

/** Classes of the client's own errors that ioredis, or part of it, writes as plain Error: the text is compared. */
const plainErrors = new Set(['RedisError', 'AbortError', 'OptionError', 'TimeoutError', 'QueueFullError']);

function describeError(error: Error): unknown {
  const { command, previousErrors } = error as {
    command?: { name: string; args: unknown[] };
    previousErrors?: unknown;
  };
  const ofServer = error instanceof ioredis.ReplyError || error instanceof lingcache.ReplyError;
  return {
    error: plainErrors.has(error.name) ? 'Error' : error.name,
    ofServer,
    message: error.message,
    ...(command === undefined || !ofServer ? {} : { command: wordsOf(command).map(describeValue) }),
    ...(previousErrors === undefined ? {} : { previousErrors: describeValue(previousErrors) }),
  };
}

/** A script's error names EVAL or EVALSHA, by what the connection has seen before: the same thing here. */
function wordsOf({ name, args }: { name: string; args: unknown[] }): unknown[] {
  return /^eval(sha)?$/i.test(name) ? ['a script', ...args.slice(1)] : [name, ...args];
}

/** How a call ended: a value, a rejection, an exception before there was a promise, or not at all. */
export function outcomeOf(act: () => unknown): Promise<unknown> {
  return describeOutcome(act, settledInTime);
}

/** As outcomeOf(), of a script of several calls: one that does not end is a failure of the test. */
export function outcomeOfScript(act: () => unknown): Promise<unknown> {
  return describeOutcome(act, (pending) => pending);
}

async function describeOutcome(act: () => unknown, wait: (pending: unknown) => unknown): Promise<unknown> {
  let pending: unknown;
  try {
    pending = act();
  } catch (error) {
    return { threw: describeValue(error) };
  }
  try {
    return describeValue(await wait(pending));
  } catch (error) {
    // Both libraries may wait in vain alike: nothing was compared then.
    if (error instanceof GaveUp) throw error;
    return { rejected: describeValue(error) };
  }
}

const limitMs = 1500;

/** A hang is an outcome too. */
function settledInTime(pending: unknown): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, limitMs, 'never settled');
  });
  return Promise.race([pending, late]).finally(() => clearTimeout(timer));
}

async function perform(steps: Row['steps'], setting: Setting): Promise<unknown> {
  if (typeof steps === 'function') return outcomeOfScript(() => steps(setting));
  const outcomes: unknown[] = [];
  for (const [method, ...args] of steps) {
    outcomes.push(await outcomeOf(() => setting.client[method](...args)));
  }
  return outcomes;
}

/** Every key of the cluster, as bytes in text: shows where a key prefix went. */
async function keyspaceOf(cluster: RealCluster): Promise<string[]> {
  const lists = await Promise.all(cluster.masters.map((node) => node.ask('keys', '*')));
  return lists.flat().map(String).sort();
}

export interface Variant {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** One client of each library with the same options. */
export class Pair {
  readonly #variant: string;
  readonly #settings: readonly Setting[];

  private constructor(variant: string, settings: readonly Setting[]) {
    this.#variant = variant;
    this.#settings = settings;
  }

  static async open(variant: Variant): Promise<Pair> {
    const cluster = await sharedRealCluster();
    const settings = libraries.map((library) => {
      const client = new library.Cluster(cluster.seeds, { ...variant.options, lazyConnect: true });
      return { client, library, cluster };
    });
    await Promise.all(settings.map(({ client }) => client.connect()));
    return new Pair(variant.name, settings);
  }

  /** What differs between the libraries, row by row, in words; differences that are wanted must be there. */
  async compare(group: string, rows: readonly Row[]): Promise<string[]> {
    const complaints: string[] = [];
    for (const one of rows) {
      const [theirs, ours] = [await this.#run(0, one), await this.#run(1, one)];
      const complaint = judge(`${group}: ${one.name}`, this.#variant, theirs, ours);
      if (complaint !== undefined) complaints.push(complaint);
    }
    return complaints;
  }

  close(): void {
    for (const { client } of this.#settings) client.disconnect();
  }

  async #run(at: number, { steps }: Row): Promise<unknown> {
    const setting = this.#settings[at]!;
    await setting.cluster.flush();
    const outcome = await perform(steps, setting);
    return { outcome, keyspace: await keyspaceOf(setting.cluster) };
  }
}

const deviationsHere = deviations.filter(({ server }) => (server ?? serverUnderTest()) === serverUnderTest());

/** Why the two outcomes of a row are not as they should be; undefined when they are. */
export function judge(id: string, variant: string, theirs: unknown, ours: unknown): string | undefined {
  const wanted = deviationsHere.find(
    (one) => one.row === id && !one.except?.includes(variant) && (one.only ?? variant) === variant,
  );
  const same = isDeepStrictEqual(ours, theirs);
  const shown = differences(theirs, ours)
    .map(({ where, theirs, ours }) => `\n  ${where}\n    ioredis:   ${text(theirs)}\n    lingcache: ${text(ours)}`)
    .join('');
  if (wanted === undefined) return same ? undefined : `${id} (${variant}) differs${shown}`;
  seen.add(wanted.row);
  // Servers of other kinds have other answers, on which the two may agree.
  if (same && serverUnderTest() !== undefined) return undefined;
  return same ? `${id} (${variant}) no longer differs: its deviation is stale (${wanted.reason})${shown}` : undefined;
}

interface Difference {
  readonly where: string;
  readonly theirs: unknown;
  readonly ours: unknown;
}

/** Where two outcomes part, down to the step. */
function differences(theirs: unknown, ours: unknown, where = ''): Difference[] {
  if (isDeepStrictEqual(theirs, ours)) return [];
  const [one, other] = [partsOf(theirs), partsOf(ours)];
  if (where.split('.').length > 2 || one === undefined || other === undefined) return [{ where, theirs, ours }];
  if (Array.isArray(theirs) && Array.isArray(ours) && theirs.length !== ours.length) return [{ where, theirs, ours }];
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].flatMap((name) => differences(one[name], other[name], where === '' ? name : `${where}.${name}`));
}

function partsOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part)) ?? String(value);
}

const seen = new Set<string>();

/** Deviations of a group that no row has asked for. */
export function unusedDeviations(group: string): string[] {
  return deviationsHere.map((one) => one.row).filter((id) => id.startsWith(`${group}: `) && !seen.has(id));
}
