// What the client and the bundled cluster take before and between commands: time to import, bytes of a pending call,
// time until six nodes are ready, CPU of a cluster that nobody uses. Each figure comes from processes of its own, so
// nothing is warm that a user's program would find cold.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median } from '../measure/times.ts';
import { short, table } from '../report/text.ts';

export interface Footprint {
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly best: number;
}

interface Probe {
  readonly name: string;
  readonly unit: string;
  readonly flags?: readonly string[];
  /** A module that prints one number. */
  readonly module: string;
  readonly words?: readonly string[];
}

const moduleAt = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const importOf = (name: string, target: string): Probe => ({
  name: `import ${name}`,
  unit: 'ms',
  module: moduleAt('import.js'),
  words: [target],
});

const probes: readonly Probe[] = [
  importOf('lingcache', 'lingcache'),
  importOf('ioredis', 'ioredis'),
  importOf('node-redis', 'redis'),
  importOf('glide', '@valkey/valkey-glide'),
  ...['single', 'batch'].map((kind) => ({
    name: `a pending GET, ${kind}`,
    unit: 'bytes',
    flags: ['--expose-gc'],
    module: moduleAt('pending.js'),
    words: [kind],
  })),
  { name: 'six nodes in a process, until ready', unit: 'ms', module: moduleAt('nodes.js'), words: ['ready'] },
  { name: 'six nodes in a process, idle', unit: '% of a core', module: moduleAt('nodes.js'), words: ['idle'] },
];

/** `root`: the package's folder, whose dist must be built. */
export function runFootprint(root: string, rounds: number): { lines: string[]; data: readonly Footprint[] } {
  const data = probes.map(({ name, unit, flags = [], module, words = [] }) => {
    const values = Array.from({ length: rounds }, () => {
      const printed = execFileSync(process.execPath, [...flags, module, ...words], { cwd: root, encoding: 'utf8' });
      const value = Number.parseFloat(printed);
      if (!Number.isFinite(value)) throw new Error(`${name}: printed ${JSON.stringify(printed.slice(0, 80))}`);
      return value;
    });
    return { name, unit, median: median(values), best: Math.min(...values) };
  });
  const rows = data.map((one) => [one.name, one.unit, short(one.median), short(one.best)]);
  const note = `node ${process.version}; ${rounds} processes each. Pending: all but the strings, promise included`;
  return { lines: [...table(['footprint', 'unit', 'median', 'least'], rows), '', note], data };
}
