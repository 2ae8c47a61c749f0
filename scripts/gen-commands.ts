// Writes every generated file from the vendored capture, or with --check says which are not fresh.
// Run: npm run gen, npm run gen:check.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readCapture, root } from './gen/capture.ts';
import { categoriesFile } from './gen/categories.ts';
import { infoFile } from './gen/info.ts';
import { surfaceFiles } from './gen/surface.ts';
import { tableFile } from './gen/table.ts';

/** Path from the root -> text, for every generated file. */
export function generate(): Map<string, string> {
  const capture = readCapture();
  return new Map([
    ['lib/command/table.generated.ts', tableFile(capture)],
    ['server/command/info.generated.ts', infoFile(capture)],
    ['server/acl/categories.generated.ts', categoriesFile(capture)],
    ...surfaceFiles(capture),
  ]);
}

/** Folders that hold generated files only: a file there that is no longer generated is an error. */
const generatedFolders = ['lib/facade/surface.generated'];

function strays(files: ReadonlyMap<string, string>): string[] {
  return generatedFolders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`))
    .filter((path) => !files.has(path));
}

/** One line per generated file that differs from what the capture gives now; empty when all is fresh. */
export function staleFiles(): string[] {
  const files = generate();
  const differing = [...files].filter(([path, text]) => {
    const full = join(root, path);
    return !existsSync(full) || readFileSync(full, 'utf8') !== text;
  });
  return [
    ...differing.map(([path]) => `${path}: not what the generator writes (run npm run gen)`),
    ...strays(files).map((path) => `${path}: no longer generated (run npm run gen)`),
  ];
}

function writeAll(): void {
  const files = generate();
  for (const path of strays(files)) rmSync(join(root, path));
  for (const [path, text] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  console.log(`${files.size} files written`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (process.argv.includes('--check')) {
    const stale = staleFiles();
    for (const line of stale) console.error(line);
    process.exitCode = stale.length === 0 ? 0 : 1;
  } else {
    writeAll();
  }
}
