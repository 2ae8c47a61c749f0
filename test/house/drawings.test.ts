// The drawings of the learning pages are what the script draws.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawings } from '../../scripts/drawings/pictures.ts';
import { sequence } from '../../scripts/drawings/sequence.ts';
import { escaped, widthOf } from '../../scripts/drawings/svg.ts';

const folder = join(process.cwd(), 'docs/drawings');

describe('house: drawings', () => {
  const drawn = drawings();

  it('docs/drawings holds what npm run draw writes, and nothing else', () => {
    assert.deepEqual(readdirSync(folder).sort(), [...drawn.keys()].sort());
    for (const [name, text] of drawn) assert.equal(readFileSync(join(folder, name), 'utf8'), text, `stale: ${name}`);
  });

  it('each is compact, has a title, whole coordinates and colours for both themes', () => {
    for (const [name, text] of drawn) {
      assert.ok(text.length < 6000, `${name}: ${text.length} bytes`);
      assert.match(text, /<title>[^<]+<\/title>/);
      assert.match(text, /prefers-color-scheme:dark/);
      assert.doesNotMatch(text, /NaN|undefined|[xy]="-/, name);
    }
  });

  it('a Chinese drawing has as many parts as the English one', () => {
    const partsOf = (text: string): number => text.split('<').length;
    for (const [name, text] of drawn)
      if (!name.endsWith('.zh.svg')) assert.equal(partsOf(drawn.get(name.replace('.svg', '.zh.svg'))!), partsOf(text));
  });

  it('text is escaped, and actors stand as far apart as the longest text needs', () => {
    assert.equal(escaped('a<b & "c"'), 'a&lt;b &amp; &quot;c&quot;');
    assert.equal(widthOf('ab槽'), 27);
    const widthOfDrawing = (text: string): number =>
      Number(
        /width="(\d+)"/.exec(sequence({ title: 't', actors: ['a', 'b'], steps: [{ from: 0, to: 1, text }] }))?.[1],
      );
    assert.ok(widthOfDrawing('x'.repeat(80)) > 2 * 80 * 7);
    assert.ok(widthOfDrawing('x') < 2 * 80 * 7);
  });
});
