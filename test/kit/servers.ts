// Real servers by name: the system's own redis-server 7, and what scripts/servers.sh has put into .servers. Tests that
// name none run on the system's redis-server, or on the one that LINGCACHE_TEST_SERVER names (npm run test:servers).

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export type ServerName = 'redis-7' | 'redis-8' | 'valkey-8' | 'valkey-9';

function folder(): string {
  return process.env['LINGCACHE_SERVERS'] ?? join(process.cwd(), '.servers');
}

/** The path of a server program; undefined where it is missing. */
export function findServer(name: ServerName): string | undefined {
  const fetched = join(folder(), name, 'server');
  if (existsSync(fetched)) return fetched;
  if (name !== 'redis-7') return undefined;
  const { stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  return /\bv=7\./.test(stdout ?? '') ? 'redis-server' : undefined;
}

/**
 * The path of a server program, for `before`: where it is missing the suite is skipped, in one line that says what is.
 * In CI a missing server is an error, unless there was no archive to fetch it from.
 */
export function needServer(context: Mocha.Context, name: ServerName, what: string): string {
  const found = findServer(name);
  if (found !== undefined) return found;
  if (process.env['CI'] === 'true' && !existsSync(join(folder(), 'unreachable'))) {
    throw new Error(`${name} is missing, and CI may skip nothing: run scripts/servers.sh`);
  }
  console.log(`      skipped: ${what} (${name} is missing; scripts/servers.sh ${name} fetches it)`);
  context.skip();
}

const names: readonly string[] = ['redis-7', 'redis-8', 'valkey-8', 'valkey-9'] satisfies ServerName[];

/** The server of tests that name none; undefined: the system's redis-server, whichever that is. */
export function serverUnderTest(): ServerName | undefined {
  const name = process.env['LINGCACHE_TEST_SERVER'];
  if (!name) return undefined;
  if (!names.includes(name)) throw new Error(`LINGCACHE_TEST_SERVER is ${name}; it can be ${names.join(', ')}`);
  return name as ServerName;
}

/** The program of tests that name no server. Throws where the one asked for is missing: nothing else stands in for it. */
export function programUnderTest(): string {
  const name = serverUnderTest();
  if (name === undefined) return 'redis-server';
  const found = findServer(name);
  if (found === undefined) throw new Error(`${name} is missing: scripts/servers.sh ${name} fetches it`);
  return found;
}
