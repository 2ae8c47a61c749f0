// Writes server/acl/categories.generated.ts: which commands there are for access rules, and the categories of each.
import type { Capture, InfoEntry } from './capture.ts';
import { banner } from './table.ts';

/** In the order that ACL CAT has. */
const categoryNames: readonly string[] = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
];

function bitsOf(entry: InfoEntry): number {
  return entry[6].reduce((bits, category) => {
    const at = categoryNames.indexOf(category.slice(1));
    if (at < 0) throw new RangeError(`${entry[0]}: unknown category ${category}`);
    return bits | (1 << at);
  }, 0);
}

export function categoriesFile(capture: Capture): string {
  const entries = capture.info.flatMap((entry) => [entry, ...entry[9]]);
  const bits = new Map(entries.map((entry) => [entry[0], bitsOf(entry)]));
  const lines = [...bits].map(([name, value]) => `${name} ${value.toString(36)}`);
  return `${banner}
// ${capture.about.server}.

/** The categories of commands, in the order of ACL CAT: bit 0 first. */
export const categoryNames: readonly string[] = [
${categoryNames.map((name) => `  '${name}',`).join('\n')}
];

/** A line is: name categories(base 36); subcommands follow their container. */
export const categoryRows: string = \`${lines.join('\n')}\`;
`;
}
