import { slotOf } from '../../lib/wire/slot.ts';
import type { MicroCase } from './stopwatch.ts';

function slotCase(
  name: string,
  keys: readonly (string | Uint8Array)[],
  known: readonly [key: string, slot: number],
): MicroCase {
  return {
    name,
    operations: keys.length,
    bytes: 0,
    run() {
      let sum = 0;
      for (let index = 0; index < keys.length; index++) sum += slotOf(keys[index]!);
      return sum;
    },
    check() {
      if (slotOf(known[0]) !== known[1]) throw new Error(`${name}: ${known[0]} is in slot ${known[1]}`);
    },
  };
}

const many = (make: (index: number) => string): string[] => Array.from({ length: 1000 }, (_, index) => make(index));

// The known slots are redis-server's own answers to CLUSTER KEYSLOT.
export const slotCases = (): MicroCase[] => [
  slotCase(
    'key of 8 chars',
    many((index) => `key:${String(index).padStart(4, '0')}`),
    ['foo', 12182],
  ),
  slotCase(
    'key of 40 chars',
    many((index) => `session:${String(index).padStart(32, '0')}`),
    ['foo', 12182],
  ),
  slotCase(
    'hash tag of 4 chars',
    many((index) => `user:{${String(index).padStart(4, '0')}}:profile`),
    ['x{foo}y', 12182],
  ),
  slotCase(
    'Buffer of 8 bytes',
    many((index) => `key:${String(index).padStart(4, '0')}`).map((key) => Buffer.from(key)),
    ['foo', 12182],
  ),
];
