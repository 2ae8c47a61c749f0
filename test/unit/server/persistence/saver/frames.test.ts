import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ByteWriter } from '../../../../../server/persistence/rdb/bytes.ts';
import type { RdbPiece } from '../../../../../server/persistence/rdb/file-writer.ts';
import { packStrings, writeString } from '../../../../../server/persistence/rdb/string.ts';
import { endFrame, FrameReader, pieceHeader } from '../../../../../server/persistence/saver/frames.ts';

const text = fc.string({ unit: fc.constantFrom('a', 'b', '\xff', '7'), maxLength: 300 });

function written(texts: readonly string[], packing: 'now' | 'later' | 'never'): RdbPiece {
  const writer = new ByteWriter(packing);
  for (const each of texts) writeString(writer, each);
  return { bytes: writer.bytes(), strings: writer.strings };
}

/** What a reader makes of `bytes` that come in pieces of `size`. */
function read(bytes: Buffer, size: number): { packed: Buffer; ends: number; most: number } {
  const parts: Buffer[] = [];
  let ends = 0;
  let most = 0;
  const reader = new FrameReader({
    onBytes: (piece, strings) => {
      most = Math.max(most, piece.length);
      parts.push(Buffer.from(packStrings(piece, strings)));
    },
    onEnd: () => {
      ends++;
    },
  });
  for (let at = 0; at < bytes.length; at += size) reader.feed(bytes.subarray(at, at + size));
  return { packed: Buffer.concat(parts), ends, most };
}

function frame(piece: RdbPiece): Buffer {
  return Buffer.concat([pieceHeader(piece), piece.bytes]);
}

describe('a save on its way to another process', () => {
  it('is packed there into what would have been written here', () => {
    const pieces = fc.array(fc.array(text, { maxLength: 8 }), { maxLength: 8 });
    fc.assert(
      fc.property(pieces, fc.integer({ min: 1, max: 400 }), (lists, size) => {
        const sent = Buffer.concat([...lists.map((texts) => frame(written(texts, 'later'))), endFrame]);
        const { packed, ends } = read(sent, size);
        assert.equal(ends, 1);
        assert.deepEqual(packed, Buffer.concat(lists.map((texts) => written(texts, 'now').bytes)));
      }),
    );
  });

  it('is left as it is where nothing is to be packed, and is not gathered', () => {
    const piece = written(['x'.repeat(100_000)], 'never');
    assert.deepEqual(piece.strings, []);
    const { packed, most } = read(frame(piece), 1000);
    assert.deepEqual(packed, piece.bytes);
    assert.ok(most <= 1000, String(most));
  });

  it('has no other frames', () => {
    const reader = new FrameReader({ onBytes: () => assert.fail(), onEnd: () => assert.fail() });
    assert.throws(() => reader.feed(Buffer.from([7])), /no frame begins with 7/);
    assert.throws(() => packStrings(Buffer.alloc(30), [20, 25]), RangeError);
    assert.throws(() => packStrings(Buffer.alloc(100), [50, 25, 40, 25]), RangeError);
  });
});
