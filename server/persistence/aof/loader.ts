// Reads an append-only log back: its base (an RDB file, commands, or both one after the other), then its increments.
// Knows files and words; keys go to an RDB sink, commands to the caller.
// Invariant: nothing of a transaction without its end is handed on; only the tail of the last file may be given up.

import { truncateSync } from 'node:fs';
import { readChunks } from '../disk/atomic-file.ts';
import { systemText } from '../disk/system-text.ts';
import { type RdbSink, startsRdb } from '../rdb/file.ts';
import { RdbError, RdbReader, type RdbReaderOptions } from '../rdb/file-reader.ts';
import { CommandReader } from './commands.ts';
import { LogFolder, type LogPlace } from './folder.ts';

export interface LogSink {
  readonly rdb: RdbSink;
  /** A write of database `db`. SELECT, MULTI and EXEC are left out. */
  onCommand(db: number, argv: readonly string[]): void;
  /** A file was loaded whole. */
  onFile?(name: string, kind: 'base' | 'incr'): void;
}

/** What `onCommand` throws for a command that the server does not have. */
export class UnknownCommandError extends Error {}

export interface LogLoadOptions extends RdbReaderOptions {
  /** Cut off a last command or transaction that a crash left unfinished (`aof-load-truncated`). Default true. */
  readonly cutTail?: boolean;
  /** Called after each piece of a file with how many keys and commands came of it; a promise is waited for. */
  readonly pause?: (count: number) => Promise<void> | undefined;
}

export interface LogSummary {
  files: number;
  commands: number;
  /** Bytes cut off the last file. */
  cut: number;
}

/** The file ends too early, and may not. */
class CutShort extends Error {}

/** Undefined when there is no log. Rejects with an Error that names the file and the byte when it is damaged. */
export async function loadLog(
  place: LogPlace,
  sink: LogSink,
  options: LogLoadOptions = {},
): Promise<LogSummary | undefined> {
  const folder = new LogFolder(place);
  const manifest = folder.read();
  if (manifest === undefined) return undefined;
  const files = [...(manifest.base === undefined ? [] : [manifest.base]), ...manifest.increments];
  const summary: LogSummary = { files: files.length, commands: 0, cut: 0 };
  for (const [at, { name }] of files.entries()) {
    const last = at === files.length - 1;
    try {
      summary.cut += await loadFile(folder.at(name), sink, options, last && (options.cutTail ?? true), summary);
    } catch (error) {
      throw new Error(refusalOf(name, error, last), { cause: error });
    }
    sink.onFile?.(name, manifest.base?.name === name ? 'base' : 'incr');
  }
  return summary;
}

/** Why a file is not loaded, in words that operators of redis-server know, and what exactly is the matter. */
function refusalOf(name: string, error: unknown, last: boolean): string {
  const why = error instanceof Error ? error.message : String(error);
  if ((error as NodeJS.ErrnoException).code !== undefined)
    return `The AOF file ${name} can't be read: ${systemText(error as Error)}`;
  if (error instanceof UnknownCommandError) return `${why} reading the append only file ${name}`;
  if (error instanceof RdbError) return `Error reading the RDB preamble of the append only file ${name}: ${why}`;
  const check = 'make a backup of your AOF file, then use redis-check-aof --fix on the manifest';
  if (!(error instanceof CutShort)) return `Bad file format reading the append only file ${name}: ${why}; ${check}`;
  const ends = `Unexpected end of file reading the append only file ${name}: ${why}; ${check}`;
  return last ? `${ends}, or set aof-load-truncated to yes` : `${ends}. The truncated file is not the last file`;
}

async function loadFile(
  path: string,
  sink: LogSink,
  options: LogLoadOptions,
  mayCut: boolean,
  summary: LogSummary,
): Promise<number> {
  let preamble: RdbReader | undefined;
  let commands: CommandReader | undefined;
  let total = 0;
  const count = (): number => (preamble?.keys ?? 0) + summary.commands;
  for await (const chunk of readChunks(path)) {
    if (total === 0 && startsRdb(chunk)) preamble = new RdbReader(sink.rdb, options);
    total += chunk.length;
    const before = count();
    const used = preamble?.feed(chunk) ?? 0;
    if (preamble?.done !== false) {
      commands ??= new CommandReader(teller(sink, options.databases ?? 16, summary), preamble?.offset);
      if (used < chunk.length) commands.feed(chunk.subarray(used));
    }
    await options.pause?.(count() - before);
  }
  if (preamble?.done === false) preamble.end();
  if (commands === undefined) return 0;
  commands.end();
  if (commands.whole) return 0;
  if (!mayCut) throw new CutShort(`it ends within a command or transaction that starts at byte ${commands.sound}`);
  truncateSync(path, commands.sound);
  return total - commands.sound;
}

/** Follows the SELECTs of one file. */
function teller(sink: LogSink, databases: number, summary: LogSummary): (argv: readonly string[]) => void {
  let db = 0;
  return (argv) => {
    if (argv[0]!.toLowerCase() !== 'select') {
      summary.commands++;
      sink.onCommand(db, argv);
      return;
    }
    db = /^\d{1,9}$/.test(argv[1] ?? '') ? Number(argv[1]) : databases;
    if (db >= databases) throw new Error(`SELECT ${argv[1]} on a server with ${databases} databases`);
  };
}
