import assert from 'node:assert/strict';
import { murmur64 } from '../../../../../server/keyspace/types/murmur64.ts';
import { chanceFrom } from '../../bus/packet-kit.ts';

// The hash in steps of 32 bits against the same rule in BigInt.

const mask = (1n << 64n) - 1n;
const multiplier = 0xc6a4a7935bd1e995n;

function reference(bytes: Buffer): bigint {
  let hash = 0xadc83b19n ^ ((BigInt(bytes.length) * multiplier) & mask);
  const whole = bytes.length - (bytes.length % 8);
  for (let at = 0; at < whole; at += 8) {
    let block = (bytes.readBigUInt64LE(at) * multiplier) & mask;
    block = ((block ^ (block >> 47n)) * multiplier) & mask;
    hash = ((hash ^ block) * multiplier) & mask;
  }
  const tail = bytes.subarray(whole);
  if (tail.length > 0) {
    const rest = tail.reduceRight((bits, byte) => (bits << 8n) | BigInt(byte), 0n);
    hash = ((hash ^ rest) * multiplier) & mask;
  }
  hash = ((hash ^ (hash >> 47n)) * multiplier) & mask;
  return hash ^ (hash >> 47n);
}

describe('MurmurHash64A', () => {
  it('is that of the rule for every length of tail and all bytes', () => {
    const chance = chanceFrom(7);
    for (let run = 0; run < 4000; run++) {
      const fill = run % 5 === 0 ? 255 : undefined;
      const bytes = Buffer.from(Array.from({ length: run % 41 }, () => fill ?? chance(256)));
      const { high, low } = murmur64(bytes.toString('latin1'));
      assert.equal((BigInt(high) << 32n) | BigInt(low), reference(bytes), bytes.toString('hex'));
    }
  });
});
