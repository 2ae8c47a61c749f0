// Which English text a Chinese section was translated from: its hash stands below the Chinese heading, as `<!-- en: hash -->`.
// Owns: sections, their hashes, and the reading and writing of these comments.
// Does not know: whether a translation is right.
// Invariant: breaking lines elsewhere does not change a hash; any other change of the English section does.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './pages.ts';

interface Section {
  readonly heading: string;
  /** Of the lines after the heading: the first, and the one after the last. */
  readonly from: number;
  readonly to: number;
}

const mark = /^<!-- en: (\w+) -->$/;

function sectionsOf(lines: readonly string[]): Section[] {
  const starts: number[] = [];
  let code = false;
  for (const [at, line] of lines.entries()) {
    if (/^\s*```/.test(line)) code = !code;
    else if (!code && /^#{1,6} /.test(line)) starts.push(at);
  }
  return starts.map((at, place) => ({ heading: lines[at]!, from: at + 1, to: starts[place + 1] ?? lines.length }));
}

function hashOf(lines: readonly string[], { heading, from, to }: Section): string {
  const text = [heading, ...lines.slice(from, to)].join(' ').replaceAll(/\s+/g, ' ').trim();
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

const linesOf = (path: string): string[] => readFileSync(join(root, path), 'utf8').split('\n');

/** Pages below docs/zh that have an English page of the same name and are a translation of it. */
export function translatedPages(): string[] {
  const pages = readdirSync(join(root, 'docs/zh'), { recursive: true, encoding: 'utf8' });
  return pages
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.md') && name !== 'README.md')
    .sort();
}

/** Sections of a page below docs/zh whose English text is not the one that they were translated from. */
export function outdatedIn(page: string): string[] {
  const [english, chinese] = [linesOf(`docs/${page}`), linesOf(`docs/zh/${page}`)];
  const [sources, sections] = [sectionsOf(english), sectionsOf(chinese)];
  if (sources.length !== sections.length)
    return [`docs/zh/${page} has ${sections.length} sections of ${sources.length}`];
  return sections.flatMap(({ heading, from, to }, at) => {
    const found = chinese.slice(from, to).flatMap((line) => mark.exec(line)?.[1] ?? []);
    const wanted = hashOf(english, sources[at]!);
    if (found.length === 1 && found[0] === wanted) return [];
    return [`docs/zh/${page}: "${heading}" is of another text than "${sources[at]!.heading}" has now`];
  });
}

/** Notes that every section of a page below docs/zh says what the English one says now. */
export function markTranslated(page: string): void {
  const [english, chinese] = [linesOf(`docs/${page}`), linesOf(`docs/zh/${page}`)];
  const sources = sectionsOf(english);
  const sections = sectionsOf(chinese);
  if (sources.length !== sections.length)
    throw new Error(`docs/zh/${page} has ${sections.length} sections of ${sources.length}`);
  const marked = sections.flatMap(({ heading, from, to }, at) => {
    const body = chinese.slice(from, to).filter((line) => !mark.test(line));
    while (body[0] === '') body.shift();
    return [heading, '', `<!-- en: ${hashOf(english, sources[at]!)} -->`, '', ...body];
  });
  writeFileSync(join(root, 'docs/zh', page), marked.join('\n'));
}
