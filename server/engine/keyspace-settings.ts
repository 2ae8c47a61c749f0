// The parameters that the keyspace follows: up to where values are compact, and what keys remember of their use.
// The keyspace does not know parameters: it reads the values that are written here.

import type { Config } from '../config/config.ts';
import type { Databases } from '../keyspace/databases.ts';

export function keepKeyspaceSettings(config: Config, databases: Databases): void {
  const read = (): void => {
    const { limits, access } = databases;
    limits.hashEntries = config.number('hash-max-listpack-entries');
    limits.hashValue = config.number('hash-max-listpack-value');
    limits.setIntegers = config.number('set-max-intset-entries');
    limits.zsetEntries = config.number('zset-max-listpack-entries');
    limits.zsetValue = config.number('zset-max-listpack-value');
    limits.streamNodeEntries = config.number('stream-node-max-entries');
    limits.streamNodeBytes = config.number('stream-node-max-bytes');
    limits.sparseBytes = config.number('hll-sparse-max-bytes');
    access.counting = config.get('maxmemory-policy').endsWith('-lfu');
    access.logFactor = config.number('lfu-log-factor');
    access.decayMinutes = config.number('lfu-decay-time');
  };
  config.onChange((name) => {
    if (/-max-|^lfu-|^maxmemory-policy$/.test(name)) read();
  });
  read();
}
