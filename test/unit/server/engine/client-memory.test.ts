// What clients cost and who goes when they cost too much, without sockets.

import assert from 'node:assert/strict';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { createEngine } from '../../../../server/command/all.ts';
import type { Client } from '../../../../server/engine/client.ts';
import { describeClient } from '../../../../server/engine/client-info.ts';
import { memoryOf } from '../../../../server/engine/client-memory.ts';
import { execute } from '../../../../server/engine/dispatch.ts';
import type { Engine } from '../../../../server/engine/engine.ts';
import { nobody } from '../../../../server/engine/replay.ts';

interface Held {
  readonly client: Client;
  input: number;
  output: number;
  readonly say: (line: string) => void;
}

function bench(limit: string): { engine: Engine; join: (name: string) => Held; left: () => string[] } {
  const engine = createEngine({ world: new ManualWorld(), config: { 'maxmemory-clients': limit } });
  const join = (name: string): Held => {
    const held = { input: 0, output: 0 };
    const client: Client = engine.connect({
      ...nobody,
      inputBytes: () => held.input,
      outputBytes: () => held.output,
      close: () => engine.disconnect(client),
    });
    client.name = name;
    return Object.assign(held, { client, say: (line: string) => void execute(engine, client, line.split(' ')) });
  };
  return { engine, join, left: () => [...engine.clients.values()].map(({ name }) => name) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('memory of clients', () => {
  it('counts requests, replies, queues, watches, subscriptions and prefixes, and forgets what is let go', () => {
    const { engine, join } = bench('0');
    const held = join('one');
    const idle = memoryOf(held.client);
    const costs: number[] = [];
    const long = 'x'.repeat(10_000);
    const pairs = [
      [`WATCH ${long}`, 'UNWATCH'],
      [`SUBSCRIBE ${long}`, 'UNSUBSCRIBE'],
      [`PSUBSCRIBE ${long}`, 'PUNSUBSCRIBE'],
      [`SSUBSCRIBE ${long}`, 'SUNSUBSCRIBE'],
      [`CLIENT TRACKING ON BCAST PREFIX ${long}`, 'CLIENT TRACKING OFF'],
    ] as const;
    for (const [take, give] of pairs) {
      held.say(take);
      held.say(take);
      costs.push(memoryOf(held.client) - idle);
      held.say(give);
      assert.equal(memoryOf(held.client), idle, give);
    }
    held.say('MULTI');
    held.say(`SET k ${long}`);
    costs.push(memoryOf(held.client) - idle);
    held.say('DISCARD');
    held.input = 10_000;
    costs.push(memoryOf(held.client) - idle);
    held.input = 0;
    held.output = 20_000;
    costs.push(memoryOf(held.client) - idle - 10_000);
    assert.ok(
      costs.every((cost) => cost >= 10_000 && cost < 10_200),
      costs.join(),
    );
    engine.stop();
  });

  it('the largest go first, those of one size in the order in which they came, until it is enough', () => {
    const { engine, join, left } = bench('1000000');
    for (const [name, input] of [
      ['small', 10_000],
      ['first', 150_000],
      ['second', 200_000],
      ['large', 500_000],
      ['third', 230_000],
    ] as const) {
      const held = join(name);
      held.input = input;
      engine.clientMemory.note(held.client);
    }
    assert.equal(left().length, 5);
    engine.clientMemory.enforce();
    assert.deepEqual(left(), ['small', 'first', 'second', 'third']);
    engine.config.set([['maxmemory-clients', '500000']]);
    engine.clientMemory.enforce();
    assert.deepEqual(left(), ['small', 'second', 'third']);
    assert.equal(engine.clientMemory.evicted, 2);
    engine.stop();
  });

  it('spares replicas, the primary, and who asked for it; one that may go again goes', async () => {
    const { engine, join, left } = bench('200000');
    const [replica, primary, spared] = [join('replica'), join('primary'), join('spared')];
    replica.client.replicaLink = true;
    primary.client.primaryLink = true;
    spared.say('CLIENT NO-EVICT ON');
    for (const held of [replica, primary, spared]) {
      held.input = 1_000_000;
      assert.equal(engine.clientMemory.admit(held.client), true);
    }
    assert.equal(left().length, 3);
    spared.say('CLIENT NO-EVICT OFF');
    engine.clientMemory.note(spared.client);
    await turn();
    assert.deepEqual(left(), ['replica', 'primary']);
    assert.equal(spared.client.closed, true);
    engine.stop();
  });

  it('a lower limit takes effect at once, without a word from anybody', async () => {
    const { engine, join, left } = bench('0');
    join('idle').input = 900_000;
    engine.config.set([['maxmemory-clients', '500000']]);
    await turn();
    assert.deepEqual(left(), []);
    engine.stop();
  });

  it('CLIENT LIST adds up', () => {
    const { engine, join } = bench('0');
    const held = join('one');
    held.output = 100;
    const small = describeClient(held.client, ['client', 'list']);
    assert.match(small, / qbuf=26 qbuf-free=0 argv-mem=10 multi-mem=0 .* obl=100 oll=0 omem=0 /);
    held.output = 100_000;
    held.say('MULTI');
    held.say('SET k 12345');
    assert.match(describeClient(held.client), / multi=1 .* multi-mem=9 .* obl=0 oll=7 omem=100000 .* events=rw /);
    engine.stop();
  });
});
