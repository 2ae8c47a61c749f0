// Captures COMMAND INFO and COMMAND DOCS of a redis-server into scripts/data/command-docs.json.
// Starts its own server on a free loopback port in a temporary folder and stops it by pid.
// Run: npm run build:test && node build/scripts/capture-commands.js [path of redis-server]
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { capturePath, type DocsEntry, type InfoEntry } from './gen/capture.ts';

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

const folder = mkdtempSync(join(tmpdir(), 'lingcache-capture-'));
const port = await freePort();
const server = spawn(
  process.argv[2] ?? 'redis-server',
  ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder],
  { stdio: 'ignore' },
);
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
  const version = /redis_version:(\S+)/.exec(ask(port, 'INFO', 'server'))?.[1] ?? 'unknown';
  const info = (JSON.parse(ask(port, '--json', 'COMMAND')) as InfoEntry[])
    .map(sortedInfo)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const docs = sortKeys(JSON.parse(ask(port, '--json', 'COMMAND', 'DOCS')) as Record<string, DocsEntry>);
  writeFileSync(capturePath, print(version, info, docs));
  console.log(`${capturePath}: ${info.length} commands of redis-server ${version}`);
} finally {
  server.kill('SIGTERM');
  await new Promise((resolve) => server.once('exit', resolve));
  rmSync(folder, { recursive: true, force: true });
}
