// The parameters of replication as this room reads them: always the current values.

import type { Config } from '../config/config.ts';
import type { Introduction } from './master-link.ts';
import type { PrimarySettings } from './primary.ts';

/** How this node introduces itself to its master. */
export function introduction(config: Config, port: number): Introduction {
  return {
    user: config.get('masteruser'),
    password: config.get('masterauth'),
    port: config.number('replica-announce-port') || port,
    host: config.get('replica-announce-ip'),
    from: config.get('bind-source-addr'),
  };
}

export function primarySettings(config: Config): PrimarySettings {
  return {
    get diskless() {
      return config.flag('repl-diskless-sync');
    },
    get disklessDelayMs() {
      return config.number('repl-diskless-sync-delay') * 1000;
    },
    get disklessEnough() {
      return config.number('repl-diskless-sync-max-replicas');
    },
    get checksum() {
      return config.flag('rdbchecksum');
    },
    get compress() {
      return config.flag('rdbcompression');
    },
    get pingEveryMs() {
      return config.number('repl-ping-replica-period') * 1000;
    },
    get timeoutMs() {
      return config.number('repl-timeout') * 1000;
    },
    get backlogTtlMs() {
      return config.number('repl-backlog-ttl') * 1000;
    },
    get limit() {
      const limit = config.outputLimit('replica');
      const least = config.number('repl-backlog-size');
      // Less than a replica could fetch again would only make it fetch more.
      return limit.hard > 0 && limit.hard < least ? { ...limit, hard: least } : limit;
    },
  };
}
