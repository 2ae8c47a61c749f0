// Lives of simulated clusters by the thousand: node simulation.js [--runs 1000] [--nodes 5..100] [--seed 1]
//   [--kind faults|moves|mixed|all] [--minutes 60]
// Ends with 1 at the first broken promise and says how to see it again.

import { parseArgs } from 'node:util';
import { BrokenPromise, type Life, live } from './run.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '1000' },
    nodes: { type: 'string', default: '5..100' },
    seed: { type: 'string', default: '1' },
    kind: { type: 'string', default: 'all' },
    minutes: { type: 'string', default: '60' },
  },
});
const bounds = values.nodes.split('..').map(Number);
const [fewest, most] = [bounds[0]!, bounds[1] ?? bounds[0]!];
const end = performance.now() + Number(values.minutes) * 60_000;
const sums = {
  runs: 0,
  events: 0,
  messages: 0,
  elections: 0,
  moves: 0,
  contests: 0,
  undone: 0,
  slowest: 0,
  nodes: 0,
};

/** Small clusters are cheap and show as much: most runs are of them. */
function lifeOf(seed: number): Life {
  const chance = (Math.imul(seed, 2654435761) >>> 0) / 4294967296;
  const nodes = Math.round(fewest + (most - fewest) * chance ** 4);
  const kinds = ['faults', 'faults', 'mixed', 'mixed', 'moves'] as const;
  const kind = values.kind === 'all' ? kinds[seed % kinds.length]! : (values.kind as Life['kind']);
  return { seed, nodes, kind };
}

for (let run = 0; run < Number(values.runs) && performance.now() < end; run++) {
  const life = lifeOf(Number(values.seed) + run);
  try {
    const report = live(life);
    sums.runs++;
    sums.nodes = Math.max(sums.nodes, life.nodes);
    for (const key of ['events', 'messages', 'elections', 'moves', 'contests', 'undone'] as const)
      sums[key] += report[key];
    sums.slowest = Math.max(sums.slowest, report.healedAfter);
  } catch (error) {
    if (!(error instanceof BrokenPromise)) console.error(`seed ${life.seed}, ${life.nodes} nodes, ${life.kind}`);
    console.error(error);
    console.error(`again: --runs 1 --seed ${life.seed} --nodes ${life.nodes} --kind ${life.kind}`);
    process.exitCode = 1;
    break;
  }
}
console.log(
  `${sums.runs} lives of up to ${sums.nodes} nodes: ${sums.events} events, ${sums.messages} messages, ` +
    `${sums.elections} elections, ${sums.moves} slots moved, healed after ${sums.slowest} ms at most; where moves and ` +
    `faults met, ${sums.contests} contests of a moment, ${sums.undone} moves undone`,
);
