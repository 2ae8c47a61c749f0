// Pauses by purpose, on injected time: who holds what, who ends what, and what comes back in which order.

import assert from 'node:assert/strict';
import { ManualWorld } from '../../../../lib/base/world.ts';
import type { Reply } from '../../../../lib/wire/reply.ts';
import { createEngine } from '../../../../server/command/all.ts';
import type { Client } from '../../../../server/engine/client.ts';
import { execute } from '../../../../server/engine/dispatch.ts';
import type { Engine } from '../../../../server/engine/engine.ts';
import { nobody } from '../../../../server/engine/replay.ts';

interface Speaker {
  readonly client: Client;
  readonly settled: (Reply | undefined)[];
  readonly say: (line: string) => Reply | undefined;
}

function bench(): { world: ManualWorld; engine: Engine; join: () => Speaker } {
  const world = new ManualWorld();
  const engine = createEngine({ world });
  const join = (): Speaker => {
    const settled: (Reply | undefined)[] = [];
    const client = engine.connect({ ...nobody, settle: (reply) => void settled.push(reply) });
    return { client, settled, say: (line) => execute(engine, client, line.split(' ')) };
  };
  return { world, engine, join };
}

describe('pauses', () => {
  it('CLIENT UNPAUSE ends its own pause and not that of a shutdown or a failover', () => {
    for (const purpose of ['shutdown', 'failover'] as const) {
      const { engine, join } = bench();
      const [writer, operator] = [join(), join()];
      operator.say('CLIENT PAUSE 60000 WRITE');
      engine.pauses.pause(purpose, 'writes');
      assert.equal(writer.say('SET k 1'), undefined);
      operator.say('CLIENT UNPAUSE');
      assert.deepEqual([writer.settled.length, writer.client.blocked?.kind], [0, 'paused']);
      assert.equal(operator.say('GET k'), null);
      engine.pauses.resume(purpose);
      assert.equal(writer.settled.length, 1);
      assert.equal(operator.say('GET k'), '1');
      engine.stop();
    }
  });

  it("the end of a pause of everything leaves the operator's pause as it was, and what it does not hold goes on", () => {
    const { engine, join } = bench();
    const [writer, reader, operator] = [join(), join(), join()];
    operator.say('CLIENT PAUSE 60000 WRITE');
    engine.pauses.pause('shutdown', 'all');
    writer.say('SET k 1');
    reader.say('GET k');
    engine.pauses.resume('shutdown');
    assert.deepEqual([writer.settled.length, reader.settled], [0, [null]]);
    operator.say('CLIENT UNPAUSE');
    assert.equal(writer.settled.length, 1);
    engine.stop();
  });

  it('a pause ends by itself, what waited runs in the order in which it came, and a longer one stays', () => {
    const { world, engine, join } = bench();
    const writers = [join(), join(), join()];
    writers[0]!.say('CLIENT PAUSE 1000 WRITE');
    for (const at of [2, 0, 1]) writers[at]!.say(`RPUSH l ${at}`);
    writers[1]!.say('CLIENT PAUSE 10 WRITE');
    world.forward(999);
    assert.ok(writers.every(({ settled }) => settled.length === 0));
    assert.equal(engine.pauses.kind, 'writes');
    world.forward(2);
    assert.deepEqual(
      writers.map(({ settled }) => settled),
      [[2], [3], [1]],
    );
    assert.equal(engine.pauses.kind, undefined);
    engine.stop();
  });

  it('a client that leaves takes its request with it', () => {
    const { engine, join } = bench();
    const [writer, operator] = [join(), join()];
    operator.say('CLIENT PAUSE 60000 WRITE');
    writer.say('SET k 1');
    engine.disconnect(writer.client);
    operator.say('CLIENT UNPAUSE');
    assert.equal(operator.say('GET k'), null);
    assert.deepEqual(writer.settled, []);
    engine.stop();
  });

  it('expired keys are hidden, not deleted, until it is over', () => {
    const { world, engine, join } = bench();
    const client = join();
    client.say('SET k 1 PX 10');
    client.say('CLIENT PAUSE 60000 WRITE');
    world.forward(1000);
    assert.deepEqual([client.say('GET k'), client.say('DBSIZE'), engine.databases.expired], [null, 1, 0]);
    client.say('CLIENT UNPAUSE');
    world.forward(1000);
    assert.deepEqual([client.say('DBSIZE'), engine.databases.expired], [0, 1]);
    engine.stop();
  });

  it('what waits has been checked once and is checked again', () => {
    const { engine, join } = bench();
    const [writer, operator] = [join(), join()];
    operator.say('CLIENT PAUSE 60000 WRITE');
    writer.say('SET k 1');
    engine.readOnly = true;
    operator.say('CLIENT UNPAUSE');
    assert.match(String(writer.settled[0]), /READONLY/);
    engine.stop();
  });
});
