// Lives of clients by the thousand, on a clock and a network of their own.
//
//   node build/test/simulation/client.js [--lives 2000] [--seed 1] [--minutes 30] [--story]
//
// Ends with 1 when a promise was broken, and says with which seed to see it again (--seed N --lives 1 --story).

import { parseArgs } from 'node:util';
import { live } from './life.ts';

const { values } = parseArgs({
  options: {
    lives: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '30' },
    story: { type: 'boolean', default: false },
  },
});

const start = performance.now();
const end = start + Number(values.minutes) * 60_000;
const first = Number(values.seed);
const troubles = new Map<string, number>();
const sums = { lives: 0, calls: 0, rejected: 0, repeated: 0 };
const broken: string[] = [];
for (let seed = first; seed < first + Number(values.lives) && performance.now() < end; seed++) {
  const report = await live({ seed, story: values.story });
  sums.lives++;
  for (const name of ['calls', 'rejected', 'repeated'] as const) sums[name] += report[name];
  for (const [name, times] of report.troubles) troubles.set(name, (troubles.get(name) ?? 0) + times);
  if (values.story) for (const line of report.story) console.log(line);
  for (const line of report.broken) {
    broken.push(line);
    if (broken.length <= 40) console.log(line);
  }
}
const seconds = (performance.now() - start) / 1000;
const done = [...troubles].map(([name, times]) => `${name} ${times}`).join(', ');
console.log(
  `${sums.lives} lives in ${seconds.toFixed(1)} s (${Math.round(sums.lives / seconds)} a second): ${sums.calls} calls, ${sums.rejected} rejected, ${sums.repeated} repeated by the rules of resend, ${broken.length} promises broken`,
);
console.log(`troubles: ${done}`);
process.exit(broken.length === 0 ? 0 : 1);
