// `lingcache server`: one node as a process of its own, with redis-server's configuration file and options.

import { serverVersion } from '../../index.ts';
import { runNode } from '../../process/run.ts';
import type { Command } from '../cli/command.ts';

const help = `Usage: lingcache server [/path/to/redis.conf | -] [--name value ...]
       lingcache server - (reads the configuration from stdin)

Starts one node and keeps it until SIGTERM, SIGINT or SHUTDOWN. Takes the directives of redis.conf, in the file or as
options: --port 7000 --cluster-enabled yes --appendonly yes --dir /var/lib/node. Unknown ones are noted in the log.
Listens on 127.0.0.1 unless 'bind' says otherwise. Below all that, the environment: REDIS_ADDR, REDIS_DB_NUM,
REDIS_RDB_FILENAME, REDIS_RDB_ENABLED, REDIS_AOF_FILENAME, REDIS_AOF_ENABLED, REDIS_LOG_LEVEL, REDIS_MAX_CLIENTS,
REDIS_SLOWLOG_THRESHOLD, REDIS_CLUSTER_ENABLED, REDIS_CLUSTER_PORT (the bus), REDIS_CLUSTER_NODE_ID; also from .env.
`;

export const server: Command = {
  name: 'server',
  arguments: [],
  options: {},
  raw: runServer,
  run: () => runServer([]),
};

async function runServer(args: readonly string[]): Promise<number> {
  if (args[0] === '--help' || args[0] === '-h') {
    process.stdout.write(help);
    return 0;
  }
  if (args[0] === '--version' || args[0] === '-v') {
    process.stdout.write(`Redis server v=${serverVersion} (lingcache)\n`);
    return 0;
  }
  return runNode([...args], process.env);
}
