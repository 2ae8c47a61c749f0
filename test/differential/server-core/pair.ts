// A server of ours and a redis-server for the tests of one suite.

import { type Standalone, startStandalone } from '../../../server/embedded/standalone.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';

/** Each is undefined until the suite begins. */
export interface Pair {
  real: RealNode | undefined;
  ours: Standalone | undefined;
}

/** Starts both before the tests of the suite that it is called in, which is skipped where there is no redis-server. */
export function pairForSuite(): Pair {
  const pair: Pair = { real: undefined, ours: undefined };
  before(async function () {
    needRedisServer(this);
    pair.real = await startRealNode();
    pair.ours = await startStandalone();
  });
  after(async () => {
    await pair.ours?.close();
    await pair.real?.stop();
  });
  return pair;
}
