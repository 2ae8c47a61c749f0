import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { decodePacket, encodePacket } from '../../../../server/bus/codec.ts';
import { BadPacket, type Packet } from '../../../../server/bus/codec-packet.ts';
import { anyPacket, chanceFrom, mutated, packetOf, type Vector, vectors } from './packet-kit.ts';

function decoded(bytes: Buffer): Packet {
  const packet = decodePacket(bytes);
  if (packet instanceof BadPacket) throw packet;
  return packet;
}

function refused(bytes: Buffer, why: RegExp): void {
  const result = decodePacket(bytes);
  assert.ok(result instanceof BadPacket, 'accepted');
  assert.match(result.message, why);
}

function captured(name: string): { vector: Vector; bytes: Buffer } {
  const vector = vectors.find((other) => other.name === name)!;
  return { vector, bytes: Buffer.from(vector.hex, 'hex') };
}

describe('bus packets captured between real nodes', () => {
  it('are 20, of every type but MODULE', () => {
    assert.equal(vectors.length, 20);
    assert.equal(new Set(vectors.map(({ decoded: { type } }) => type)).size, 10);
  });

  for (const vector of vectors) {
    it(`${vector.name}: read as they say, written byte for byte`, () => {
      const bytes = Buffer.from(vector.hex, 'hex');
      const packet = packetOf(vector);
      assert.deepEqual(decoded(bytes), packet);
      const written = encodePacket(packet);
      assert.equal(written.length, vector.bytes);
      assert.equal(written.toString('hex'), vector.hex);
      assert.equal(createHash('sha256').update(written).digest('hex'), vector.sha256);
    });
  }
});

describe('bus packets', () => {
  it('come back as they were written, whatever they are', () => {
    fc.assert(
      fc.property(anyPacket, (packet) => {
        const bytes = encodePacket(packet);
        assert.equal(bytes.readUInt32BE(4), bytes.length);
        assert.deepEqual(decoded(bytes), packet);
      }),
      { numRuns: 500 },
    );
  });

  it('are refused in another version, too short, too long, or with a length that is not theirs', () => {
    const { bytes } = captured('PING_g3');
    const version = Buffer.from(bytes);
    version.writeUInt16BE(2, 8);
    refused(version, /version 2/);
    refused(bytes.subarray(0, 2255), /shorter/);
    refused(bytes.subarray(0, 2567), /not as long as it says/);
    const longer = Buffer.concat([bytes, Buffer.alloc(8)]);
    longer.writeUInt32BE(longer.length, 4);
    refused(longer, /2576 bytes, where its type has 2568/);
    const more = Buffer.from(bytes);
    more.writeUInt16BE(65_535, 14);
    refused(more, /65535 gossip entries/);
  });

  it('are refused with extensions that are cut off, unaligned or too long', () => {
    const { bytes } = captured('PING_ext_mf4');
    const start = 2256 + 2 * 104;
    for (const length of [0, 4, 12, 31, 40, 0xfffffff8]) {
      const broken = Buffer.from(bytes);
      broken.writeUInt32BE(length, start);
      assert.ok(decodePacket(broken) instanceof BadPacket, String(length));
    }
    const two = Buffer.from(bytes);
    two.writeUInt16BE(2, 2214);
    refused(two, /cut off/);
    // Without the mark nobody may expect them.
    const unmarked = Buffer.from(bytes);
    unmarked[2253] = 0;
    refused(unmarked, /2496 bytes, where its type has 2464/);
  });

  it('are refused with ids, addresses and names that would break a line of CLUSTER NODES', () => {
    const { bytes } = captured('PING_ext_mf4');
    const places = { sender: 45, gossipId: 2256 + 3, gossipHost: 2256 + 48, hostname: 2256 + 208 + 8, host: 2168 };
    for (const [place, at] of Object.entries(places)) {
      const broken = Buffer.from(bytes);
      broken[at] = 10;
      assert.ok(decodePacket(broken) instanceof BadPacket, place);
    }
  });

  it('are refused with an epoch that numbers cannot hold', () => {
    const { bytes } = captured('AUTH_REQ');
    const broken = Buffer.from(bytes);
    broken.fill(0xff, 16, 24);
    refused(broken, /above 2\^53/);
  });

  it('cannot be written with values that have no place', () => {
    const { vector } = captured('PING');
    const { header, body } = packetOf(vector);
    const wrong = [{ sender: 'me' }, { host: 'x'.repeat(46) }, { currentEpoch: -1 }, { port: 65_536 }, { offset: 0.5 }];
    for (const change of wrong) {
      assert.throws(() => encodePacket({ header: { ...header, ...change }, body }), RangeError, JSON.stringify(change));
    }
    assert.throws(() => encodePacket({ header: { ...header, bitmap: new Uint8Array(3) }, body }), RangeError);
  });

  it('mutated 100,000 times: read as some packet that can be written again, or refused; nothing is thrown', function () {
    this.timeout(60_000);
    const chance = chanceFrom(20_25);
    const originals = vectors.map(({ hex }) => Buffer.from(hex, 'hex'));
    const outcomes = { read: 0, refused: 0 };
    for (let round = 0; round < 100_000; round++) {
      const bytes = mutated(originals[chance(originals.length)]!, chance);
      const result = decodePacket(bytes);
      if (result instanceof BadPacket) outcomes.refused++;
      else {
        outcomes.read++;
        if (round % 10 === 0) assert.deepEqual(decoded(encodePacket(result)), result, `round ${round}`);
      }
    }
    // Both outcomes are common, or the mutations miss what they are for.
    assert.ok(outcomes.read > 10_000, `read: ${outcomes.read}`);
    assert.ok(outcomes.refused > 10_000, `refused: ${outcomes.refused}`);
  });
});
