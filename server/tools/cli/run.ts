// Runs one command: reads its line, connects when it asks, has changes agreed to, and turns its end into an exit code.
// Owns: what a command leaves to be closed, the interrupt signals while it runs.
// Does not know: any command.
// Invariant: whatever happens, what was opened for the command is closed and there is an exit code.

import { createInterface } from 'node:readline/promises';
import { RealWorld } from '../../../lib/base/world.ts';
import { ClusterLink, UnreachableError } from '../../operator/link/cluster-link.ts';
import { ClusterOperator } from '../../operator/operator.ts';
import { type ReadLine, readLine } from './arguments.ts';
import { type Command, type CommandContext, ExitError, exitCodes, type Plan } from './command.ts';
import { linkOptions } from './connection.ts';
import { helpOf, optionsOf, usageLine } from './help.ts';
import { Output, type OutputOptions } from './output.ts';

/** What a process has and a test may replace. */
export interface Surroundings extends Omit<OutputOptions, 'json'> {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
}

/** `summary`: its line in the overview. Resolves with the exit code; rejects never. */
export async function runCommand(
  command: Command,
  summary: string,
  line: readonly string[],
  around: Surroundings,
): Promise<number> {
  // Known before the line is understood, so that a refusal of it is JSON too.
  let out = new Output({ ...around, json: line.includes('--json') });
  const cleanups: (() => unknown)[] = [];
  const interrupt = new Interrupt();
  try {
    if (command.raw !== undefined) return await command.raw(line);
    const read = readLine(line, {
      options: optionsOf(command),
      arguments: command.arguments,
      rawAfter: command.rawAfter,
    });
    if (read.help) {
      around.stdout.write(helpOf(command, summary));
      return exitCodes.ok;
    }
    out = new Output({ ...around, json: read.options['json'] === true });
    return await command.run(contextOf(read, out, around, interrupt, cleanups));
  } catch (error) {
    return refuse(command, error as Error, out);
  } finally {
    for (const cleanup of cleanups.reverse()) await Promise.resolve(cleanup()).catch(() => undefined);
    interrupt.close();
  }
}

function refuse(command: Command, error: Error, out: Output): number {
  const otherwise = error instanceof UnreachableError ? exitCodes.usage : exitCodes.failed;
  const code = error instanceof ExitError ? error.code : otherwise;
  out.answer({ error: error.message, exitCode: code });
  out.note(`lingcache ${command.name}: ${error.message}`);
  if (code === exitCodes.usage && error instanceof ExitError && !out.json)
    out.note(`${usageLine(command)}; --help shows more`);
  return code;
}

function contextOf(
  { args, options }: ReadLine,
  out: Output,
  around: Surroundings,
  interrupt: Interrupt,
  cleanups: (() => unknown)[],
): CommandContext {
  const world = new RealWorld();
  const onEnd = (cleanup: () => unknown): void => void cleanups.push(cleanup);
  const link = async (address: string, anyServer = false): Promise<ClusterLink> => {
    const opened = new ClusterLink(linkOptions(address, options, around.env, world));
    onEnd(() => opened.close());
    await (anyServer ? opened.askAny(['PING']) : opened.view());
    return opened;
  };
  return {
    args,
    options: options as CommandContext['options'],
    out,
    get signal() {
      return interrupt.signal;
    },
    world,
    link,
    operator: async (address, more = {}) => {
      const shared = await link(address);
      const operator = new ClusterOperator({ ...more, seeds: shared.seeds, world }, shared);
      onEnd(() => operator.close());
      return operator;
    },
    approve: (plan) => approve(plan, options, out, around, interrupt.signal),
    progress: (label) => out.progress(label),
    onEnd,
    sleep: (ms) => sleep(ms, interrupt.signal),
  };
}

async function approve(
  plan: Plan,
  options: Readonly<Record<string, unknown>>,
  out: Output,
  around: Surroundings,
  signal: AbortSignal,
): Promise<boolean> {
  const planOnly = options['plan'] === true;
  if (planOnly || plan.lines.length === 0) out.answer({ plan: plan.data });
  for (const line of plan.lines) out.line(line);
  if (planOnly || plan.lines.length === 0) return false;
  if (options['yes'] === true || plan.named === true) return true;
  if (around.stdin.isTTY !== true || around.stderr.isTTY !== true) {
    throw new ExitError(exitCodes.usage, 'nothing was changed: --yes agrees to the plan, --plan only shows it');
  }
  const dialog = createInterface({ input: around.stdin, output: around.stderr as unknown as NodeJS.WritableStream });
  try {
    const answer = await dialog.question("Do this? ('yes' does) ", { signal }).catch(() => '');
    if (answer.trim().toLowerCase() === 'yes') return true;
  } finally {
    dialog.close();
  }
  throw new ExitError(signal.aborted ? exitCodes.interrupted : exitCodes.failed, 'nothing was changed');
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}

/** The first SIGINT or SIGTERM aborts the signal; the second ends the process at once. Heard from its first use on. */
class Interrupt {
  readonly #controller = new AbortController();
  #heard = false;
  readonly #stop = (): void => {
    if (this.#controller.signal.aborted) process.exit(exitCodes.interrupted);
    this.#controller.abort();
  };

  get signal(): AbortSignal {
    if (!this.#heard) {
      this.#heard = true;
      process.on('SIGINT', this.#stop);
      process.on('SIGTERM', this.#stop);
    }
    return this.#controller.signal;
  }

  close(): void {
    process.off('SIGINT', this.#stop);
    process.off('SIGTERM', this.#stop);
  }
}
