// One node as a process of its own, in the place of redis-server: reads its configuration, starts, runs until it is
// stopped by a signal or SHUTDOWN.
// Owns: what belongs to a process: signals, pid file, working directory, log file, exit code.
// Does not know: how a node works (node/node.ts), nor other nodes of its cluster.
// Invariant: nothing on the disk is touched before the configuration is valid, and no data before the ports and the
// cluster configuration file are this node's own.

import { spawn } from 'node:child_process';
import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { note } from '../../lib/base/world.ts';
import { ReplyError } from '../../lib/wire/reply.ts';
import { adoptKeys, firstState } from '../cluster/bootstrap.ts';
import { randomId } from '../cluster/ids.ts';
import { readCommandLine } from '../config/command-line.ts';
import { ConfError } from '../config/conf-text.ts';
import { Config } from '../config/config.ts';
import { type Environment, readEnvironment } from '../config/environment.ts';
import { gatherSettings } from '../config/load.ts';
import { rewriteConf } from '../config/rewrite.ts';
import type { ShutdownHow } from '../engine/ports.ts';
import { serverVersion } from '../engine/version.ts';
import { boundHosts } from '../node/listeners.ts';
import { openNode, type ServerNode } from '../node/node.ts';
import { writeWhole } from '../persistence/disk/atomic-file.ts';
import { ChildSaver, saverProgram } from './child-saver.ts';
import { ProcessWorld } from './log-world.ts';
import { keepOomScore, type OomScore } from './oom-score.ts';

/** Where a process differs from a node inside another one. */
const processDefaults = { dir: '.', save: '3600 1 300 100 60 10000' };
const maxFileBytes = 16 << 20;

/** Resolves to the exit code once the node has stopped. */
export async function runNode(args: readonly string[], env: Environment): Promise<number> {
  const world = new ProcessWorld();
  // A reader of the log that goes away is no reason to stop.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  let plan: Plan;
  try {
    plan = readPlan(args, env, world);
  } catch (error) {
    if (!(error instanceof ConfError)) throw error;
    process.stderr.write(confReport(error));
    return 1;
  }
  if (plan.config.flag('daemonize')) return goToBackground(args, plan);
  process.on('uncaughtException', (error) => {
    world.log(`a bug of this server ends it: ${error.stack ?? error.message}`);
    process.exit(1);
  });
  try {
    return await run(plan, world);
  } catch (error) {
    for (const line of lastWords(error, plan.config)) world.log(line);
    return 1;
  }
}

/** Why the process ends, with the lines that watchers of redis-server's log wait for. */
function lastWords(error: unknown, config: Config): string[] {
  if (!(error instanceof Error)) return [String(error)];
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === 'listen') return [error.message, `Failed listening on port ${config.get('port')} (TCP), aborting.`];
  if (error.name === 'RdbError') {
    return [
      `Error while reading the RDB file: ${error.message}`,
      '--- RDB ERROR DETECTED ---',
      `[offset ${(error as Error & { offset?: number }).offset}] ${error.message}`,
      'Terminating server after rdb file reading failure.',
      'Fatal error loading the DB, check server logs. Exiting.',
    ];
  }
  const ofSnapshot = code !== undefined && syscall === 'open';
  return ofSnapshot ? [error.message, 'Fatal error loading the DB, check server logs. Exiting.'] : [error.message];
}

interface Plan {
  readonly config: Config;
  readonly warnings: readonly string[];
  readonly nodeId: string;
  readonly file: string | undefined;
  /** The working directory before `dir` was entered. */
  readonly started: string;
}

