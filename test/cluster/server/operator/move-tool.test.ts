import assert from 'node:assert/strict';
import { proveMoves } from '../../../fault/moves.ts';
import { findServer, needServer } from '../../../kit/servers.ts';

// Slots under writers, moved by the command line that is killed in between, and so are both ends. The long form of this
// is `npm run proof:moves`.

describe('a reshard that is killed, and whose nodes are killed', function () {
  this.timeout(120_000);
  // Where Valkey 9.1.2 is killed amid its own migration, keys of one database stood in another afterwards, in some runs of
  // `npm run proof:moves`: open, see docs/proofs.md. Here its nodes are killed where slots move key by key.
  const spared = (server: string, atomic: string): boolean => server === 'valkey-9' && atomic === 'auto';
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
      const victims = spared(server, atomic) ? (['none', 'tool'] as const) : undefined;
      const options = { server, rounds: 4, seed, large: 4, atomic, ...(victims && { victims }) };
      const { writes, kills, moved } = await proveMoves(options);
      assert.ok(writes > 500, `${writes} writes (seed ${seed})`);
      const each = victims === undefined ? 1 : 2;
      assert.deepEqual(kills, { none: each, tool: each, source: 2 - each, target: 2 - each });
      assert.ok(moved >= 4 * 24);
    });
  }
});
