// The learning pages say the same in English and in Chinese: the same headings, code blocks, drawings and experiments, and
// each Chinese section is the translation of what the English one says now.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { outdatedIn, translatedPages } from '../../scripts/docs/translations.ts';
import { experiments } from '../../server/learn/learn.ts';

const docs = join(process.cwd(), 'docs');

interface Outline {
  /** Depth of each heading. */
  readonly headings: readonly number[];
  /** Each with its fence, as it stands. */
  readonly blocks: readonly string[];
  readonly drawings: readonly string[];
  readonly experiments: readonly string[];
  /** Rows of tables and items of lists: what an incomplete translation leaves out. */
  readonly rows: number;
  readonly prose: string;
}

function outlineOf(path: string): Outline {
  const text = readFileSync(join(docs, path), 'utf8');
  const blocks = text.match(/^```[^\n]*\n[\s\S]*?^```$/gm) ?? [];
  const prose = text.replaceAll(/^```[^\n]*\n[\s\S]*?^```$/gm, '');
  const found = (pattern: RegExp): string[] => [...prose.matchAll(pattern)].map(([, text]) => text!);
  return {
    headings: found(/^(#{1,6}) /gm).map(({ length }) => length),
    blocks,
    drawings: found(/drawings\/([\w-]+)(?:\.zh)?\.svg/g),
    experiments: found(/`npx lingcache learn (\w+)`/g),
    rows: prose.match(/^(?:\||- |\d+\. )/gm)?.length ?? 0,
    prose,
  };
}

const pages = [
  'start/quick-start.md',
  'start/replication-or-cluster.md',
  'tutorial-sharding.md',
  'questions.md',
  ...readdirSync(join(docs, 'principles')).map((name) => `principles/${name}`),
];

describe('house: the learning pages in two languages', () => {
  it('every Chinese page has an English one', () => {
    const chinese = readdirSync(join(docs, 'zh'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.md'),
    );
    const known = [...pages, 'README.md'];
    assert.deepEqual(
      chinese.filter((name) => !known.includes(name.replaceAll('\\', '/'))),
      [],
    );
  });

  for (const page of pages) {
    it(`${page} and zh/${page}`, () => {
      assert.ok(existsSync(join(docs, 'zh', page)), `no docs/zh/${page}`);
      const { prose: english, ...ours } = outlineOf(page);
      const { prose: chinese, ...theirs } = outlineOf(`zh/${page}`);
      assert.deepEqual(theirs, ours);
      for (const name of ours.experiments) assert.ok(Object.hasOwn(experiments, name), `no experiment ${name}`);
      assert.doesNotMatch(english, /[\u4e00-\u9fff]{5}/, 'Chinese in the English page');
      assert.match(chinese, /[\u4e00-\u9fff]/);
      const long = chinese.split('\n').filter((line) => /^[A-Z][a-z]+ [a-z]+ [a-z]+ [a-z]+ [a-z]+/.test(line));
      assert.deepEqual(long, [], 'English sentences in the Chinese page');
      assert.deepEqual(outdatedIn(page), [], 'translate them again, then run `npm run translated -- PAGE`');
    });
  }

  it('all translations are looked at', () => assert.deepEqual(translatedPages(), [...pages].sort()));

  it('there are the eight principles, and 45 questions or more in their groups', () => {
    assert.ok(pages.filter((page) => page.startsWith('principles/') && !page.endsWith('README.md')).length >= 8);
    const text = readFileSync(join(docs, 'questions.md'), 'utf8');
    const groups = text.split(/^## /m).slice(1);
    const counts = new Map(groups.map((group) => [group.split('\n')[0]!, group.match(/^### /gm)?.length ?? 0]));
    const least = {
      Slots: 5,
      Gossip: 4,
      Failover: 5,
      Resharding: 7,
      Redirection: 7,
      Persistence: 6,
      Replication: 4,
      Client: 4,
    };
    for (const [group, count] of Object.entries(least))
      assert.ok((counts.get(group) ?? 0) >= count, `${group}: ${counts.get(group)} of ${count} questions`);
    assert.ok([...counts.values()].reduce((sum, count) => sum + count, 0) >= 45);
  });
});
