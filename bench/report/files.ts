// Where results go.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export function save(
  root: string,
  name: string,
  data: unknown,
  svg: string | undefined,
  lines: readonly string[],
): string[] {
  const dir = join(root, 'bench', 'results');
  mkdirSync(dir, { recursive: true });
  const files: [string, string][] = [
    [`${name}.json`, `${JSON.stringify(data, null, 2)}\n`],
    [`${name}.txt`, `${lines.join('\n')}\n`],
  ];
  if (svg !== undefined) files.push([`${name}.svg`, svg]);
  for (const [file, content] of files) writeFileSync(join(dir, file), content);
  return files.map(([file]) => join('bench', 'results', file));
}
