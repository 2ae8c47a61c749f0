import assert from 'node:assert/strict';
import { checkHouse, cycles, type Floors, importsOf, roomOf, upwardImports } from '../../scripts/check-house.ts';

const root = process.cwd();

describe('house: floors', () => {
  it('every import of lib, server and scripts points downwards, without cycles', () => {
    assert.deepEqual(checkHouse(root), []);
  });

  const floors: Floors = { 'lib/base': [], 'lib/router': ['lib/base'], server: ['lib/base'] };

  it('finds imports of every form', () => {
    const source = `import a from './a.ts';
import type { B } from '../base/b.ts';
export * from './c.ts';
export { d } from '../../server/d.ts';
import './e.ts';
const f = await import('./f.ts');
import {
  g,
} from './g.ts';
import x from 'node:net';`;
    assert.deepEqual(importsOf('lib/router/x.ts', source).sort(), [
      'lib/base/b.ts',
      'lib/router/a.ts',
      'lib/router/c.ts',
      'lib/router/e.ts',
      'lib/router/f.ts',
      'lib/router/g.ts',
      'server/d.ts',
    ]);
  });

  it('gives a file the room of its nearest folder on the list', () => {
    assert.equal(roomOf('lib/base/deep/x.ts', floors), 'lib/base');
    assert.equal(roomOf('elsewhere/x.ts', floors), undefined);
  });

  it('complains of upward imports and of rooms it does not know', () => {
    const graph = new Map([
      ['lib/base/x.ts', ['lib/router/y.ts']],
      ['lib/router/y.ts', ['lib/base/x.ts', 'server/z.ts']],
      ['attic/a.ts', []],
    ]);
    assert.equal(upwardImports(graph, floors).length, 3);
  });

  it('complains of cycles of any length', () => {
    const ring = new Map([
      ['a', ['b']],
      ['b', ['c']],
      ['c', ['a']],
      ['d', ['a']],
    ]);
    assert.deepEqual(cycles(ring), ['cycle: a -> b -> c -> a']);
  });
});
