import assert from 'node:assert/strict';
import { StreamValue } from '../../../../../server/keyspace/types/stream.ts';
import type { PortableStream } from '../../../../../server/persistence/rdb/portable.ts';
import { fromPortable, toPortable } from '../../../../../server/persistence/rdb/value-bridge.ts';

const most = Number.MAX_SAFE_INTEGER;
const huge = 2n ** 64n - 1n;

describe('counts and times of a stream from outside', () => {
  it('become numbers that a reply has room for', () => {
    const pending = [{ id: [1n, 1n], deliveredAt: -9.2e18, deliveries: 1.8e19, consumer: 'c' }] as const;
    const group = { name: 'g', lastId: [1n, 1n], entriesRead: 2n ** 63n - 1n, pending } as const;
    const from: PortableStream = {
      type: 'stream',
      entries: [{ id: [1n, 1n], fields: ['f', 'v'] }],
      lastId: [1n, 1n],
      maxDeletedId: [0n, 0n],
      entriesAdded: huge,
      groups: [{ ...group, consumers: [{ name: 'c', seenAt: 9.2e18 }] }],
    };
    const value = fromPortable(from);
    assert.ok(value instanceof StreamValue);
    assert.equal(value.entriesAdded, most);
    const again = toPortable(value) as PortableStream;
    assert.equal(again.entriesAdded, BigInt(most));
    assert.equal(again.groups[0]!.entriesRead, BigInt(most));
    assert.deepEqual(again.groups[0]!.consumers, [{ name: 'c', seenAt: most }]);
    assert.deepEqual(again.groups[0]!.pending, [{ ...pending[0], deliveredAt: -most, deliveries: most }]);
  });
});
