import assert from 'node:assert/strict';
import { proveMoves } from '../../../fault/moves.ts';
import { findServer, needServer } from '../../../kit/servers.ts';

// Slots under writers, moved by the command line that is killed in between, and so are both ends. The long form of this
// is `npm run proof:moves`.

describe('a reshard that is killed, and whose nodes are killed', function () {
  this.timeout(120_000);
  for (const [server, atomic] of [
    ['redis-7', 'auto'],
    ['valkey-9', 'auto'],
    ['valkey-9', 'never'],
    ['bundled', 'auto'],
  ] as const) {
    it(`loses nothing on ${server} (atomic: ${atomic})`, async function () {
      if (server === 'valkey-9') needServer(this, server, 'moves with kills on Valkey 9');
      if (server === 'redis-7' && findServer(server) === undefined) this.skip();
      const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
      const { writes, kills, moved } = await proveMoves({ server, rounds: 4, seed, large: 4, atomic });
      assert.ok(writes > 500, `${writes} writes (seed ${seed})`);
      assert.deepEqual(kills, { none: 1, tool: 1, source: 1, target: 1 });
      assert.ok(moved >= 4 * 24);
    });
  }
});
