// The pictures of docs/principles are what the script draws, each is shown by a page, and the slots in it are right.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { slotOf } from '../../lib/index.ts';
import { drawings, staleDrawings } from '../../scripts/drawings.ts';
import { root } from './pages.ts';

const folder = 'docs/principles';

describe('docs: drawings', () => {
  it('are what the script draws', () => assert.deepEqual(staleDrawings(), []));

  it('are all there are, each on a page', () => {
    const names = readdirSync(join(root, folder));
    const pages = names
      .filter((name) => name.endsWith('.md'))
      .map((name) => readFileSync(join(root, folder, name), 'utf8'));
    const pictures = names.filter((name) => name.endsWith('.svg'));
    assert.deepEqual(pictures.map((name) => `${folder}/${name}`).sort(), [...drawings().keys()].sort());
    for (const name of pictures)
      assert.ok(
        pages.some((text) => text.includes(`](${name})`)),
        `${name} is on no page`,
      );
  });

  it('show the slots that the client computes', () => {
    const shown = [
      ...drawings()
        .get(`${folder}/slots.svg`)!
        .matchAll(/CRC16\("([^"]+)"\) mod 16384 = (\d+)/g),
    ];
    assert.equal(shown.length, 3);
    for (const [, key, slot] of shown) assert.equal(slotOf(key!), Number(slot));
  });
});
