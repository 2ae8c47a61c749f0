// From a key to the address that owns it, and what a change of the map costs.

import { SlotMap } from '../../lib/topology/slot-map.ts';
import { slotOf } from '../../lib/wire/slot.ts';
import type { MicroCase } from './stopwatch.ts';

const address = (index: number): string => `10.0.${index >> 8}.${index & 255}:6379`;

function mapOf(masters: number, ranges: number): SlotMap {
  const width = 16384 / ranges;
  return SlotMap.of(
    Array.from({ length: ranges }, (_, index) => ({
      start: Math.floor(index * width),
      end: Math.floor((index + 1) * width) - 1,
      master: address(index % masters),
      replicas: [],
    })),
  );
}

function lookupCase(name: string, masters: number, ranges: number): MicroCase {
  const map = mapOf(masters, ranges);
  const keys = Array.from({ length: 1000 }, (_, index) => `key:${String(index).padStart(4, '0')}`);
  return {
    name,
    operations: keys.length,
    bytes: 0,
    run() {
      let sum = 0;
      for (let index = 0; index < keys.length; index++) sum += map.shardOf(slotOf(keys[index]!))!.master.length;
      return sum;
    },
    check() {
      const range = Math.floor((slotOf('foo') * ranges) / 16384);
      if (map.masterOf(slotOf('foo')) !== address(range % masters)) throw new Error(`${name}: wrong owner`);
    },
  };
}

function patchCase(): MicroCase {
  const map = mapOf(3, 3);
  let slot = 0;
  return {
    name: 'one slot moved (a new map)',
    operations: 1,
    bytes: 0,
    run() {
      slot = (slot + 1) % 16384;
      return map.withMoved(slot, address(slot % 3)).shards.length;
    },
    check() {
      if (map.withMoved(5, address(2)).masterOf(5) !== address(2) || map.masterOf(5) !== address(0)) {
        throw new Error('a patch must change the new map and leave the old');
      }
    },
  };
}

function buildCase(name: string, masters: number, ranges: number): MicroCase {
  return {
    name,
    operations: 1,
    bytes: 0,
    run: () => mapOf(masters, ranges).shards.length,
    check() {
      if (mapOf(masters, ranges).covered !== 16384) throw new Error(`${name}: slots are missing`);
    },
  };
}

export const routeCases = (): MicroCase[] => [
  lookupCase('slot and owner, 3 masters', 3, 3),
  lookupCase('slot and owner, 1,000 masters, 16,384 ranges', 1000, 16384),
  patchCase(),
  buildCase('map of 3 masters', 3, 3),
  buildCase('map of 1,000 masters, 16,384 ranges', 1000, 16384),
];
