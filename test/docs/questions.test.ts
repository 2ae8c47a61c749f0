// Questions and answers: enough of each kind, and each answer says what proves it.

import assert from 'node:assert/strict';
import { readPage } from '../../scripts/docs/pages.ts';
import { experiments } from '../../server/learn/learn.ts';

const least: Readonly<Record<string, number>> = {
  Slots: 5,
  Resharding: 7,
  Redirection: 7,
  Persistence: 6,
  Gossip: 5,
  Failover: 5,
};

describe('docs: questions and answers', () => {
  const { text } = readPage('docs/questions.md');
  const groups = text.split(/^## /m).slice(1);

  it('are at least 40, in the groups that matter', () => {
    assert.ok(text.match(/^### .*\?$/gm)!.length >= 40);
    for (const [name, count] of Object.entries(least)) {
      const group = groups.find((each) => each.startsWith(`${name}\n`));
      assert.ok(group !== undefined, name);
      assert.ok(group.match(/^### /gm)!.length >= count, `${name}: fewer than ${count}`);
    }
  });

  it('each say what proves them', () => {
    const answers = text.split(/^### /m).slice(1);
    const bare = answers.filter((answer) => !/```(?:ts|console|sh)\n/.test(answer));
    assert.deepEqual(
      bare.map((answer) => answer.split('\n')[0]),
      [],
    );
  });

  it('name experiments that exist', () => {
    const named = [...text.matchAll(/npx lingcache learn (\w+)/g)].map(([, name]) => name!);
    assert.ok(named.length > 10);
    assert.deepEqual(
      named.filter((name) => !Object.hasOwn(experiments, name)),
      [],
    );
  });
});
