// Every command that writes, on a key in every state: the events it fires, the words it sends to replicas, the changes
// it counts, the keys that caching clients forget, beside redis-server.

import assert from 'node:assert/strict';
import { allCommandNames, commandOf, Flag } from '../../../lib/command/table.ts';
import { splitArguments } from '../../../lib/wire/request-decoder.ts';
import { calls, leftOut, others, states } from './effect-cases.ts';
import { nodesForSuite } from './pair.ts';
import { type Testimony, Witness } from './witness.ts';

const words = (line: string): string[] => {
  const argv = splitArguments(line);
  assert.ok(argv !== undefined, `bad line: ${line}`);
  return argv;
};

/** Their answers have no order. */
const unordered = new Set(['spop']);

function ordered(name: string, testimony: Testimony): Testimony {
  return unordered.has(name) ? { ...testimony, reply: [...testimony.reply].sort().join('') } : testimony;
}

function differences(real: Testimony, ours: Testimony): string[] {
  const fields = ['reply', 'events', 'stream', 'dirty', 'forgotten'] as const;
  return fields
    .filter((field) => JSON.stringify(real[field]) !== JSON.stringify(ours[field]))
    .map((field) => `${field}: ${JSON.stringify(ours[field])} instead of ${JSON.stringify(real[field])}`);
}

describe('what commands report, ours against redis-server', function () {
  this.timeout(60_000);
  const pair = nodesForSuite({ 'repl-diskless-sync-delay': '0', 'repl-ping-replica-period': '3600' });
  let witnesses: [Witness, Witness];

  before(async () => {
    witnesses = [await Witness.open(pair.real!.port), await Witness.open(pair.ours!.port)];
  });
  after(() => {
    for (const witness of witnesses ?? []) witness.close();
  });

  it('no command that writes is left out without a reason', () => {
    const writing = allCommandNames.filter((name) => {
      const flags = commandOf(name)?.flags ?? 0;
      return (flags & Flag.write) !== 0 && (flags & Flag.beyond) === 0;
    });
    assert.ok(writing.length > 100);
    assert.deepEqual(
      writing.filter((name) => calls[name] === undefined && leftOut[name] === undefined),
      [],
    );
  });

  for (const [name, lines] of Object.entries(calls)) {
    it(name, async () => {
      const found: string[] = [];
      for (const line of lines.split(' | ')) {
        for (const [state, made] of Object.entries(states)) {
          const before = [...others, ...made].map(words);
          const [real, ours] = await Promise.all(witnesses.map((witness) => witness.testify(before, words(line))));
          for (const difference of differences(ordered(name, real!), ordered(name, ours!)))
            found.push(`${line} on ${state}: ${difference}`);
        }
      }
      assert.deepEqual(found, []);
    });
  }
});
