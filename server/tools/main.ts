#!/usr/bin/env node
// The `lingcache` command: finds the command that was asked for and runs it.
// Owns: nothing; the commands stand in table.ts.
// Does not know: what a command does, nor the options that it takes.
// Invariant: the process exits with the code of the command that ran, or with 2 when none was named.

import { existsSync, readFileSync } from 'node:fs';
import { overview } from './cli/help.ts';
import { nearest } from './cli/near.ts';
import { runCommand } from './cli/run.ts';
import { allCommands, commandTable } from './table.ts';

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h') {
    (name === undefined ? process.stderr : process.stdout).write(listOfCommands());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (name === 'help') return main(rest.length === 0 ? ['--help'] : [rest[0]!, '--help']);
  const row = allCommands().get(name);
  if (row === undefined) {
    const near = nearest(name, allCommands().keys());
    const meant = near === undefined ? 'try lingcache --help' : `did you mean ${near}?`;
    process.stderr.write(`lingcache: unknown command '${name}'; ${meant}\n`);
    return 2;
  }
  return runCommand(await row.load(), row.summary, rest, process);
}

function listOfCommands(): string {
  const groups = Object.entries(commandTable).map(([title, commands]) => {
    return [title, Object.entries(commands).map(([name, { summary }]) => [name, summary] as const)] as const;
  });
  return overview(groups);
}

/** package.json lies one folder above this file in the package, and three above it as compiled one by one. */
function version(): string {
  for (const path of ['../package.json', '../../../package.json']) {
    const file = new URL(path, import.meta.url);
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  }
  throw new Error('package.json is missing');
}

// Whoever reads may go away (`| head`): that is the end, and no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`lingcache: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
