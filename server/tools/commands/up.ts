// `lingcache up`: a cluster that stays until Ctrl-C, or in the background until `lingcache down`.

import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { startCluster } from '../../index.ts';
import { usage } from '../cli/arguments.ts';
import {
  type Command,
  defineCommand,
  ExitError,
  exitCodes,
  type OptionTable,
  type OptionValues,
} from '../cli/command.ts';
import type { Output } from '../cli/output.ts';
import { type Daemon, forgetDaemon, keepDaemon, logOf, runningDaemons } from '../daemons.ts';
import { upProcesses } from '../up-processes.ts';
import { type UpNode, upReport } from '../up-report.ts';

const options = {
  masters: { kind: 'integer', value: 'N', least: 1, most: 500, default: 3, help: 'masters, default 3' },
  replicas: { kind: 'integer', value: 'N', least: 0, most: 10, default: 1, help: 'replicas of each master, default 1' },
  port: {
    kind: 'integer',
    value: 'N',
    least: 0,
    most: 55_535,
    default: 7000,
    help: 'port of the first node, default 7000; 0: any',
  },
  host: { kind: 'text', value: 'NAME', default: '127.0.0.1', help: 'address to listen on, default 127.0.0.1' },
  password: { kind: 'text', value: 'PASSWORD', default: '', help: 'clients must AUTH with it' },
  processes: { kind: 'flag', help: 'every node is a process of its own: kill -9 one and see' },
  dir: {
    kind: 'text',
    value: 'FOLDER',
    default: '',
    help: 'where processes keep their data and go on from; default: a temporary one',
  },
  daemon: { kind: 'flag', help: 'in the background, until lingcache down' },
} as const satisfies OptionTable;

type UpOptions = OptionValues<typeof options>;

export const up: Command = defineCommand({
  name: 'up',
  arguments: [],
  options,
  examples: ['lingcache up --masters 5 --replicas 2 --port 7000', 'lingcache up --daemon && lingcache down'],
  run: async ({ options, out, signal }) => {
    if (options.dir !== '' && !options.processes) throw usage('--dir: it goes with --processes');
    // Heard from here on, so that nobody who reads the report can be too quick.
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    return options.daemon ? startDaemon(options, out) : runUp(options, out, stopped);
  },
});

interface Running {
  readonly nodes: readonly UpNode[];
  readonly report: string;
  close(): Promise<void>;
}

async function runUp(options: UpOptions, out: Output, stopped: Promise<void>): Promise<number> {
  const cluster: Running = options.processes ? await upProcesses(options) : await upHere(options);
  out.answer({ nodes: cluster.nodes });
  out.line(cluster.report.trimEnd());
  // Whoever started it in the background waits for this.
  if (process.send !== undefined && process.env[daemonMark] === 'yes') {
    process.send(cluster.nodes);
    process.disconnect();
  }
  await stopped;
  await cluster.close();
  out.line('stopped');
  return exitCodes.ok;
}

async function upHere(options: UpOptions): Promise<Running> {
  const { masters, replicas, port, host, password } = options;
  const cluster = await startCluster({ masters, replicas, port, host, password });
  return {
    nodes: cluster.nodes.map(({ id, role, masterId, slots, host, port }) => ({
      id,
      role,
      masterId,
      slots,
      host,
      port,
    })),
    report: upReport(cluster.nodes, password !== '', 'the data is in memory only.'),
    close: () => cluster.close(),
  };
}

const daemonMark = 'LINGCACHE_UP_DAEMON';

async function startDaemon(options: UpOptions, out: Output): Promise<number> {
  const program = process.argv[1]!;
  const args = ['up', ...process.argv.slice(3).filter((argument) => argument !== '--daemon' && argument !== '--json')];
  const running = (await runningDaemons()).find(({ port }) => port === options.port);
  if (running !== undefined) {
    throw new ExitError(
      exitCodes.failed,
      `one with port ${options.port} runs already (pid ${running.pid}): lingcache down --port ${options.port}`,
    );
  }
  const log = logOf(options.port);
  const file = openSync(log, 'w', 0o600);
  const child = spawn(process.execPath, [program, ...args], {
    detached: true,
    stdio: ['ignore', file, file, 'ipc'],
    env: { ...process.env, [daemonMark]: 'yes' },
  });
  closeSync(file);
  const nodes = await new Promise<UpNode[]>((resolve, reject) => {
    child.once('message', (message) => resolve(message as UpNode[]));
    child.once('error', reject);
    child.once('exit', (code) => {
      const last = readFileSync(log, 'utf8')
        .trim()
        .split('\n')
        .at(-1)!
        .replace(/^lingcache up: /, '');
      reject(new Error(`${last || `exit code ${code}`} (log: ${log})`));
    });
  });
  child.unref();
  const first = nodes[0]!;
  const entry: Daemon = { pid: child.pid!, port: first.port, host: first.host, program, log };
  keepDaemon(entry);
  child.once('exit', () => forgetDaemon(entry));
  out.answer({ pid: entry.pid, log, nodes });
  const fate = `It runs in the background (pid ${entry.pid}, log ${log}): lingcache down --port ${first.port} stops it.`;
  const report = upReport(nodes, options.password !== '', '');
  out.line(report.replace(/\nCtrl-C stops it; \n$/, `\n${fate}`));
  return exitCodes.ok;
}
