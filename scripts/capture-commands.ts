// Captures COMMAND INFO and COMMAND DOCS of a redis-server into scripts/data/command-docs.json, and with --newer what
// later servers have beyond it into scripts/data/newer-commands.json.
// Starts its own servers on free loopback ports in temporary folders and stops them by pid.
// Run: npm run build:test && node build/scripts/capture-commands.js [path of redis-server]
//      ... && node build/scripts/capture-commands.js --newer .servers/redis-8/server .servers/valkey-9/server
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { resolve as absolute, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Capture,
  capturePath,
  type DocsEntry,
  type InfoEntry,
  type NewerCommand,
  newerPath,
  readCapture,
} from './gen/capture.ts';

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

function ask(port: number, ...argv: readonly string[]): string {
  return execFileSync('redis-cli', ['-p', String(port), ...argv], { maxBuffer: 1 << 26, stdio: 'pipe' }).toString(
    'utf8',
  );
}

function sortedInfo(entry: InfoEntry): InfoEntry {
  const subcommands = entry[9].map(sortedInfo).sort(([a], [b]) => (a < b ? -1 : 1));
  return [...entry.slice(0, 9), subcommands] as unknown as InfoEntry;
}

function sortedDocs(entry: DocsEntry): DocsEntry {
  return entry.subcommands === undefined ? entry : { ...entry, subcommands: sortKeys(entry.subcommands) };
}

function sortKeys(docs: Readonly<Record<string, DocsEntry>>): Record<string, DocsEntry> {
  const names = Object.keys(docs).sort();
  return Object.fromEntries(names.map((name) => [name, sortedDocs(docs[name]!)]));
}

/** One command a line, so that a capture of another version gives a readable diff. */
function print(version: string, info: readonly InfoEntry[], docs: Record<string, DocsEntry>): string {
  const about = {
    server: `redis-server ${version}`,
    recipe:
      'node build/scripts/capture-commands.js: redis-cli --json COMMAND INFO (all) and COMMAND DOCS, names sorted',
  };
  const infoLines = info.map((entry) => `    ${JSON.stringify(entry)}`).join(',\n');
  const docsLines = Object.entries(docs)
    .map(([name, entry]) => `    ${JSON.stringify(name)}: ${JSON.stringify(entry)}`)
    .join(',\n');
  return `{\n  "about": ${JSON.stringify(about)},\n  "info": [\n${infoLines}\n  ],\n  "docs": {\n${docsLines}\n  }\n}\n`;
}

/** What one server answers, its name and version as `about`. */
async function capture(program: string): Promise<Capture> {
  const folder = mkdtempSync(join(tmpdir(), 'lingcache-capture-'));
  const port = await freePort();
  const server = spawn(program, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder], {
    stdio: 'ignore',
  });
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        ask(port, 'PING');
        break;
      } catch (error) {
        if (attempt === 50) throw error;
        await delay(100);
      }
    }
    const about = ask(port, 'INFO', 'server');
    const valkey = /valkey_version:(\S+)/.exec(about)?.[1];
    const version = valkey ?? /redis_version:(\S+)/.exec(about)?.[1] ?? 'unknown';
    const info = (JSON.parse(ask(port, '--json', 'COMMAND')) as InfoEntry[])
      .map(sortedInfo)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const docs = sortKeys(JSON.parse(ask(port, '--json', 'COMMAND', 'DOCS')) as Record<string, DocsEntry>);
    return { about: { server: `${valkey === undefined ? 'Redis' : 'Valkey'} ${version}`, recipe: '' }, info, docs };
  } finally {
    server.kill('SIGTERM');
    await new Promise((resolve) => server.once('exit', resolve));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Every command and subcommand, one level. A module reports neither arity nor arguments: those stand in overrides.ts. */
function flat({ info, docs }: Capture): Map<string, NewerCommand> {
  const commands = new Map<string, NewerCommand>();
  const add = (
    [name, arity, flags, , , , , , keySpecs, subcommands]: InfoEntry,
    entry: DocsEntry | undefined,
  ): void => {
    if (entry === undefined || (entry.group as string) === 'module') return;
    const { summary, since, group, arguments: args = [] } = entry;
    const container = subcommands.length > 0;
    commands.set(name, { name, arity, flags, keySpecs, container, summary, since, group, arguments: args });
    for (const sub of subcommands) add(sub, entry.subcommands?.[sub[0]]);
  };
  for (const entry of info) add(entry, docs[entry[0]]);
  return commands;
}

async function captureNewer(programs: readonly string[]): Promise<void> {
  const known = flat(readCapture());
  const servers: string[] = [];
  for (const program of programs) {
    const seen = await capture(absolute(program));
    const newer = [...flat(seen).values()].filter(({ name }) => !known.has(name));
    const lines = newer.map((command) => `      ${JSON.stringify(command)}`).join(',\n');
    servers.push(`    {"server": ${JSON.stringify(seen.about.server)}, "commands": [\n${lines}\n    ]}`);
    console.log(`${newer.length} commands of ${seen.about.server} beyond the capture`);
  }
  const recipe = 'node build/scripts/capture-commands.js --newer PROGRAM...: what is not in command-docs.json';
  writeFileSync(
    newerPath,
    `{\n  "recipe": ${JSON.stringify(recipe)},\n  "servers": [\n${servers.join(',\n')}\n  ]\n}\n`,
  );
}

const [mode, ...programs] = process.argv.slice(2);
if (mode === '--newer') await captureNewer(programs);
else {
  const { about, info, docs } = await capture(mode ?? 'redis-server');
  const version = about.server.split(' ')[1]!;
  writeFileSync(capturePath, print(version, info, docs as Record<string, DocsEntry>));
  console.log(`${capturePath}: ${info.length} commands of redis-server ${version}`);
}
