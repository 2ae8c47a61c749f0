// Requests about other clients wait until all that has arrived was read; others do not.

import { deepEqual, equal, match } from 'node:assert/strict';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { type Reply, Verbatim } from '../../../../lib/wire/reply.ts';
import { createEngine } from '../../../../server/command/all.ts';
import type { Client } from '../../../../server/engine/client.ts';
import { execute } from '../../../../server/engine/dispatch.ts';
import type { Engine } from '../../../../server/engine/engine.ts';
import { nobody } from '../../../../server/engine/replay.ts';

/** A list of clients is a text of RESP3. */
function print(reply: Reply | undefined): string {
  if (Array.isArray(reply)) return reply.map(print).join();
  return reply instanceof Verbatim ? reply.text : String(reply);
}

describe('requests about other clients', () => {
  let engine: Engine;
  let reads: (() => void)[];
  let answers: string[];

  beforeEach(() => {
    reads = [];
    answers = [];
    engine = createEngine({ world: new ManualWorld() });
    engine.arrivals.onceRead = (run) => void reads.push(run);
  });
  afterEach(() => engine.stop());

  const join = (name: string, sent = { bytes: 0 }): Client => {
    const settle = (reply: Reply | undefined): void => void answers.push(`${name}: ${print(reply)}`);
    const client: Client = engine.connect({ ...nobody, inputBytes: () => sent.bytes, settle });
    client.name = name;
    return client;
  };
  const say = (client: Client, line: string): Reply | undefined => execute(engine, client, line.split(' '));
  const readAll = (): void => {
    for (const run of reads.splice(0)) run();
  };

  it('CLIENT LIST shows what was read in the same turn', () => {
    const sent = { bytes: 0 };
    const operator = join('operator');
    join('sender', sent);
    equal(say(operator, 'CLIENT LIST'), undefined);
    equal(operator.blocked?.kind, 'paused');
    sent.bytes = 5000;
    deepEqual(answers, []);
    readAll();
    match(answers.join(), /name=sender .* qbuf=5000 /);
    equal(operator.blocked, undefined);
  });

  it('all that wait go together, in order, and what follows in the same turn does not wait again', () => {
    const clients = ['a', 'b'].map((name) => join(name));
    for (const client of clients) equal(say(client, 'CLIENT KILL ID 99'), undefined);
    equal(reads.length, 1);
    reads.push(() => undefined);
    const last = clients[1]!;
    const settle = last.sink.settle;
    Object.assign(last.sink, {
      settle: (reply: Reply | undefined) => {
        settle(reply);
        answers.push(`then: ${String(say(last, 'CLIENT KILL ID 98'))}`);
      },
    });
    readAll();
    deepEqual(answers, ['a: 0', 'b: 0', 'then: 0']);
    equal(say(last, 'CLIENT KILL ID 97'), undefined, 'in the next turn it waits');
  });

  it('who leaves meanwhile is answered nothing', () => {
    const client = join('a');
    say(client, 'CLIENT LIST');
    engine.disconnect(client);
    readAll();
    deepEqual(answers, []);
  });

  it('a transaction takes them as they come, and other commands never wait', () => {
    const client = join('a');
    equal(String(say(client, 'CLIENT ID')), String(client.id));
    say(client, 'MULTI');
    say(client, 'CLIENT LIST');
    match(print(say(client, 'EXEC')), /name=a /);
    deepEqual([reads, answers], [[], []]);
  });
});
