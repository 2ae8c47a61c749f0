// The ACL file of a node: read when it starts and by ACL LOAD, written whole by ACL SAVE.
// Owns nothing; the path is the parameter `aclfile`, relative to `dir`.

import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Engine } from '../engine/engine.ts';
import { writeWhole } from '../persistence/disk/atomic-file.ts';

const maxBytes = 64 << 20;

/** Undefined: the node has none. */
export function aclFileOf(engine: Engine): { load(): string | undefined; save(): boolean } | undefined {
  const name = engine.config.get('aclfile');
  if (name === '') return undefined;
  const path = resolve(engine.config.get('dir'), name);
  return { load: () => load(engine, path, name), save: () => save(engine, path) };
}

/** For a node that starts: throws an Error when its ACL file is of no use. */
export function loadAclFile(engine: Engine): void {
  const why = aclFileOf(engine)?.load();
  if (why !== undefined) throw new Error(`Aborting Redis startup because of ACL errors: ${why}`);
}

/** What CONFIG REWRITE keeps of the users. */
export function usersToKeep(engine: Engine): readonly string[] {
  return engine.config.get('aclfile') === '' ? engine.access.acl.definitions() : [];
}

function load(engine: Engine, path: string, name: string): string | undefined {
  let text: string;
  try {
    if (statSync(path).size > maxBytes) return `Error loading ACLs, '${name}' is bigger than ${maxBytes} bytes`;
    text = readFileSync(path, 'latin1');
  } catch (error) {
    return `Error loading ACLs, opening file '${name}': ${reasonOf(error)}`;
  }
  return engine.access.acl.load(text, name);
}

function save(engine: Engine, path: string): boolean {
  try {
    writeWhole(path, [Buffer.from(engine.access.acl.print(), 'latin1')]);
    return true;
  } catch (error) {
    engine.world.log(`Opening temp ACL file for ACL SAVE: ${(error as Error).message}`);
    return false;
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  EACCES: 'Permission denied',
  EISDIR: 'Is a directory',
};

/** As C prints it. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return reasons[code ?? ''] ?? message;
}
