// The reference says what the sources say, and every change of the public surface shows in test/docs/api-report.txt.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/docs/pages.ts';
import { staleReference } from '../../scripts/gen-reference.ts';
import { readEntries } from '../../scripts/reference/surface.ts';
import { errorCodes, readParameters, wrongCodes } from '../../scripts/reference/tables.ts';

describe('docs: reference', () => {
  it('is what the sources say, the report of the public surface too', () => assert.deepEqual(staleReference(), []));

  it('knows every export that the entries have at run time', async () => {
    for (const [entry, file] of [
      ['lingcache', '../../lib/index.js'],
      ['lingcache/server', '../../server/index.js'],
      ['lingcache/otel', '../../lib/otel/otel.js'],
    ] as const) {
      const names = Object.keys((await import(new URL(file, import.meta.url).href)) as object).filter(
        (name) => name !== 'default',
      );
      const known = readEntries()
        .find(({ name }) => name === entry)!
        .declarations.map(({ name }) => name);
      assert.deepEqual(
        names.filter((name) => !known.includes(name)),
        [],
        entry,
      );
    }
  });

  it('explains every code of the sources and no other', () => {
    assert.deepEqual(wrongCodes(root), []);
    assert.ok(Object.keys(errorCodes).length > 20);
  });

  it('has every parameter with its kind and default', () => {
    const rows = readParameters(readFileSync(join(root, 'server/config/parameters.ts'), 'utf8'));
    const timeout = rows.find(({ name }) => name === 'cluster-node-timeout');
    assert.deepEqual(timeout, {
      name: 'cluster-node-timeout',
      kind: 'integer 0 to no end',
      initial: '15000',
      change: 'yes',
    });
    assert.ok(rows.length > 150 && rows.every(({ name, kind }) => name !== '' && kind !== ''));
  });

  it('channels of the client are all in docs/observability.md', () => {
    const text = readFileSync(join(root, 'lib/core/diagnostics.ts'), 'utf8');
    const page = readFileSync(join(root, 'docs/observability.md'), 'utf8');
    const names = [...text.matchAll(/'((?:ioredis|lingcache):[\w-]+)'/g)].map(([, name]) => name!);
    assert.ok(names.length >= 5);
    assert.deepEqual(
      names.filter((name) => !page.includes(name)),
      [],
    );
  });
});
