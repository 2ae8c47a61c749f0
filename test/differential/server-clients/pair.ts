// A whole node of ours and a redis-server for the tests of one suite.

import { type BundledNode, startNode } from '../../../server/index.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';

/** Each is undefined until the suite begins. */
export interface NodePair {
  real: RealNode | undefined;
  ours: BundledNode | undefined;
}

/** Starts both before the tests of the suite that it is called in, which is skipped where there is no redis-server. */
export function nodesForSuite(config: Readonly<Record<string, string>> = {}): NodePair {
  const pair: NodePair = { real: undefined, ours: undefined };
  before(async function () {
    needRedisServer(this);
    const args = Object.entries(config).flatMap(([name, value]) => [`--${name}`, value]);
    pair.real = await startRealNode(args);
    pair.ours = await startNode({ config: { 'enable-debug-command': 'yes', ...config } });
  });
  after(async () => {
    await pair.ours?.kill();
    await pair.real?.stop();
  });
  return pair;
}
