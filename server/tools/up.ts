// `lingcache up`: a cluster that stays until Ctrl-C.

import { parseArgs } from 'node:util';
import { startCluster } from '../index.ts';
import { upProcesses } from './up-processes.ts';
import { upReport } from './up-report.ts';

export interface UpOptions {
  readonly masters: number;
  readonly replicas: number;
  readonly port: number;
  readonly host: string;
  readonly password: string;
  /** Every node is a process of its own. */
  readonly processes: boolean;
  /** Where processes keep their data; `''`: in a temporary folder. */
  readonly dir: string;
}

/** Throws an Error that names the flag at fault. */
export function readUpOptions(args: string[]): UpOptions {
  const { values } = parseArgs({
    args,
    options: {
      masters: { type: 'string', default: '3' },
      replicas: { type: 'string', default: '1' },
      port: { type: 'string', default: '7000' },
      host: { type: 'string', default: '127.0.0.1' },
      password: { type: 'string', default: '' },
      processes: { type: 'boolean', default: false },
      dir: { type: 'string', default: '' },
    },
  });
  if (values.dir !== '' && !values.processes) throw new Error('--dir: it goes with --processes');
  return {
    masters: readNumber('--masters', values.masters, 1, 500),
    replicas: readNumber('--replicas', values.replicas, 0, 10),
    port: readNumber('--port', values.port, 0, 55_535),
    host: values.host,
    password: values.password,
    processes: values.processes,
    dir: values.dir,
  };
}

function readNumber(flag: string, text: string, least: number, most: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new Error(`${flag}: '${text}' is not an integer within ${least}..${most}`);
}

export async function runUp(args: string[]): Promise<number> {
  let options: UpOptions;
  try {
    options = readUpOptions(args);
  } catch (error) {
    process.stderr.write(`lingcache up: ${(error as Error).message}\n`);
    return 2;
  }
  // Heard from here on, so that nobody who reads the report can be too quick.
  const stopped = stopSignal();
  const cluster = options.processes ? await upProcesses(options) : await upHere(options);
  process.stdout.write(cluster.report);
  await stopped;
  await cluster.close();
  process.stdout.write('stopped\n');
  return 0;
}

async function upHere(options: UpOptions): Promise<{ report: string; close(): Promise<void> }> {
  const { masters, replicas, port, host, password } = options;
  const cluster = await startCluster({ masters, replicas, port, host, password });
  return {
    report: upReport(cluster.nodes, password !== '', 'the data is in memory only.'),
    close: () => cluster.close(),
  };
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process the hard way. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      resolve();
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}
