// Links of README, CONTRIBUTING, CHANGELOG and docs lead somewhere; each page is reached from the index; figures that
// were measured stand in a section that names the command.

import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { anchorsOf, linksOf, type Page, pagePaths, readPage, root } from '../../scripts/docs/pages.ts';

const pages = new Map(
  [...pagePaths(), 'CONTRIBUTING.md', 'CHANGELOG.md', 'bench/README.md'].map((path) => [path, readPage(path)] as const),
);

function complaintOf(page: Page, target: string): string | undefined {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page.path : normalize(join(dirname(page.path), decodeURI(path)));
  if (file.startsWith('..') || !existsSync(join(root, file))) return `${target} does not exist`;
  if (anchor === undefined || anchor === '') return undefined;
  const other = pages.get(file);
  if (other === undefined) return statSync(join(root, file)).isDirectory() ? undefined : `${target} is no page`;
  return anchorsOf(other).has(decodeURI(anchor)) ? undefined : `${target} has no such heading`;
}

describe('docs: links and figures', () => {
  for (const page of pages.values()) {
    it(`links of ${page.path} lead somewhere`, () => {
      const broken = linksOf(page).flatMap(({ target, line }) => {
        const complaint = complaintOf(page, target);
        return complaint === undefined ? [] : [`${page.path}:${line}: ${complaint}`];
      });
      assert.deepEqual(broken, []);
    });
  }

  it('the index leads to every page of docs/', () => {
    const reached = new Set<string>();
    const visit = (path: string): void => {
      const page = pages.get(path);
      if (page === undefined || reached.has(path)) return;
      reached.add(path);
      for (const { target } of linksOf(page)) {
        const file = target.split('#')[0]!;
        if (file !== '') visit(normalize(join(dirname(path), decodeURI(file))));
      }
    };
    visit('README.md');
    assert.deepEqual(
      [...pages.keys()].filter((path) => path.startsWith('docs/') && !reached.has(path)),
      [],
    );
  });

  it('files and folders of the repository that the text names exist', () => {
    const missing = [...pages.values()].flatMap(({ path, prose }) =>
      prose.flatMap((line, at) =>
        [...line.matchAll(/`((?:lib|server|test|scripts|bench|examples|docs|web)\/[\w./-]+)`/g)]
          .map(([, name]) => name!)
          // A line of its own names the file that the reader makes of the block below.
          .filter((name) => line !== `\`${name}\`:` && !isThere(name))
          .map((name) => `${path}:${at + 1}: ${name}`),
      ),
    );
    assert.deepEqual(missing, []);
  });

  it('a rate or a percentile that was measured stands in a section that names its command', () => {
    const bare = [...pages.values()]
      .filter(({ path }) => path === 'README.md' || path.startsWith('docs/'))
      .flatMap((page) =>
        sectionsOf(page)
          .filter(
            ({ text }) => /\b\d[\d.,]*k?\/s\b|\bp9[59] \d/.test(text) && !/`(?:npm run |npx |redis-)[^`]+`/.test(text),
          )
          .map(({ title }) => `${page.path}: ${title}`),
      );
    assert.deepEqual(bare, []);
  });
});

/** Pages leave out `.ts` and `.test.ts`. What a build writes is not in the repository. */
function isThere(name: string): boolean {
  return ['', '.ts', '.test.ts'].some((end) => existsSync(join(root, `${name}${end}`)));
}

function sectionsOf({ prose }: Page): { title: string; text: string }[] {
  const sections = [{ title: '', text: '' }];
  for (const line of prose) {
    if (/^##? /.test(line)) sections.push({ title: line, text: '' });
    else sections.at(-1)!.text += `${line}\n`;
  }
  return sections;
}
