// The list of words that sources do not use finds them in names and comments, and nowhere else.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unwantedLines } from '../../scripts/check-house.ts';
import { exceptions, unwantedIn, unwantedWords } from '../../scripts/house/words.ts';

const found = (line: string, file = 'lib/router/a.ts'): string[] =>
  unwantedIn(file, line).map((complaint) => /not '(\w+)'/.exec(complaint)![1]!);

describe('house: words', () => {
  it('finds a word in a comment, a name, a part of a name, whatever its case', () => {
    assert.deepEqual(found('// The Parcel is told.'), ['parcel', 'told']);
    assert.deepEqual(found('class FakeKeeper { #parkAll() {} }'), ['keeper', 'park']);
    assert.deepEqual(found('const A_KEEPER = 1;'), ['keeper']);
  });

  it('passes over longer words', () => {
    assert.deepEqual(found('// the housekeeper of sparkling intelligence parksides'), []);
  });

  it('names the file, the line, and the word to use', () => {
    const [complaint] = unwantedIn('server/a.ts', 'ok\nkeeper');
    assert.equal(complaint, `server/a.ts:2: not 'keeper': ${unwantedWords['keeper']}`);
  });

  it('an exception holds for its path and its words', () => {
    assert.deepEqual(found('tell', 'server/testing/scenario.ts'), []);
    assert.deepEqual(found('told', 'server/testing/scenario.ts'), ['told']);
    assert.deepEqual(found('tell', 'server/testing/scenario.ts/x.ts'), []);
    assert.deepEqual(found('tell', 'server/testing/scenario.test.ts'), ['tell']);
  });

  it('sources, tests, benches and scripts are read; texts made of servers are not', () => {
    const root = mkdtempSync(join(tmpdir(), 'words-'));
    try {
      for (const folder of ['lib', 'server', 'test', 'bench', 'scripts']) {
        mkdirSync(join(root, folder));
        writeFileSync(join(root, folder, 'a.ts'), '// a parcel\n');
        writeFileSync(join(root, folder, 'b.generated.ts'), '// a parcel\n');
      }
      assert.deepEqual(
        unwantedLines(root).map((complaint) => complaint.split(':')[0]),
        ['lib/a.ts', 'server/a.ts', 'test/a.ts', 'bench/a.ts', 'scripts/a.ts'],
      );
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('every exception names something that exists, an unwanted word, and a reason', () => {
    for (const [path, { words, reason }] of Object.entries(exceptions)) {
      assert.ok(existsSync(path), path);
      assert.ok(words.length > 0 && words.every((word) => word in unwantedWords), path);
      assert.ok(reason.length > 10, path);
    }
  });
});
