// Real servers by name: what scripts/servers.sh or the user has put into a folder, and what is installed.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const names = ['redis-7', 'redis-8', 'valkey-8', 'valkey-9'] as const;

export type ServerName = (typeof names)[number];

/** The path of a server's program. Throws a RangeError that names the option and says what was looked for where. */
export function programOf(server: string): string {
  if (server.includes('/') || server.includes('\\')) {
    if (existsSync(server)) return server;
    throw new RangeError(`server: there is no file ${server}`);
  }
  if (!(names as readonly string[]).includes(server)) {
    throw new RangeError(`server: '${server}' is none of ${names.join(', ')}, and no path`);
  }
  const folder = process.env['LINGCACHE_SERVERS'] ?? join(process.cwd(), '.servers');
  const fetched = join(folder, server, 'server');
  if (existsSync(fetched)) return fetched;
  const [kind, major] = server.split('-') as [string, string];
  const installed = `${kind}-server`;
  const { stdout } = spawnSync(installed, ['--version'], { encoding: 'utf8' });
  if (new RegExp(`\\bv=${major}\\.`).test(stdout ?? '')) return installed;
  const found = /\bv=(\S+)/.exec(stdout ?? '')?.[1];
  const instead = found === undefined ? `${installed} is not installed` : `the ${installed} installed is ${found}`;
  throw new RangeError(
    `server: ${server} was not found: there is no ${fetched} (LINGCACHE_SERVERS names another folder), and ${instead}`,
  );
}
