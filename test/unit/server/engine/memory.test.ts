import assert from 'node:assert/strict';
import { ManualWorld } from '../../../../lib/base/world.ts';
import type { Client } from '../../../../server/engine/client.ts';
import { BufferBytes } from '../../../../server/engine/memory.ts';

// How often the sum over all clients is made anew.

describe('bytes of the buffers of clients', () => {
  let looks: number;
  const clientsOf = (count: number): Map<number, Client> => {
    const sink = {
      outputBytes: () => 0,
      inputBytes: () => {
        looks++;
        return 100;
      },
    };
    const one = { watched: [], subscriptions: 0, shardChannels: new Set(), heldBytes: 0, replicaLink: false, sink };
    return new Map(Array.from({ length: count }, (_, id) => [id, one as unknown as Client]));
  };

  beforeEach(() => {
    looks = 0;
  });

  it('are summed at once when keys are to go for them, and no client that has gone counts', () => {
    const clients = clientsOf(20);
    const bytes = new BufferBytes(new ManualWorld({ seed: 1 }), clients);
    const full = bytes.recent;
    clients.clear();
    assert.equal(bytes.recent, full);
    assert.equal(bytes.fresh, 0);
  });

  it('are not summed for each command where there are thousands of clients', () => {
    const bytes = new BufferBytes(new ManualWorld({ seed: 1 }), clientsOf(6400));
    for (let command = 0; command < 600; command++) bytes.fresh;
    assert.ok(looks <= 6400 * 11, `${looks / 6400} sums`);
  });
});
