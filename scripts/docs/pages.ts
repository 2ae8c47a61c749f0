// The pages that users read, and their contents: code blocks, headings, links.
// Owns: the reading of Markdown, as far as these pages use it.
// Does not know: what is done with a block.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Block {
  readonly page: string;
  /** Of the line of the fence, from 1. */
  readonly line: number;
  /** `ts`, `js`, `sh`, ... as the fence says. */
  readonly language: string;
  readonly code: string;
  /**
   * From the comment above: `<!-- only compiled: why -->`, `<!-- not checked: why -->`, `<!-- run -->` (for sh, which
   * is only looked at otherwise), `<!-- with redis-server -->`, `<!-- with TLS -->`, `<!-- in the matrix: check file -->`.
   */
  readonly treatment: Treatment;
  /** The text of the comment behind its colon. */
  readonly note: string;
}

type Treatment = 'default' | 'compile' | 'skip' | 'run' | 'redis-server' | 'tls' | 'matrix';

export interface Page {
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly Block[];
  /** The page without its code blocks, lines kept. */
  readonly prose: readonly string[];
}

export const root: string = process.cwd();

/** README, and everything below docs/, sorted. */
export function pagePaths(): string[] {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  const pages = docs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name.replaceAll('\\', '/')}`);
  return ['README.md', ...pages.sort()];
}

export function readPage(path: string): Page {
  const text = readFileSync(join(root, path), 'utf8');
  const prose: string[] = [];
  const blocks: Block[] = [];
  let open: { language: string; line: number; lines: string[]; indent: string } | undefined;
  for (const [at, line] of text.split('\n').entries()) {
    const fence = /^(\s*)```\s*(\w*)/.exec(line);
    if (open !== undefined) {
      prose.push('');
      if (fence === null) open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line);
      else {
        const { language, line: start, lines } = open;
        blocks.push({
          page: path,
          line: start,
          language,
          code: lines.join('\n'),
          ...treatmentOf(prose, start),
        });
        open = undefined;
      }
    } else if (fence === null) prose.push(line);
    else {
      prose.push('');
      open = { language: fence[2]!, line: at + 1, lines: [], indent: fence[1]! };
    }
  }
  if (open !== undefined) throw new Error(`${path}:${open.line}: the code block does not end`);
  return { path, text, blocks, prose };
}

const comments: readonly (readonly [RegExp, Treatment])[] = [
  [/<!-- only compiled: (\S.*) -->/, 'compile'],
  [/<!-- not checked: (\S.*) -->/, 'skip'],
  [/<!-- in the matrix: (\S+ \S+) -->/, 'matrix'],
  [/<!-- run -->/, 'run'],
  [/<!-- with redis-server -->/, 'redis-server'],
  [/<!-- with TLS -->/, 'tls'],
];

function treatmentOf(prose: readonly string[], line: number): Pick<Block, 'treatment' | 'note'> {
  const above = prose.slice(0, line - 1).findLast((text) => text.trim() !== '' && !text.startsWith('<!-- en: ')) ?? '';
  const near = prose.slice(Math.max(0, line - 3), line - 1).includes(above);
  if (!near || !above.trimStart().startsWith('<!--')) return { treatment: 'default', note: '' };
  for (const [pattern, treatment] of comments) {
    const found = pattern.exec(above);
    if (found !== null) return { treatment, note: found[1] ?? '' };
  }
  throw new Error(`line ${line - 1}: an unknown comment above a code block: ${above}`);
}

/** Anchors of a page, as GitHub makes them of headings; a heading that comes again gets a number. */
export function anchorsOf(page: Page): Set<string> {
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const line of page.prose) {
    const heading = /^#{1,6} +(.*?)\s*#*$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  for (const [, id] of page.text.matchAll(/<a (?:id|name)="([^"]+)">/g)) anchors.add(id!);
  return anchors;
}

/** Targets of links and pictures within the repository, with the line of each. */
export function linksOf(page: Page): { readonly target: string; readonly line: number }[] {
  return page.prose.flatMap((line, at) => {
    const bare = line.replaceAll(/`[^`]*`/g, '');
    const found = [...bare.matchAll(/\]\(([^)\s]+)(?: "[^"]*")?\)/g), ...bare.matchAll(/(?:src|href)="([^"]+)"/g)];
    return found.map(([, target]) => ({ target: target!, line: at + 1 })).filter(({ target }) => !/^\w+:/.test(target));
  });
}
