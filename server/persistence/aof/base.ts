// The base of a log: what it is called, what its bytes are, and how one is made while no log is kept.

import { statSync } from 'node:fs';
import { type SlowWriting, writeWholeSlowly } from '../disk/atomic-file.ts';
import type { RdbContent } from '../rdb/file.ts';
import { writeRdb } from '../rdb/file-writer.ts';
import { writeCommands } from './base-commands.ts';
import { printTime } from './commands.ts';
import { LogFolder, type LogPlace } from './folder.ts';
import { emptyManifest, type LogFile, type Manifest } from './manifest.ts';

/** How a rewrite is written. */
export interface RewriteOptions extends SlowWriting {
  /** Bytes of a chunk; default 64 KiB. */
  readonly chunkBytes?: number;
}

/** `rdb`: the base is an RDB file, else it consists of commands. */
export function nextBase(name: string, { base }: Manifest, rdb: boolean): LogFile {
  const seq = (base?.seq ?? 0) + 1;
  return { name: `${name}.${seq}.base.${rdb ? 'rdb' : 'aof'}`, seq };
}

/** `at` in ms: a base of commands begins with the time. */
export function* baseBytes(
  content: RdbContent,
  rdb: boolean,
  chunkBytes?: number,
  at?: number,
): Generator<Buffer, void, undefined> {
  if (!rdb) {
    if (at !== undefined) yield Buffer.from(printTime(Math.floor(at / 1000)));
    yield* writeCommands(content, chunkBytes);
    return;
  }
  yield* writeRdb(content, chunkBytes === undefined ? {} : { chunkBytes });
}

/** What a rewrite replaces, before what earlier ones did. */
export function replacedBy(manifest: Manifest, increments: readonly LogFile[]): LogFile[] {
  return [...increments, ...(manifest.base === undefined ? [] : [manifest.base]), ...manifest.history];
}

/** BGREWRITEAOF while no log is kept: a base alone, in the place of all that was there. Rejects like a rewrite. */
export async function writeBaseAlone(
  place: LogPlace,
  content: RdbContent,
  rdb: boolean,
  options: RewriteOptions & { readonly keepReplaced?: boolean } = {},
): Promise<void> {
  try {
    await replaceAll(place, content, rdb, options);
  } finally {
    content.release?.();
  }
}

async function replaceAll(
  place: LogPlace,
  content: RdbContent,
  rdb: boolean,
  options: RewriteOptions & { readonly keepReplaced?: boolean },
): Promise<void> {
  const folder = new LogFolder(place);
  folder.make();
  const manifest = folder.read() ?? emptyManifest;
  const base = nextBase(folder.name, manifest, rdb);
  await writeWholeSlowly(folder.at(base.name), baseBytes(content, rdb, options.chunkBytes), options);
  const next = { base, increments: [], history: replacedBy(manifest, manifest.increments) };
  folder.write(next);
  if (options.keepReplaced !== true) folder.sweep(next);
}

/** Bytes of a file of the log. */
export function sizeOf(folder: LogFolder, file: LogFile | undefined): number {
  return file === undefined ? 0 : statSync(folder.at(file.name)).size;
}
