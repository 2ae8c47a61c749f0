// The base of a log: what it is called, what its bytes are, and how one is made while no log is kept.

import { statSync } from 'node:fs';
import type { RdbContent } from '../rdb/file.ts';
import { writeRdb } from '../rdb/file-writer.ts';
import { writeCommands } from './base-commands.ts';
import { LogFolder, type LogPlace } from './folder.ts';
import { emptyManifest, type LogFile, type Manifest } from './manifest.ts';

/** A base that is to be written while the node goes on. */
export interface BaseOrder {
  readonly path: string;
  readonly content: RdbContent;
  /** An RDB file, else commands. */
  readonly rdb: boolean;
  /** Ms since the epoch that a base of commands begins with; undefined: it does not. */
  readonly at: number | undefined;
}

/**
 * Writes a base, releases its content, and resolves once it is on the disk. Rejects with what failed, and with a
 * reason of its own when it was given up.
 */
export type WriteBase = (order: BaseOrder) => Promise<void>;

/** `rdb`: the base is an RDB file, else it consists of commands. */
export function nextBase(name: string, { base }: Manifest, rdb: boolean): LogFile {
  const seq = (base?.seq ?? 0) + 1;
  return { name: `${name}.${seq}.base.${rdb ? 'rdb' : 'aof'}`, seq };
}

/** The whole file. */
export function baseBytes(content: RdbContent, rdb: boolean): Iterable<Buffer> {
  return rdb ? writeRdb(content) : writeCommands(content);
}

/** What a rewrite replaces, before what earlier ones did. */
export function replacedBy(manifest: Manifest, increments: readonly LogFile[]): LogFile[] {
  return [...increments, ...(manifest.base === undefined ? [] : [manifest.base]), ...manifest.history];
}

/** BGREWRITEAOF while no log is kept: a base alone, in the place of all that was there. Rejects like a rewrite. */
export async function writeBaseAlone(
  place: LogPlace,
  capture: () => RdbContent,
  write: WriteBase,
  { rdb, keepReplaced }: { readonly rdb: boolean; readonly keepReplaced: boolean },
): Promise<void> {
  const folder = new LogFolder(place);
  folder.make();
  const manifest = folder.read() ?? emptyManifest;
  const base = nextBase(folder.name, manifest, rdb);
  await write({ path: folder.at(base.name), content: capture(), rdb, at: undefined });
  const next = { base, increments: [], history: replacedBy(manifest, manifest.increments) };
  folder.write(next);
  if (!keepReplaced) folder.sweep(next);
}

/** Bytes of a file of the log. */
export function sizeOf(folder: LogFolder, file: LogFile | undefined): number {
  return file === undefined ? 0 : statSync(folder.at(file.name)).size;
}
