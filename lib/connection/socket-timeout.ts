// ioredis's socketTimeout: closes a connection on which calls wait and no byte moves. Unlike the watchdog it asks nobody.

import { RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { Connection } from './connection.ts';

/** Looks four times within `limit` ms, so it is late by no more than a quarter of it; 0: never. */
export function limitSilence(connection: Connection, limit: number, world: World): void {
  if (limit <= 0 || connection.closed) return;
  world.after(Math.max(1, limit / 4), () => {
    if (connection.silence < limit) {
      limitSilence(connection, limit, world);
      return;
    }
    const message = `Socket timeout. Expecting data, but didn't receive any in ${limit}ms.`;
    connection.destroy(new RedisError(message, { code: 'ERR_SOCKET_TIMEOUT', node: connection.address }));
  });
}
