// Pauses, transactions, watches, MONITOR, ours beside redis-server: every byte that every client receives, in the same order.

import { clientScripts } from './client-scripts.ts';
import { compare } from './conversation.ts';
import { nodesForSuite } from './pair.ts';

describe('clients, ours against redis-server', function () {
  this.timeout(60_000);
  const pair = nodesForSuite();

  for (const [name, lines] of Object.entries(clientScripts)) {
    it(name, async () => {
      await compare(pair.real!.port, pair.ours!.port, lines);
    });
  }
});
