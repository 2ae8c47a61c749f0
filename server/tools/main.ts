#!/usr/bin/env node
// The `lingcache` command: finds the tool that was asked for and runs it.
// Owns: the list of tools and the help text; a tool is loaded only when it is run.
// Does not know: what a tool does, nor the options that it takes.
// Invariant: the process exits with the code of the tool that ran, or with 2 when none was named.

import { existsSync, readFileSync } from 'node:fs';

const help = `Usage: lingcache <command> [options]

Commands:
  up      Start a cluster in this process and keep it until Ctrl-C.
            --masters <n>    masters, default 3
            --replicas <n>   replicas of each master, default 1
            --port <n>       port of the first node, default 7000
            --host <name>    address to listen on, default 127.0.0.1
            --password <pw>  clients must AUTH with it
            --processes      every node is a process of its own: kill -9 one and see
            --dir <folder>   where processes keep their data and go on from; default: a temporary folder
  server  One node as a process: [redis.conf] [--port 7000 --cluster-enabled yes ...]; --help tells more.
  demo    A tour of the client on a cluster of its own; --help tells more.

  --help, --version
`;

type Tool = (args: string[]) => Promise<number>;

const tools: Readonly<Record<string, () => Promise<Tool>>> = {
  server: async () => (await import('./server.ts')).runServer,
  up: async () => (await import('./up.ts')).runUp,
  demo: async () => (await import('./demo.ts')).runDemo,
};

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    (name === undefined ? process.stderr : process.stdout).write(help);
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (!Object.hasOwn(tools, name)) {
    process.stderr.write(`lingcache: unknown command '${name}'; try lingcache --help\n`);
    return 2;
  }
  const tool = await tools[name]!();
  return tool(rest);
}

/** package.json lies one folder above this file in the package, and three above it as compiled one by one. */
function version(): string {
  for (const path of ['../package.json', '../../../package.json']) {
    const file = new URL(path, import.meta.url);
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  }
  throw new Error('package.json is missing');
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`lingcache: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
