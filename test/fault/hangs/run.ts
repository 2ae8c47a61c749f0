// The matrix of the hang proof: every act under every fault, each with a client of its own. Used by hangs.ts (all) and
// hangs.test.ts (some).

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Act, acts, type Kind, makeClient, whenReady } from './acts.ts';
import { type HangFault, hangFaults } from './faults.ts';

/** What a promise may take beyond its budget, ms. */
const grace = 1000;
/** How long a promise that is late is still watched, ms. */
const watched = 4000;

export interface Cell {
  readonly kind: Kind;
  readonly fault: string;
  readonly act: string;
  readonly budget: number;
  /** ms until it settled; undefined: it is open. */
  readonly ms: number | undefined;
  /** `ok`, or its error. */
  readonly outcome: string;
  readonly inTime: boolean;
}

export async function underFault(kind: Kind, fault: HangFault, only?: readonly string[]): Promise<Cell[]> {
  const scene = await fault.set();
  const chosen = acts.filter((act) => (act.only ?? kind) === kind && (only === undefined || only.includes(act.name)));
  const clients: ReturnType<typeof makeClient>[] = [];
  try {
    if (fault.when === 'start') scene.strike();
    for (const act of chosen) clients.push(makeClient(kind, scene, act));
    if (fault.when === 'later') {
      await Promise.all(clients.map((client, at) => whenReady(client, chosen[at]!)));
      scene.strike();
    }
    return await Promise.all(chosen.map((act, at) => timed(kind, fault, act, () => act.run(clients[at]!))));
  } finally {
    for (const client of clients) client.disconnect();
    await scene.stop();
  }
}

async function timed(kind: Kind, fault: HangFault, act: Act, run: () => Promise<unknown>): Promise<Cell> {
  const { budget = 1500 } = act;
  const start = performance.now();
  let outcome = 'open';
  const settled = (async () => {
    try {
      await run();
      outcome = 'ok';
    } catch (error) {
      outcome = `${(error as Error).name}: ${(error as Error).message}`;
    }
    return performance.now() - start;
  })();
  const ms = await Promise.race([settled, pause(budget + grace + watched, undefined)]);
  const inTime = ms !== undefined && ms <= budget + grace;
  return { kind, fault: fault.name, act: act.name, budget, ms, outcome, inTime };
}

/** One line for a promise that was late or is open. */
export function describeCell({ kind, fault, act, budget, ms, outcome }: Cell): string {
  const took = ms === undefined ? 'open' : `${Math.round(ms)} ms`;
  return `${kind}, ${fault}: ${act} (budget ${budget} ms): ${took}, ${outcome.slice(0, 120)}`;
}

export { acts, hangFaults };

export interface FaultReport {
  readonly cells: readonly Cell[];
  readonly unhandled: readonly string[];
  /** Why there are no cells: the process had to be killed, or ended. */
  readonly trouble: string | undefined;
}

/** Longest time for all acts of one fault, ms. */
const wholeFault = 40_000;

/** The same in a child process, which is killed when its event loop does not turn any more. */
export async function inChild(kind: Kind, fault: string, act?: string): Promise<FaultReport> {
  const args = [kind, fault, ...(act === undefined ? [] : [act])];
  const child = fork(fileURLToPath(new URL('./child.js', import.meta.url)), args, {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  let printed = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    printed += chunk;
  });
  let report: Omit<FaultReport, 'trouble'> | undefined;
  child.on('message', (message) => {
    report = message as Omit<FaultReport, 'trouble'>;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), wholeFault);
  await once(child, 'close');
  clearTimeout(timer);
  if (report !== undefined) return { ...report, trouble: undefined };
  const how = child.signalCode === null ? `ended with ${child.exitCode}` : 'stood still: its event loop is blocked';
  return { cells: [], unhandled: [], trouble: `${kind}, ${fault}: the process ${how} ${printed.slice(-600)}` };
}
