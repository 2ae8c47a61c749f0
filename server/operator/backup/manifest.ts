// What a backup says about itself: manifest.json, written last, read first. Pure.
// Invariant: a manifest that is read names files in its own folder alone, and slots of which each has one owner.

import { slotCount } from '../../../lib/wire/slot.ts';

export interface BackupFile {
  /** Name within the folder. */
  readonly file: string;
  readonly nodeId: string;
  readonly address: string;
  readonly server: string;
  readonly slots: readonly (readonly [start: number, end: number])[];
  readonly bytes: number;
  /** Of the whole file, hexadecimal. */
  readonly sha256: string;
  readonly rdbVersion: number;
  readonly replicationId: string;
  readonly offset: number;
  /** When the copy began to come; ISO 8601. */
  readonly takenAt: string;
  /** Keys by database, expired ones that were still there included. */
  readonly databases: Readonly<Record<string, number>>;
  readonly functions: number;
}

export interface Manifest {
  readonly format: 1;
  readonly createdAt: string;
  readonly keys: number;
  readonly currentEpoch: number;
  readonly nodes: readonly {
    readonly id: string;
    readonly address: string;
    readonly role: string;
    readonly masterId: string | null;
    readonly configEpoch: number;
    readonly server: string;
  }[];
  readonly files: readonly BackupFile[];
}

export const manifestName = 'manifest.json';

/** Throws an Error that says what is wrong with it. */
export function readManifest(text: string): Manifest {
  const fail = (why: string): never => {
    throw new Error(`${manifestName}: ${why}`);
  };
  let data: Partial<Manifest>;
  try {
    data = JSON.parse(text) as Partial<Manifest>;
  } catch (error) {
    return fail((error as Error).message);
  }
  if (data?.format !== 1) return fail(`format ${String(data?.format)} is not 1`);
  if (!Array.isArray(data.files) || data.files.length === 0) return fail('it names no files');
  const owned = new Set<number>();
  for (const one of data.files as Partial<BackupFile>[]) {
    if (typeof one.file !== 'string' || !/^[\w.-]{1,200}\.rdb$/.test(one.file))
      fail(`'${String(one.file)}' is no file of it`);
    if (typeof one.sha256 !== 'string' || !/^[\da-f]{64}$/.test(one.sha256)) fail(`${one.file}: no checksum`);
    if (typeof one.bytes !== 'number' || !(one.bytes > 0)) fail(`${one.file}: no size`);
    if (!Array.isArray(one.slots)) fail(`${one.file}: no slots`);
    for (const [start, end] of one.slots as [number, number][]) {
      if (!(start >= 0 && start <= end && end < slotCount)) fail(`${one.file}: ${start}-${end} are no slots`);
      for (let slot = start; slot <= end; slot++) {
        if (owned.has(slot)) fail(`slot ${slot} is in two files`);
        owned.add(slot);
      }
    }
  }
  return data as Manifest;
}
