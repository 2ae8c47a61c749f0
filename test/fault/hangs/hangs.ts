// Does anything stay open? Every public promise of Cluster and Redis under every fault, with small limits. Prints a
// matrix of milliseconds, names each promise that took longer than its budget and a second, and exits with 1 when there
// is one.
//
//   node build/test/fault/hangs/hangs.js [--kind Cluster|Redis] [--fault name] [--act name]

import { parseArgs } from 'node:util';
import type { Kind } from './acts.ts';
import { acts, type Cell, describeCell, hangFaults, inChild } from './run.ts';

function row(name: string, cells: readonly (Cell | undefined)[]): string {
  const texts = cells.map((cell) => {
    if (cell === undefined) return '';
    const ms = cell.ms === undefined ? 'OPEN' : String(Math.round(cell.ms));
    return cell.inTime ? ms : `**${ms}**`;
  });
  return `| ${[name, ...texts].join(' | ')} |`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { kind: { type: 'string' }, fault: { type: 'string' }, act: { type: 'string' } },
  });
  const trouble: string[] = [];
  const cells: Cell[] = [];
  for (const kind of ['Cluster', 'Redis'] as const satisfies readonly Kind[]) {
    if (values.kind !== undefined && values.kind !== kind) continue;
    const faults = hangFaults.filter(({ name }) => values.fault === undefined || values.fault === name);
    const own: Cell[] = [];
    for (const fault of faults) {
      const report = await inChild(kind, fault.name, values.act);
      trouble.push(...report.unhandled.map((reason) => `${kind}, ${fault.name}: unhandled rejection: ${reason}`));
      if (report.trouble !== undefined) trouble.push(report.trouble);
      const bad = report.cells.filter(({ inTime }) => !inTime).length;
      console.log(report.trouble ?? `${kind}, ${fault.name}: ${report.cells.length} promises, ${bad} late or open`);
      own.push(...report.cells);
    }
    cells.push(...own);
    console.log(`\n${row(kind, [])}${faults.map(({ name }) => ` ${name} |`).join('')}`);
    console.log(`| --- |${faults.map(() => ' --- |').join('')}`);
    for (const { name } of acts) {
      const mine = faults.map((fault) => own.find((cell) => cell.act === name && cell.fault === fault.name));
      if (mine.some((cell) => cell !== undefined)) console.log(row(name, mine));
    }
  }
  const late = cells.filter(({ inTime }) => !inTime);
  for (const cell of late) console.log(`LATE ${describeCell(cell)}`);
  for (const line of trouble) console.log(`TROUBLE ${line}`);
  console.log(
    `\n${cells.length} promises, ${cells.filter(({ ms }) => ms === undefined).length} open, ${late.length} late or open, ${trouble.length} faults with other trouble`,
  );
  process.exit(late.length + trouble.length === 0 ? 0 : 1);
}

await main();
