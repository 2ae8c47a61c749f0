// The map in use: the moves of a tick are one copy of it, and nobody reads a map from before a move.
import assert from 'node:assert/strict';
import { MapInUse } from '../../../lib/router/map-in-use.ts';
import { SlotMap } from '../../../lib/topology/slot-map.ts';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('router/map-in-use', () => {
  const whole = (key: string): SlotMap =>
    SlotMap.empty.withMoves(Array.from({ length: 16384 }, (_, slot) => [slot, key]));
  let used: [map: SlotMap, patched: boolean][] = [];
  let maps = new MapInUse(() => undefined);
  beforeEach(() => {
    used = [];
    maps = new MapInUse((map, patched) => used.push([map, patched]));
    maps.use(whole('a:1'));
  });

  it('a map that is given is used at once', () => {
    assert.deepEqual(
      used.map(([, patched]) => patched),
      [false],
    );
    assert.equal(maps.map.masterOf(7), 'a:1');
  });

  it('the moves of one tick are one change, at its end', async () => {
    for (let slot = 0; slot < 100; slot++) maps.patch(slot, 'b:2');
    assert.equal(used.length, 1);
    await tick();
    assert.equal(used.length, 2);
    assert.equal(used[1]![1], true);
    assert.deepEqual([used[1]![0].masterOf(99), used[1]![0].masterOf(100)], ['b:2', 'a:1']);
  });

  it('whoever reads the map sees the moves before, and they are not applied again', async () => {
    maps.patch(7, 'b:2');
    assert.equal(maps.map.masterOf(7), 'b:2');
    assert.equal(used.length, 2);
    await tick();
    assert.equal(used.length, 2);
  });

  it('a move that says what is known changes nothing', async () => {
    const before = maps.map;
    maps.patch(7, 'a:1');
    await tick();
    assert.equal(maps.map, before);
    assert.equal(used.length, 1);
  });

  it('moves hold against a map that is given in the same tick: they were heard of later than it was asked for', async () => {
    maps.patch(7, 'b:2');
    maps.use(whole('c:3'));
    await tick();
    assert.deepEqual([maps.map.masterOf(7), maps.map.masterOf(8)], ['b:2', 'c:3']);
  });
});