function readPlan(args: readonly string[], env: Environment, world: ProcessWorld): Plan {
  const started = process.cwd();
  const commandLine = readCommandLine(args);
  // Relative to where the process was started, not to `dir`.
  const file = commandLine.file === undefined ? undefined : resolve(commandLine.file);
  const { directives, nodeId } = readEnvironment({ ...dotEnv(), ...env });
  const source = {
    environment: directives,
    commandLine,
    stdin: commandLine.stdin ? readFileSync(0, 'latin1') : '',
    read: readConf,
    list: (folder: string) => readdirSync(folder),
  };
  const { config, warnings } = gatherSettings(source, processDefaults);
  const blame = (name: string, why: string): ConfError =>
    new ConfError({ source: 'the configuration', line: 0, text: `${name} ${config.get(name)}` }, why);
  try {
    process.chdir(config.get('dir'));
  } catch (error) {
    throw blame('dir', `Can't chdir to '${config.get('dir')}': ${(error as Error).message}`);
  }
  config.put('dir', process.cwd());
  world.level = () => config.get('loglevel');
  world.logFile = config.get('logfile');
  try {
    if (world.logFile !== '') appendFileSync(world.logFile, '');
  } catch (error) {
    throw blame('logfile', `Can't open the log file: ${(error as Error).message}`);
  }
  return { config, warnings, nodeId, file, started };
}

/** Starts the same again without a terminal, and leaves it to itself. */
function goToBackground(args: readonly string[], { started }: Plan): number {
  const again = [...process.execArgv, ...process.argv.slice(1, process.argv.length - args.length), ...args];
  const child = spawn(process.execPath, [...again, '--daemonize', 'no'], {
    cwd: started,
    detached: true,
    stdio: 'ignore',
  });
  child.unref();
  return 0;
}

function readConf(path: string): string {
  const bytes = readFileSync(path);
  if (bytes.length > maxFileBytes) throw new Error(`it is bigger than ${maxFileBytes} bytes`);
  return bytes.toString('latin1');
}

/** Variables of a `.env` in the working directory, below those of the process. */
function dotEnv(): Environment {
  try {
    return parseEnv(readFileSync('.env', 'utf8')) as Environment;
  } catch {
    return {};
  }
}

function confReport(error: ConfError): string {
  return `
*** FATAL CONFIG FILE ERROR (lingcache, as Redis ${serverVersion}) ***
Reading ${error.source}, at line ${error.line}
>>> '${error.text}'
${error.message}
`;
}

async function run({ config, warnings, nodeId, file }: Plan, world: ProcessWorld): Promise<number> {
  note(world, `lingcache is starting, as Redis version=${serverVersion}, pid=${process.pid}, just started`);
  note(world, file === undefined ? 'no config file given' : 'Configuration loaded');
  for (const warning of warnings) world.log(`WARNING ${warning}`);
  const cluster = config.flag('cluster-enabled');
  const hosts = boundHosts(config);
  const port = config.number('port');
  if (port === 0 && config.number('tls-port') === 0 && config.get('unixsocket') === '')
    throw new Error('Configured to not listen anywhere, exiting.');
  const asked = { world, cluster, config, hosts, host: hosts[0]!, bus: 'tcp' as const };
  let code = 0;
  const onFatal = (): void => {
    code = 1;
  };
  const rewritten =
    file === undefined
      ? {}
      : {
          configFile: {
            path: file,
            rewrite: (users: readonly string[], all = false) => rewriteFile(file, config, world, users, all),
          },
        };
  const onListening = (bound: number): void => {
    note(world, `Running mode=${cluster ? 'cluster' : 'standalone'}, port=${bound}.`);
    note(world, `Server initialized, PID: ${process.pid}`);
  };
  let score: OomScore | undefined;
  const node = await openNode({
    ...asked,
    ...rewritten,
    port: port === 0 ? undefined : port,
    onListening,
    blockFor,
    saver: new ChildSaver({
      program: saverProgram(import.meta.url),
      log: () => world.logFile,
      score: () => score?.ofChild(),
    }),
    crash: (signal) => crashReport(world, signal),
    onFatal,
  });
  world.role = () => (node.isReplica ? 'S' : 'M');
  score = keepOomScore(config, world, node);
  const pidFile = writePid(config, world);
  try {
    enter(node, nodeId, world);
    const release = handleSignals(node, world);
    process.send?.('ready');
    await untilStopped(node);
    release();
  } catch (error) {
    await node.close();
    throw error;
  } finally {
    if (pidFile !== undefined) rmSync(pidFile, { force: true });
  }
  note(world, 'lingcache is now ready to exit, bye bye...');
  return code;
}

