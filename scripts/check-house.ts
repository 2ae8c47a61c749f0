// The house check. A room is a folder with a row in floors.json, which names the rooms that it may import. Refused are:
// an import that the row does not allow, a folder without a row, a row that names nothing, a loose file beside the
// rooms, a cycle of files or of rooms (type-only imports count), a picture in CONTRIBUTING.md that shows other rooms or an
// arrow that does not point downwards, and words that are not the field's (house/words). Run by `npm run lint` and by
// test/house.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { unwantedIn } from './house/words.ts';

export type Floors = Record<string, readonly string[]>;
export type ImportGraph = Map<string, readonly string[]>;

const importPattern =
  /(?:^|\n)\s*(?:import|export)\b[^'";]*?(?:from\s*)?['"](\.[^'"]+)['"]|\bimport\(\s*['"](\.[^'"]+)['"]\s*\)/g;

export function importsOf(file: string, source: string): string[] {
  const found = new Set<string>();
  for (const match of source.matchAll(importPattern)) {
    const target = match[1] ?? match[2];
    if (target !== undefined) found.add(posix.normalize(posix.join(posix.dirname(file), target)));
  }
  return [...found];
}

/**
 * The room a file lives in: the nearest folder above it with a row. A folder that has rooms below it is the room of its
 * own files only, so that a new folder beside those needs a row of its own.
 */
export function roomOf(file: string, floors: Floors): string | undefined {
  const own = posix.dirname(file);
  let folder = own;
  while (folder !== '.' && floors[folder] === undefined) folder = posix.dirname(folder);
  if (folder === '.') return undefined;
  return folder === own || !hasRoomsBelow(folder, floors) ? folder : undefined;
}

function hasRoomsBelow(folder: string, floors: Floors): boolean {
  return Object.keys(floors).some((room) => room.startsWith(`${folder}/`));
}

/** Rows that no file needs, names in rows that are no room, rows of the client that name another tree. */
export function staleRows(files: readonly string[], floors: Floors): string[] {
  const lived = new Set(files.map((file) => roomOf(file, floors)));
  const complaints: string[] = [];
  for (const [room, known] of Object.entries(floors)) {
    if (!lived.has(room)) complaints.push(`floors.json: no file lives in ${room}`);
    for (const other of known) {
      if (floors[other] === undefined) complaints.push(`floors.json: ${room} may know ${other}, which has no row`);
      if (inTree(room, 'lib') && !inTree(other, 'lib')) complaints.push(`floors.json: ${room} may not know ${other}`);
    }
  }
  return complaints;
}

function inTree(room: string, tree: string): boolean {
  return room === tree || room.startsWith(`${tree}/`);
}

/** Files that lie beside the rooms of lib and server instead of in one. */
export function looseFiles(files: readonly string[]): string[] {
  return files
    .filter((file) => /^(?:lib|server)\/[^/]+$/.test(file) && posix.basename(file) !== 'index.ts')
    .map((file) => `${file}: only index.ts lies beside the rooms`);
}

export function upwardImports(graph: ImportGraph, floors: Floors): string[] {
  const complaints: string[] = [];
  for (const [file, targets] of graph) {
    const room = roomOf(file, floors);
    if (room === undefined) {
      complaints.push(`${file}: its folder has no row in floors.json`);
      continue;
    }
    for (const target of targets) {
      const other = roomOf(target, floors);
      if (other === room) continue;
      if (other === undefined || !floors[room]!.includes(other)) {
        complaints.push(`${file} imports ${target}: ${room} may not know ${other ?? 'what lies outside the floors'}`);
      }
    }
  }
  return complaints;
}

/** One line per cycle found by a depth-first walk, of files or of rooms. */
export function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const found: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      found.push(`cycle: ${[...path.slice(at), file].join(' -> ')}`);
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const target of graph.get(file) ?? []) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return found;
}

export function readGraph(root: string, rooms: readonly string[]): ImportGraph {
  return new Map([...readSources(root, rooms)].map(([file, text]) => [file, importsOf(file, text)]));
}

/** Every .ts file of these folders, by its path from the root. */
function readSources(root: string, rooms: readonly string[]): Map<string, string> {
  const texts = new Map<string, string>();
  for (const room of rooms) {
    for (const entry of readdirSync(join(root, room), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const path = join(entry.parentPath, entry.name);
      texts.set(relative(root, path).replaceAll('\\', '/'), readFileSync(path, 'utf8'));
    }
  }
  return texts;
}

/** Lines with words that the project does not use. Passed over: the list itself, and texts made of servers' own. */
export function unwantedLines(root: string): string[] {
  const texts = readSources(root, ['lib', 'server', 'test', 'bench', 'scripts']);
  return [...texts].flatMap(([file, text]) =>
    /^(?:scripts|test)\/house\/words/.test(file) || file.includes('.generated') ? [] : unwantedIn(file, text),
  );
}

/**
 * The picture in CONTRIBUTING.md: room -> floor. Below the line of a tree (`server/`), each line names rooms by their
 * paths within it, then their floor.
 */
export function readPicture(text: string): Map<string, number> {
  const shown = new Map<string, number>();
  let tree = '';
  for (const line of /^## The house$.*?^```\n(.*?)^```$/ms.exec(text)?.[1]?.split('\n') ?? []) {
    tree = /^(\w+)\//.exec(line)?.[1] ?? tree;
    const [, names, floor] = /^ {2}(\S+(?: \S+)*) +(\d+) {2}\S/.exec(line) ?? [];
    for (const name of names?.split(' ') ?? []) {
      shown.set(name === 'index.ts' ? tree : `${tree}/${name.replace(/\/$/, '')}`, Number(floor));
    }
  }
  return shown;
}

export function wrongPicture(text: string, floors: Floors): string[] {
  const shown = readPicture(text);
  const complaints: string[] = [];
  for (const room of shown.keys()) {
    if (floors[room] === undefined) complaints.push(`CONTRIBUTING.md shows ${room}, which has no row in floors.json`);
  }
  for (const [room, known] of Object.entries(floors)) {
    const floor = shown.get(room);
    if (floor === undefined) {
      if (room.includes('/')) complaints.push(`CONTRIBUTING.md does not show ${room}`);
      continue;
    }
    for (const other of known) {
      if ((shown.get(other) ?? -1) >= floor) {
        complaints.push(`CONTRIBUTING.md shows ${room} on floor ${floor}, not above ${other}, which it may know`);
      }
    }
  }
  return complaints;
}

export function checkHouse(root: string): string[] {
  const floors = JSON.parse(readFileSync(join(root, 'scripts/floors.json'), 'utf8')) as Floors;
  const graph = readGraph(root, ['lib', 'server', 'scripts']);
  const files = [...graph.keys()];
  return [
    ...upwardImports(graph, floors),
    ...cycles(graph),
    ...cycles(new Map(Object.entries(floors))),
    ...staleRows(files, floors),
    ...looseFiles(files),
    ...wrongPicture(readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8'), floors),
    ...unwantedLines(root),
  ];
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const root = join(dirname(new URL(import.meta.url).pathname), '..', '..');
  const complaints = checkHouse(root);
  for (const complaint of complaints) console.error(complaint);
  if (complaints.length > 0) process.exit(1);
  console.log('house: floors point downwards, no cycles');
}
