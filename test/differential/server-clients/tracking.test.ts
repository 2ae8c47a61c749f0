// CLIENT TRACKING, ours beside redis-server: every byte that every client receives, in the same order.

import { compare } from './conversation.ts';
import { nodesForSuite } from './pair.ts';
import { trackingScripts } from './tracking-scripts.ts';

describe('client tracking, ours against redis-server', function () {
  this.timeout(60_000);
  const pair = nodesForSuite();

  for (const [name, lines] of Object.entries(trackingScripts)) {
    it(name, async () => {
      await compare(pair.real!.port, pair.ours!.port, lines);
    });
  }
});
