// Is a command executed as often as its caller asked? Every write appends its own id to a ledger on the server, under
// faults of servers, lines and replies; afterwards the ledgers are compared with the outcomes of the calls. Exits with
// 1 when there is a violation.
//
//   node build/test/fault/ledger/ledger.js [--commands 1000000] [--seed 1 | 1..3] [--shape all | cluster-3-all,...]
//                                   [--fault all | stop,cuts,...] [--brief]
//
// The rules: OK means executed, and exactly once unless a socket of that node was lost by the network or the server in
// the call's life; then at most 1 + maxResends times, and with resend readonly once. Rejected means at most as often as
// the error's `writes`. With a master that dies, what a replica had confirmed is there.

import { parseArgs } from 'node:util';
import { missingRedisServer } from '../../kit/real-cluster.ts';
import { faultNames, type PhaseReport, play, shapes, sumOf } from './run.ts';

function seedsOf(text: string): number[] {
  const [first, last = first] = text.split('..').map(Number);
  if (!(first! >= 0 && last! >= first!)) throw new Error(`not a seed or a range of seeds: ${text}`);
  return Array.from({ length: last! - first! + 1 }, (_, at) => first! + at);
}

function chosen(text: string, names: readonly string[]): string[] {
  if (text === 'all') return [...names];
  const list = text.split(',');
  for (const name of list) if (!names.includes(name)) throw new Error(`${name} is none of: ${names.join(', ')}`);
  return list;
}

function table(title: string, reports: readonly PhaseReport[], of: (report: PhaseReport) => string): void {
  console.log(
    `\n| ${title} | phases | commands | OK | rejected | repeated by resend | sockets closed by the client | violations | what happened |`,
  );
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- |');
  for (const name of new Set(reports.map(of))) {
    const some = reports.filter((report) => of(report) === name);
    const sum = sumOf(some);
    const done: Record<string, number> = {};
    for (const report of some) {
      for (const [what, times] of Object.entries(report.done)) done[what] = (done[what] ?? 0) + times;
    }
    const happened = title === 'fault' ? Object.entries(done).map(([what, times]) => `${what} ${times}`) : [];
    const cells = [name, some.length, sum.commands, sum.ok, sum.rejected, sum.repeated, sum.dropped];
    console.log(`| ${[...cells, sum.violations.length, happened.join(', ')].join(' | ')} |`);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      commands: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      shape: { type: 'string', default: 'all' },
      fault: { type: 'string', default: 'all' },
      brief: { type: 'boolean', default: false },
    },
  });
  const missing = missingRedisServer();
  if (missing !== undefined) throw new Error(missing);
  const seeds = seedsOf(values.seed);
  const names = chosen(
    values.shape,
    shapes.map(({ name }) => name),
  );
  const faults = chosen(values.fault, faultNames);
  // Sockets that set things up do not keep a process alive.
  const awake = setInterval(() => undefined, 1000);
  const start = performance.now();
  const reports: PhaseReport[] = [];
  for (const seed of seeds) {
    const some = shapes.filter(({ name }) => names.includes(name));
    const commands = Math.ceil(Number(values.commands) / seeds.length);
    reports.push(...(await play({ seed, shapes: some, faults, commands, brief: values.brief, print: console.log })));
  }
  clearInterval(awake);
  table('fault', reports, ({ fault }) => fault);
  table('client', reports, ({ shape }) => shape);
  const sum = sumOf(reports);
  console.log(`\nerrors: ${JSON.stringify(Object.fromEntries(sum.errors), null, 1)}`);
  for (const violation of sum.violations.slice(0, 40)) console.log(`VIOLATION ${violation}`);
  if (sum.violations.length > 40) console.log(`... and ${sum.violations.length - 40} more`);
  console.log(
    `\nseeds ${values.seed}: ${sum.commands} commands in ${Math.round((performance.now() - start) / 1000)} s, ${sum.ok} OK, ${sum.rejected} rejected, ${sum.repeated} repeated by the rules of resending, ${sum.confirmed} confirmed by a replica before a crash, ${sum.lostUnconfirmed} unconfirmed ones lost with a master, ${sum.violations.length} violations`,
  );
  process.exit(sum.violations.length === 0 ? 0 : 1);
}

await main();
