import assert from 'node:assert/strict';
import { CommandNames } from '../../../../server/engine/command-names.ts';

describe('names of commands', () => {
  it('are their own until they are renamed', () => {
    const names = new CommandNames();
    assert.equal(names.originalOf('get'), 'get');
    assert.equal(names.untouched, true);
    names.rename('get', 'fetch');
    assert.deepEqual(
      ['get', 'fetch', 'set'].map((name) => names.originalOf(name)),
      [undefined, 'get', 'set'],
    );
    assert.equal(names.isGone('get'), false);
    names.rename('set', '');
    assert.deepEqual([names.originalOf('set'), names.isGone('set')], [undefined, true]);
  });

  it('can be swapped, given back, and taken over by others', () => {
    const names = new CommandNames();
    names.rename('get', 'x');
    names.rename('set', 'get');
    names.rename('x', 'set');
    assert.deepEqual(
      ['get', 'set', 'x'].map((name) => names.originalOf(name)),
      ['set', 'get', 'x'],
    );
    names.rename('del', 'gone');
    names.rename('gone', 'del');
    assert.equal(names.originalOf('del'), 'del');
  });

  it('of commands that do not exist, or that are taken, are refused', () => {
    const names = new CommandNames();
    assert.throws(() => names.rename('nosuch', 'x'), /No such command/);
    assert.throws(() => names.rename('config|get', 'x'), /No such command/);
    assert.throws(() => names.rename('get', 'set'), /already exists/);
    const others = new CommandNames();
    others.rename('get', 'x');
    assert.throws(() => others.rename('set', 'x'), /already exists/);
    assert.throws(() => others.rename('get', 'y'), /No such command/);
  });
});