/** Nothing of this process runs for so long. */
function blockFor(ms: number): void {
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Ends the process as the signal would, with what it was doing in the log. */
function crashReport(world: ProcessWorld, signal: 'SIGSEGV' | 'SIGABRT'): never {
  const number = signal === 'SIGSEGV' ? 11 : 6;
  world.log('=== REDIS BUG REPORT START: Cut & paste starting from here ===');
  world.log(`lingcache, as Redis ${serverVersion}, crashed by signal: ${number}`);
  world.log(`------ STACK TRACE ------\n${new Error(signal).stack}`);
  world.log('=== REDIS BUG REPORT END. ===');
  process.exit(128 + number);
}

/** CONFIG REWRITE. */
function rewriteFile(
  path: string,
  config: Config,
  world: ProcessWorld,
  users: readonly string[],
  all: boolean,
): ReplyError | undefined {
  try {
    const text = rewriteConf(readConf(path), config, all ? undefined : new Config(processDefaults), users);
    writeWhole(path, [Buffer.from(text, 'latin1')]);
    note(world, 'CONFIG REWRITE executed with success.');
    return undefined;
  } catch (error) {
    const why = (error as Error).message;
    world.log(`CONFIG REWRITE failed: ${why}`);
    return new ReplyError(`ERR Rewriting config file: ${why.replace(/[\r\n]/g, ' ')}`);
  }
}

/** Takes the place in the cluster that the node had, or a new one. */
function enter(node: ServerNode, nodeId: string, world: ProcessWorld): void {
  if (!node.options.cluster) node.start(undefined);
  else {
    const saved = node.savedState;
    const id = nodeId === '' ? randomId(world) : nodeId;
    if (saved === undefined) note(world, `No cluster configuration found, I'm ${id}`);
    else note(world, `Node configuration loaded, I'm ${saved.myself}`);
    const { state, notes } = adoptKeys(firstState(saved, id, { host: '', ...node.ports }), (slot) =>
      node.store.countInSlot(slot),
    );
    for (const each of notes) note(world, each);
    node.start(state);
  }
  const path = node.engine.config.get('unixsocket');
  if (path !== '') note(world, `The server is now ready to accept connections at ${path}`);
  note(world, 'Ready to accept connections');
}

function writePid(config: Config, world: ProcessWorld): string | undefined {
  const path = config.get('pidfile');
  if (path === '') return undefined;
  try {
    writeFileSync(path, `${process.pid}\n`);
    return path;
  } catch (error) {
    world.log(`the pid file could not be written: ${(error as Error).message}`);
    return undefined;
  }
}

function untilStopped(node: ServerNode): Promise<void> {
  return new Promise((resolve) => node.onClosed(resolve));
}

/** SIGTERM and SIGINT stop the node as their parameters say, a second one at once; gives what ends that. */
function handleSignals(node: ServerNode, world: ProcessWorld): () => void {
  const names = ['SIGTERM', 'SIGINT'] as const;
  const aborted = (): void => crashReport(world, 'SIGABRT');
  process.on('SIGABRT', aborted);
  const release = (): void => {
    process.off('SIGABRT', aborted);
    for (const name of names) process.off(name, stop);
    process.off('disconnect', orphaned);
    if (process.connected) process.disconnect();
  };
  let stopping = false;
  const stop = (name: NodeJS.Signals): void => {
    world.log(`Received ${name} scheduling shutdown...`);
    if (stopping) {
      void node.close();
      return;
    }
    stopping = true;
    node.stop(howToStop(node, name), (refusal) => {
      stopping = false;
      if (refusal !== undefined) world.log(`Received ${name}, but the node could not be stopped in order; it goes on`);
    });
  };
  for (const name of names) process.on(name, stop);
  // Whoever started this process with a line to it does not want it to live on alone, with a script that never ends.
  const orphaned = (): void => {
    if (node.engine.busy === undefined) stop('SIGTERM');
    else void node.close();
  };
  if (process.connected) process.once('disconnect', orphaned);
  return release;
}

/** `shutdown-on-sigterm save force` and the like. */
function howToStop(node: ServerNode, name: NodeJS.Signals): ShutdownHow {
  const modes = new Set(node.engine.config.get(`shutdown-on-${name.toLowerCase()}`).split(' '));
  const save = modes.has('save') ? 'yes' : modes.has('nosave') ? 'no' : 'default';
  return { save, now: modes.has('now'), force: modes.has('force') };
}
