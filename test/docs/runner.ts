// A process that runs the programs of code blocks one after another: what one leaves open, or breaks, ends with it.
// Owns: nothing. Sent `{ file, folder }` by the parent, it replies with `{ lines, error }`.

import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';

const lines: string[] = [];
console.log = (...values: unknown[]) => {
  const shown = values.map((value) =>
    typeof value === 'string' ? value : inspect(value, { breakLength: Number.POSITIVE_INFINITY, compact: true }),
  );
  lines.push(...shown.join(' ').split('\n'));
};

let broken: unknown;
process.on('uncaughtException', (error) => {
  broken = error;
});

process.on('message', async ({ file, folder }: { file: string; folder: string }) => {
  lines.length = 0;
  broken = undefined;
  process.chdir(folder);
  try {
    await import(pathToFileURL(file).href);
  } catch (error) {
    broken = error;
  }
  process.send?.({ lines, error: broken === undefined ? null : inspect(broken) });
});
