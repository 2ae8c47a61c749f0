// Phases of the ledger proof: one shape of client under one fault, then the comparison. Used by ledger.ts (long) and
// ledger.test.ts (short).

import { setTimeout as pause } from 'node:timers/promises';
import { ManualWorld } from '../../../lib/base/world.ts';
import { Book, compare, type Findings, noFindings } from './book.ts';
import { type FaultKind, faults } from './faults.ts';
import { ClusterStage, LoneStage, type Shape, type Stage, shapes } from './stage.ts';
import { work } from './writers.ts';

/** Milliseconds after a fault until a call that is still open counts as one that never settles. */
const limitMs = 75_000;

export interface Plan {
  readonly seed: number;
  readonly shapes: readonly Shape[];
  readonly faults: readonly string[];
  /** In all phases together. */
  readonly commands: number;
  readonly brief?: boolean;
  readonly print?: (line: string) => void;
}

export interface PhaseReport extends Findings {
  readonly shape: string;
  readonly fault: string;
  /** What the fault did, by name. */
  readonly done: Readonly<Record<string, number>>;
  /** Sockets that the client closed by itself. */
  readonly dropped: number;
}

export const faultNames: readonly string[] = faults.map(({ name }) => name);
export { shapes };

function phasesOf({ shapes: wanted, faults: names }: Plan, kind: 'cluster' | 'redis'): [Shape, FaultKind][] {
  const fitting = faults.filter(({ name, only }) => names.includes(name) && (only ?? kind) === kind);
  return fitting.flatMap((fault) =>
    wanted.filter((shape) => shape.kind === kind).map((shape): [Shape, FaultKind] => [shape, fault]),
  );
}

/** Plays all phases of a plan, those of the cluster and those of the single server side by side. */
export async function play(plan: Plan): Promise<PhaseReport[]> {
  const lists = (['cluster', 'redis'] as const).map((kind) => phasesOf(plan, kind));
  const each = Math.ceil(plan.commands / Math.max(1, lists[0]!.length + lists[1]!.length));
  const reports = await Promise.all(
    lists.map((phases, at) => (phases.length === 0 ? [] : playOn(at === 0 ? 'cluster' : 'redis', phases, plan, each))),
  );
  return reports.flat();
}

async function playOn(
  kind: 'cluster' | 'redis',
  phases: readonly [Shape, FaultKind][],
  plan: Plan,
  commands: number,
): Promise<PhaseReport[]> {
  const world = new ManualWorld({ seed: plan.seed * 2 + (kind === 'cluster' ? 0 : 1) });
  const random = (): number => world.random();
  const stage = kind === 'cluster' ? await ClusterStage.start(random) : await LoneStage.start(random);
  try {
    const reports: PhaseReport[] = [];
    for (const [at, [shape, fault]] of phases.entries()) {
      const report = await playPhase(stage, shape, fault, `${plan.seed}.${kind[0]}${at}`, commands, plan);
      reports.push(report);
      plan.print?.(lineOf(report));
    }
    return reports;
  } finally {
    await stage.stop();
  }
}

async function playPhase(
  stage: Stage,
  shape: Shape,
  fault: FaultKind,
  prefix: string,
  commands: number,
  { seed, brief = false }: Plan,
): Promise<PhaseReport> {
  const done: Record<string, number> = {};
  await stage.begin();
  const client = stage.makeClient(shape, fault.options?.(done) ?? {});
  client.on('error', () => undefined);
  await Promise.all(stage.tags.map((tag) => client.set(`{${tag}}:ready`, '1')));
  const dropped = stage.closedByClient;
  const book = new Book(prefix);
  const pacer = new Pacer(book, commands, brief ? fault.lasts / 2 : fault.lasts);
  const { tags, random } = stage;
  const working = work({ client, book, tags, random, turn: () => pacer.turn() }, fault.odd ?? false);
  // A fault that could not be done proves nothing.
  const undone = await fault.run({ stage, client, book, brief }, done).then(
    () => (Object.values(done).some((times) => times > 0) ? undefined : 'nothing happened'),
    (error: Error) => error.message,
  );
  pacer.release();
  await Promise.race([working, pause(limitMs, undefined, { ref: false })]);
  const stuck = book.entries.filter(({ outcome }) => outcome === 'open');
  const closed = stage.closedByClient - dropped;
  client.disconnect();
  await stage.heal();
  // Bytes that still lie in a server's buffers are executed late.
  await pause(100);
  const held = await stage.held();
  const rules = {
    resend: shape.resend,
    maxResends: shape.kind === 'cluster' ? 16 : 20,
    crash: fault.crash ?? false,
    lostByOthers: stage.lostByOthers,
  };
  const where = `seed ${seed}, ${shape.name}, ${fault.name}`;
  const findings = compare(book, held, rules, where);
  for (const { id, kind, tag } of stuck) findings.violations.push(`${where}: never settled: ${kind} ${id} at {${tag}}`);
  if (undone !== undefined) findings.violations.push(`${where}: the fault was not done: ${undone}`);
  await stage.flush();
  return { ...findings, shape: shape.name, fault: fault.name, done, dropped: closed };
}

/** Spreads the commands over the time of the fault; what is left when it is over follows at once. */
class Pacer {
  readonly #book: Book;
  readonly #commands: number;
  readonly #lasts: number;
  readonly #start = performance.now();
  #released = false;

  constructor(book: Book, commands: number, lasts: number) {
    this.#book = book;
    this.#commands = commands;
    this.#lasts = lasts;
  }

  /** The fault is over. */
  release(): void {
    this.#released = true;
  }

  async turn(): Promise<boolean> {
    for (;;) {
      const made = this.#book.entries.length;
      if (this.#released && made >= this.#commands) return false;
      const due = (this.#commands * (performance.now() - this.#start)) / this.#lasts;
      if (this.#released || made < due) return true;
      await pause(2 + Math.random() * 6);
    }
  }
}

function lineOf(report: PhaseReport): string {
  const done = Object.entries(report.done)
    .map(([name, times]) => `${name} ${times}`)
    .join(', ');
  return `${report.shape.padEnd(18)} ${report.fault.padEnd(20)} ${String(report.commands).padStart(7)} commands, ${report.rejected} rejected, ${report.repeated} repeated, ${report.violations.length} violations, ${report.dropped} sockets closed by the client; ${done}`;
}

/** The sums of many phases. */
export function sumOf(reports: readonly PhaseReport[]): Findings & { dropped: number } {
  const sum = { ...noFindings(), dropped: 0 };
  for (const report of reports) {
    for (const name of ['commands', 'ok', 'rejected', 'repeated', 'lostUnconfirmed', 'confirmed', 'dropped'] as const)
      sum[name] += report[name];
    for (const [text, times] of report.errors) sum.errors.set(text, (sum.errors.get(text) ?? 0) + times);
    sum.violations.push(...report.violations);
  }
  return sum;
}
