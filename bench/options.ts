// The command line of `npm run bench`. Pure: words in, options out; a bad word gives one error that names it.

import { parseArgs } from 'node:util';
import { defaultWorkloads, quickWorkloads, type Workload, workloads } from './macro/workloads.ts';
import { type ClientName, clientNames } from './peers/names.ts';

const microNames = ['encode', 'decode', 'slot', 'route', 'cache'] as const;
export type MicroName = (typeof microNames)[number];

type Suite =
  | { readonly kind: 'macro' }
  | { readonly kind: 'redirect' }
  | { readonly kind: 'footprint' }
  | { readonly kind: 'growth' }
  | { readonly kind: 'behaviour' }
  | { readonly kind: 'servers' }
  | { readonly kind: 'micro'; readonly rooms: readonly MicroName[] };

export interface BenchOptions {
  readonly suite: Suite;
  /** Interleaved rounds; the median is reported. */
  readonly rounds: number;
  /** Measured seconds of one client, one workload, one round. */
  readonly seconds: number;
  readonly clients: readonly ClientName[];
  readonly workloads: readonly Workload[];
  readonly server: 'real' | 'bundled';
  /** Masters of the cluster that is measured, an equal share of the slots each. */
  readonly masters: number;
  readonly quick: boolean;
  /** Folder whose node_modules has the servers that are compared. */
  readonly packages: string;
  /** Start of the names of the result files. */
  readonly label: string;
}

export class UsageError extends Error {}

export const usage = `npm run bench -- [macro|redirect|footprint|growth|behaviour|servers|micro|${microNames.join('|')}] [options]

  macro                all clients side by side on one cluster (default)
  redirect             what MOVED and ASK cost, batches over moved slots, slots swapped and resharded under load
  growth               time of one channel, call, range or entry among 1,000, 10,000 and 100,000; fails on a missed bar
  footprint            import, memory of a pending call, start and idling of the bundled cluster
  behaviour            what each client does with redirects, refusals and a frozen master; outcomes, two minutes
  servers              servers for tests: start, CPU per GET, what of a cluster they have
  micro                every micro bench; or name them: ${microNames.join(', ')}

  --rounds N           interleaved rounds, medians are reported (default 5, quick 2; redirect 3, quick 1)
  --seconds S          seconds of one client, workload and round (default 0.7; quick 0.15)
  --clients a,b        ${clientNames.join(', ')}
  --workloads a,b      names, or parts of names: burst, loops-64, 64k, ... (default: all that show something new)
  --server real|bundled  redis-server processes, or the bundled cluster in one process (default real)
  --masters N          masters of that cluster, 1 to 100 (default 3); macro only
  --packages FOLDER    servers: where js-redis-server, redis-memory-server and ioredis-mock are installed (default .)
  --label NAME         results/NAME-<suite>.json and .svg (default latest)
  --quick              a short run that shows that all works; its figures say little
`;

const settings = {
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  clients: { type: 'string' },
  workloads: { type: 'string' },
  server: { type: 'string', default: 'real' },
  masters: { type: 'string' },
  packages: { type: 'string', default: '.' },
  label: { type: 'string', default: 'latest' },
  quick: { type: 'boolean', default: false },
} as const;

/** Throws UsageError. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const { values, positionals } = parsed(argv);
  const quick = values.quick;
  if (values.server !== 'real' && values.server !== 'bundled') {
    throw new UsageError(`--server ${values.server}: expected real or bundled`);
  }
  if (!/^[\w.-]{1,64}$/.test(values.label))
    throw new UsageError(`--label ${values.label}: letters, digits, - _ . only`);
  const suite = suiteOf(positionals);
  // A round of the redirect suite takes each client through everything, about a minute.
  const usual = suite.kind === 'redirect' ? 3 : 5;
  const fewest = suite.kind === 'redirect' ? 1 : 2;
  return {
    suite,
    rounds: wholeNumber('rounds', values.rounds, quick ? fewest : usual, 1000),
    seconds: seconds(values.seconds, quick ? 0.15 : 0.7),
    clients: values.clients === undefined ? clientNames : chosenClients(values.clients),
    workloads: values.workloads === undefined ? ofTable(quick) : chosenWorkloads(values.workloads),
    server: values.server,
    masters: mastersOf(values.masters, suite),
    quick,
    packages: values.packages,
    label: values.label,
  };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: settings, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

const ofTable = (quick: boolean): readonly Workload[] => (quick ? quickWorkloads : defaultWorkloads);

const suites = ['macro', 'redirect', 'footprint', 'growth', 'behaviour', 'servers', 'micro'] as const;

function suiteOf(words: readonly string[]): Suite {
  const [first, ...rest] = words;
  if (first === undefined || suites.includes(first as (typeof suites)[number])) {
    if (rest.length > 0) throw new UsageError(`Unexpected "${rest.join(' ')}" after ${first}`);
    if (first === 'micro') return { kind: 'micro', rooms: microNames };
    return { kind: (first ?? 'macro') as Exclude<(typeof suites)[number], 'micro'> };
  }
  const rooms = words.map((word) => {
    const room = microNames.find((name) => name === word);
    if (room === undefined)
      throw new UsageError(
        `Unknown suite "${word}": expected macro, redirect, footprint, growth, behaviour, servers, micro or ${microNames.join(', ')}`,
      );
    return room;
  });
  return { kind: 'micro', rooms };
}

function wholeNumber(name: string, text: string | undefined, fallback: number, most: number): number {
  if (text === undefined) return fallback;
  if (!/^\d{1,4}$/.test(text) || Number(text) < 1 || Number(text) > most) {
    throw new UsageError(`--${name} ${text}: expected a whole number from 1 to ${most}`);
  }
  return Number(text);
}

const usualMasters = 3;

// The redirect suite moves slots between three nodes, and the growth suite's bars belong to three.
function mastersOf(text: string | undefined, suite: Suite): number {
  const masters = wholeNumber('masters', text, usualMasters, 100);
  if (masters !== usualMasters && suite.kind !== 'macro') throw new UsageError(`--masters: not for ${suite.kind}`);
  return masters;
}

function seconds(text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value >= 0.01 && value <= 600)) throw new UsageError(`--seconds ${text}: expected 0.01 to 600`);
  return value;
}

function chosenClients(text: string): readonly ClientName[] {
  return text.split(',').map((word) => {
    const name = clientNames.find((one) => one === word);
    if (name === undefined) throw new UsageError(`--clients ${word}: expected ${clientNames.join(', ')}`);
    return name;
  });
}

function chosenWorkloads(text: string): readonly Workload[] {
  const chosen = new Set<Workload>();
  for (const word of text.split(',')) {
    const exact = workloads.filter((one) => one.name === word);
    const found = exact.length > 0 ? exact : workloads.filter((one) => `-${one.name}-`.includes(`-${word}-`));
    if (found.length === 0) {
      throw new UsageError(`--workloads ${word}: expected part of ${workloads.map((one) => one.name).join(', ')}`);
    }
    for (const one of found) chosen.add(one);
  }
  return [...chosen];
}
