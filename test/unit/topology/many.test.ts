// Maps of many ranges, nodes and moves: the same answers as by the obvious way, and an end to the work whatever is said.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type OwnedRange, type Shard, SlotMap } from '../../../lib/topology/slot-map.ts';
import { viewOfNodes, viewOfSlots } from '../../../lib/topology/view.ts';
import { combine, type View } from '../../../lib/topology/vote.ts';

const slotCount = 16384;

/** withMoves() as one would write it first: every move looks through all shards. */
function movedPlainly(map: SlotMap, moves: readonly (readonly [number, string])[]): readonly (Shard | undefined)[] {
  let shards = [...map.shards];
  const table = [...map.table];
  for (const [slot, address] of moves) {
    const current = shards[table[slot]! - 1];
    if (current?.master === address) continue;
    if (current?.replicas.includes(address)) {
      shards = shards.map((one) =>
        one.master === current.master
          ? { master: address, replicas: one.replicas.filter((key) => key !== address), epoch: one.epoch + 0.5 }
          : one,
      );
      continue;
    }
    const target = shards.find((shard) => shard.master === address);
    const epoch = Math.floor(Math.max(current?.epoch ?? 0, target?.epoch ?? 0)) + 0.5;
    let at = shards.findIndex((shard) => shard.master === address && shard.epoch === epoch);
    if (at < 0) at = shards.push({ master: address, replicas: target?.replicas ?? [], epoch }) - 1;
    table[slot] = at + 1;
  }
  return table.map((number) => shards[number - 1]);
}

describe('topology: many of everything', () => {
  it('moves slots as the obvious way does', () => {
    const key = fc.integer({ min: 0, max: 7 }).map((at) => `n${at}:1`);
    const range = fc
      .record({
        start: fc.nat(31),
        length: fc.nat(8),
        master: key,
        replicas: fc.uniqueArray(key, { maxLength: 2 }),
        epoch: fc.nat(3),
      })
      .map(
        ({ start, length, master, replicas, epoch }): OwnedRange => ({
          start,
          end: start + length,
          master,
          replicas: replicas.filter((one) => one !== master),
          epoch,
        }),
      );
    const move = fc.tuple(fc.nat(39), key);
    fc.assert(
      fc.property(fc.array(range, { maxLength: 8 }), fc.array(move, { maxLength: 30 }), (ranges, moves) => {
        const map = SlotMap.of(ranges);
        const plain = movedPlainly(map, moves);
        const moved = map.withMoves(moves);
        for (let slot = 0; slot < 40; slot++) {
          const [mine, theirs] = [moved.shardOf(slot), plain[slot]];
          assert.equal(mine?.master, theirs?.master);
          assert.equal(mine?.epoch, theirs?.epoch);
        }
        assert.deepEqual(SlotMap.of(ranges).table, map.table, 'the old map is as it was');
      }),
    );
  });

  it('looks at each shard no more than a few times, however many moves there are', () => {
    const shards = 1000;
    const map = SlotMap.of(
      Array.from({ length: shards }, (_, at) => ({
        start: at * 16,
        end: at * 16 + 15,
        master: `n${at}:1`,
        replicas: [],
      })),
    );
    let looks = 0;
    for (const shard of map.shards) {
      const { master } = shard;
      const get = (): string => {
        looks++;
        return master;
      };
      Object.defineProperty(shard, 'master', { enumerable: true, get });
    }
    const moves = Array.from({ length: shards * 16 }, (_, slot) => [slot, `n${(slot * 7) % shards}:1`] as const);
    const moved = map.withMoves(moves);
    assert.equal(moved.masterOf(1), 'n7:1');
    assert.ok(looks <= 8 * (moves.length + shards), String(looks));
  });

  it('finds the replicas of many masters', () => {
    const count = 3000;
    const idOf = (at: number): string => String(at).padStart(40, '0');
    const lines = Array.from({ length: count }, (_, at) => [
      `${idOf(at)} 10.0.${at >> 8}.${at & 255}:1@2 master - 0 0 ${at} connected ${at}`,
      `${idOf(at + count)} 10.1.${at >> 8}.${at & 255}:1@2 slave ${idOf(at)} 0 0 ${at} connected`,
      `${idOf(at + 2 * count)} 10.2.${at >> 8}.${at & 255}:1@2 slave,fail ${idOf(at)} 0 0 ${at} connected`,
    ]).flat();
    const { shards } = viewOfNodes(lines.join('\n'), '10.0.0.0:1', undefined);
    assert.equal(shards.length, count);
    for (const { master, replicas } of shards) assert.deepEqual(replicas, [master.replace('10.0.', '10.1.')]);
  });

  it('refuses more ranges than there are slots', () => {
    const range = [0, 0, ['10.0.0.1', 1, 'a'.repeat(40)]];
    const reply = new Array<unknown>(300_000).fill(range);
    assert.throws(() => viewOfSlots(reply, [], '10.0.0.1:1', undefined), /300000 ranges/);
  });

  it('comes to an end with ranges that overlap without end', () => {
    const whole = new Array<readonly [number, number]>(200_000).fill([0, slotCount - 1]);
    const shard = (master: string, epoch: number, ranges: View['shards'][number]['ranges']) => ({
      id: master,
      master,
      replicas: [],
      epoch,
      ranges,
    });
    const primary: View = { from: 'a:1', shards: [shard('a:1', 1, whole)] };
    const secondary: View = { from: 'b:1', shards: [shard('b:1', 2, [[5, 9]]), shard('c:1', 1, whole)] };
    const map = combine(primary, [secondary]);
    assert.equal(map.masterOf(0), 'a:1');
    assert.equal(map.masterOf(7), 'b:1');
  });
});
