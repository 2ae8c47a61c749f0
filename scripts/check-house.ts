// The house check: every import points downwards as floors.json says, and no cycle of any length exists
// (type-only imports count). Run by `npm run lint` and by test/house.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

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

/** The room a file lives in: the longest folder named in the floors. */
export function roomOf(file: string, floors: Floors): string | undefined {
  let folder = posix.dirname(file);
  while (folder !== '.') {
    if (floors[folder] !== undefined) return folder;
    folder = posix.dirname(folder);
  }
  return undefined;
}

export function upwardImports(graph: ImportGraph, floors: Floors): string[] {
  const complaints: string[] = [];
  for (const [file, targets] of graph) {
    const room = roomOf(file, floors);
    if (room === undefined) {
      complaints.push(`${file}: its folder has no row in scripts/floors.json`);
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

/** One line per cycle found by a depth-first walk. */
export function cycles(graph: ImportGraph): string[] {
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
  const graph: ImportGraph = new Map();
  for (const room of rooms) {
    for (const entry of readdirSync(join(root, room), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const path = join(entry.parentPath, entry.name);
      const name = relative(root, path).replaceAll('\\', '/');
      graph.set(name, importsOf(name, readFileSync(path, 'utf8')));
    }
  }
  return graph;
}

export function checkHouse(root: string): string[] {
  const floors = JSON.parse(readFileSync(join(root, 'scripts/floors.json'), 'utf8')) as Floors;
  const graph = readGraph(root, ['lib', 'server', 'scripts']);
  return [...upwardImports(graph, floors), ...cycles(graph)];
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const root = join(dirname(new URL(import.meta.url).pathname), '..', '..');
  const complaints = checkHouse(root);
  for (const complaint of complaints) console.error(complaint);
  if (complaints.length > 0) process.exit(1);
  console.log('house: floors point downwards, no cycles');
}
