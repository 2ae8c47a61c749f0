import assert from 'node:assert/strict';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { createEngine } from '../../../../server/command/all.ts';
import { databaseApplier } from '../../../../server/engine/replay.ts';
import { Applier } from '../../../../server/replication/apply.ts';

describe('words from a master or a log', () => {
  it('that are too few or too many for their command change nothing', () => {
    const world = new ManualWorld();
    const engine = createEngine({ world });
    try {
      const applier = new Applier(engine);
      applier.apply([['set', 'a', '1']]);
      applier.apply([['set'], ['SET', 'b'], ['get', 'a', 'b'], ['expire', 'a']]);
      const store = engine.databases.stores[0]!;
      assert.deepEqual(
        Array.from(store.entries(), ({ key, value }) => [key, value]),
        [['a', '1']],
      );
      assert.equal(world.lines.length, 4);
      assert.match(
        world.lines[0]!,
        /^== CRITICAL == This replica is .*: 'wrong number of arguments for 'set' command' after processing the command 'set'$/,
      );
      const log = databaseApplier(engine);
      assert.throws(() => log(0, ['SET', 'b']), /wrong number of arguments for 'set'/);
      log(0, ['SET', 'b', '2']);
      assert.equal(store.size, 2);
    } finally {
      engine.stop();
    }
  });
});
