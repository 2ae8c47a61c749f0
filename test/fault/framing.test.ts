// What the chaos proxy garbles is detectable: whatever framing byte is spoiled, a decoder gives true replies up to
// there, nothing false, and then a protocol error.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Decoder, ProtocolError, pending } from '../../lib/wire/decoder.ts';
import { Framing, spoil } from '../../server/testing/framing.ts';

const line = fc.string({ maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, '.'));
const leaf = fc.oneof(
  line.map((text) => `+${text}\r\n`),
  line.map((text) => `-ERR ${text}\r\n`),
  fc.integer().map((number) => `:${number}\r\n`),
  fc.constantFrom('$-1\r\n', '*-1\r\n', '_\r\n', '#t\r\n', ',1.5\r\n'),
  fc.stringMatching(/^[\r\na-z$*:+-]{0,30}$/).map((text) => `$${text.length}\r\n${text}\r\n`),
);
const reply = fc.oneof(
  leaf,
  fc.array(leaf, { maxLength: 4 }).map((items) => `*${items.length}\r\n${items.join('')}`),
  fc.array(fc.tuple(leaf, leaf), { maxLength: 3 }).map((items) => `%${items.length}\r\n${items.flat().join('')}`),
);

function decode(bytes: Buffer): { replies: unknown[]; error: unknown } {
  const decoder = new Decoder();
  const replies: unknown[] = [];
  try {
    decoder.feed(bytes);
    for (let value = decoder.read('latin1'); value !== pending; value = decoder.read('latin1')) {
      replies.push(value instanceof Error ? value.message : value);
    }
    return { replies, error: undefined };
  } catch (error) {
    return { replies, error };
  }
}

describe('fault: what the proxy garbles', () => {
  it('is noticed at once, and nothing false comes before', () => {
    fc.assert(
      fc.property(
        fc.array(reply, { minLength: 1, maxLength: 6 }),
        fc.nat(),
        fc.double({ min: 0, max: 0.999 }),
        (replies, choice, pick) => {
          const bytes = Buffer.from(replies.join(''), 'latin1');
          const spots = new Framing().feed(bytes);
          const spoiled = spoil(bytes, spots[choice % spots.length]!, () => pick);
          const truth = decode(bytes);
          assert.equal(truth.error, undefined);
          const seen = decode(spoiled);
          assert.ok(seen.error instanceof ProtocolError, `not noticed: ${JSON.stringify(spoiled.toString('latin1'))}`);
          assert.deepEqual(seen.replies, truth.replies.slice(0, seen.replies.length));
          assert.ok(seen.replies.length < truth.replies.length);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('is found in any chunks', () => {
    fc.assert(
      fc.property(fc.array(reply, { minLength: 1, maxLength: 4 }), fc.nat(), (replies, cut) => {
        const bytes = Buffer.from(replies.join(''), 'latin1');
        const at = cut % (bytes.length + 1);
        const halves = new Framing();
        const first = halves.feed(bytes.subarray(0, at));
        const second = halves.feed(bytes.subarray(at)).map((spot) => ({ ...spot, at: spot.at + at }));
        assert.deepEqual([...first, ...second], new Framing().feed(bytes));
        assert.equal(halves.between, true);
      }),
    );
  });
});
