// Which changes break a watch, and which wake a client that waits for a key.

import assert from 'node:assert/strict';
import { Entry } from '../../../../server/keyspace/entry.ts';
import { KeyWatchers, type Watcher } from '../../../../server/keyspace/key-watchers.ts';

/** Keys that are there, some of them past their deadline. */
class Keys {
  readonly #entries = new Map<string, Entry>();
  readonly #due = new Set<Entry>();
  readonly ready: string[] = [];
  readonly watchers: KeyWatchers = new KeyWatchers(this, (key) => this.ready.push(key));

  put(key: string, due = false): void {
    const entry = new Entry(key, 'v');
    this.#entries.set(key, entry);
    if (due) this.#due.add(entry);
  }

  remove(key: string): void {
    this.#entries.delete(key);
  }

  runOut(key: string): void {
    this.#due.add(this.#entries.get(key)!);
  }

  inspect(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  isDue(entry: Entry): boolean {
    return this.#due.has(entry);
  }

  watch(key: string): Watcher {
    const watcher = { dirty: false };
    this.watchers.watch(key, watcher);
    return watcher;
  }
}

describe('the watchers of keys', () => {
  it('are dirty once a key of theirs has changed, and not for another key', () => {
    const keys = new Keys();
    keys.put('k');
    const watcher = keys.watch('k');
    keys.watchers.changed('other');
    assert.equal(watcher.dirty, false);
    keys.watchers.changed('k');
    assert.equal(watcher.dirty, true);
  });

  it('do not notice that a key is deleted which had run out before, but notice that it comes again', () => {
    const keys = new Keys();
    keys.put('k', true);
    const watcher = keys.watch('k');
    keys.remove('k');
    keys.watchers.changed('k');
    assert.equal(watcher.dirty, false);
    keys.put('k');
    keys.watchers.changed('k');
    assert.equal(watcher.dirty, true);
  });

  it('find a key expired that ran out since it was watched, and no other', () => {
    const keys = new Keys();
    keys.put('lived');
    keys.put('was due', true);
    const [one, two] = [keys.watch('lived'), keys.watch('was due')];
    assert.equal(keys.watchers.expired('lived', one), false);
    keys.runOut('lived');
    assert.equal(keys.watchers.expired('lived', one), true);
    assert.equal(keys.watchers.expired('was due', two), false);
    // The first WATCH of a key counts.
    keys.watchers.watch('lived', one);
    assert.equal(keys.watchers.expired('lived', one), true);
    keys.watchers.unwatch('lived', one);
    assert.equal(keys.watchers.expired('lived', one), false);
  });

  it('wake who waits for a key as often as it changes, until the last one has stopped waiting', () => {
    const keys = new Keys();
    keys.watchers.await('k');
    keys.watchers.await('k');
    keys.watchers.unawait('k');
    keys.watchers.changed('k');
    keys.watchers.wake('k');
    keys.watchers.changed('other');
    assert.deepEqual(keys.ready, ['k', 'k']);
    keys.watchers.unawait('k');
    keys.watchers.changed('k');
    keys.watchers.wake('k');
    assert.equal(keys.ready.length, 2);
  });

  it('notice of a database that is cleared the keys that were there', () => {
    const keys = new Keys();
    keys.put('k');
    keys.put('was due', true);
    const [there, missing, due] = [keys.watch('k'), keys.watch('missing'), keys.watch('was due')];
    for (const key of ['k', 'missing']) keys.watchers.await(key);
    keys.watchers.clearing();
    assert.deepEqual([there.dirty, missing.dirty, due.dirty], [true, false, false]);
    assert.deepEqual(keys.ready, ['k']);
  });

  it('notice of databases that are exchanged what they could have seen', () => {
    const cases = [
      // before, after: whether a watcher of the key is dirty then
      [undefined, undefined, false],
      ['live', undefined, true],
      [undefined, 'live', true],
      ['live', 'live', true],
      ['due', undefined, false],
      [undefined, 'due', false],
      ['due', 'due', false],
      ['due', 'live', true],
      ['live', 'due', true],
    ] as const;
    for (const [before, after, dirty] of cases) {
      const keys = new Keys();
      if (before !== undefined) keys.put('k', before === 'due');
      const watcher = keys.watch('k');
      keys.watchers.await('k');
      keys.remove('k');
      if (after !== undefined) keys.put('k', after === 'due');
      keys.watchers.exchanged({ has: () => before !== undefined });
      assert.equal(watcher.dirty, dirty, `${before} -> ${after}`);
      assert.equal(keys.ready.length, before === undefined && after === undefined ? 0 : 1, `${before} -> ${after}`);
    }
  });
});
