// Writes an RDB file (version 10, as redis-server 7.0) as a run of chunks. Memory: one chunk and one value.
// Knows portable values only; where the chunks go is the caller's affair.

import { ByteWriter, type Packing } from './bytes.ts';
import { type RdbContent, type RdbDatabase, type RdbKey, rdbMagic, rdbOpcodes } from './file.ts';
import { RunningChecksum } from './file-checksum.ts';
import { writeLength, writeString } from './string.ts';
import { typeByte, writeBody } from './value.ts';
import { rdbVersion } from './versions.ts';

export interface RdbWriterOptions {
  /** Size from which on a chunk is handed out. Default 64 KiB. */
  readonly chunkBytes?: number;
  /** False writes zeros, which readers take as "not checked". Default true. */
  readonly checksum?: boolean;
  /** Strings that get shorter by it are packed. Default true. */
  readonly compress?: boolean;
}

/** A part of a file whose strings somebody else is to pack, or nobody. */
export interface RdbPiece {
  readonly bytes: Buffer;
  /** As ByteWriter.strings, counted from the start of the piece; for packStrings. */
  readonly strings: readonly number[];
}

const defaultChunk = 65_536;
/** One that is written while the node serves: what comes meanwhile waits for the rest of it, some 2,000 small keys at most. */
const defaultPiece = 32_768;
/** A chunk is handed out when it is this much over its size at most, for usual values. */
const overhang = 4096;

/** The bytes of the file. `content` is walked while the chunks are taken, so its keys must not change meanwhile. */
export function* writeRdb(content: RdbContent, options: RdbWriterOptions = {}): Generator<Buffer, void, undefined> {
  const { checksum = true, compress = true } = options;
  const sum = new RunningChecksum(checksum);
  const { chunkBytes = defaultChunk } = options;
  for (const { bytes } of rdbPieces(content, compress ? 'now' : 'never', chunkBytes)) {
    sum.update(bytes);
    yield bytes;
  }
  yield Buffer.from(sum.value);
}

/** The file without its checksum, which whoever packs the strings has to add. `chunkBytes`: default 32 KiB. */
export function* rdbPieces(
  content: RdbContent,
  packing: Packing,
  chunkBytes: number = defaultPiece,
): Generator<RdbPiece, void, undefined> {
  const next = (): ByteWriter => new ByteWriter(packing, chunkBytes && chunkBytes + overhang);
  let writer = next();
  const cut = (): RdbPiece => {
    const piece = { bytes: writer.bytes(), strings: writer.strings };
    writer = next();
    return piece;
  };
  writer.text(rdbMagic + String(rdbVersion).padStart(4, '0'));
  for (const [name, value] of content.aux) {
    writeString(writer.u8(rdbOpcodes.aux), name);
    writeString(writer, value);
  }
  for (const source of content.functions) {
    writeString(writer.u8(rdbOpcodes.function), source);
    if (writer.length >= chunkBytes) yield cut();
  }
  for (const database of content.databases) {
    let empty = true;
    for (const key of database.keys) {
      if (empty) writeDatabase(writer, database);
      empty = false;
      writeKey(writer, key);
      if (writer.length >= chunkBytes) yield cut();
    }
  }
  writer.u8(rdbOpcodes.end);
  yield cut();
}

function writeDatabase(writer: ByteWriter, { index, size, expires }: RdbDatabase): void {
  writeLength(writer.u8(rdbOpcodes.database), index);
  writeLength(writer.u8(rdbOpcodes.resize), size);
  writeLength(writer, expires);
}

function writeKey(writer: ByteWriter, { key, value, expireAt }: RdbKey): void {
  if (expireAt >= 0) writer.u8(rdbOpcodes.expireMs).le(Math.floor(expireAt), 8);
  writeString(writer.u8(typeByte(value)), key);
  writeBody(writer, value);
}
