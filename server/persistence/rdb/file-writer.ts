// Writes an RDB file (version 10, as redis-server 7.0) as a run of chunks. Memory: one chunk and one value.
// Knows portable values only; where the chunks go is the caller's affair.

import { ByteWriter } from './bytes.ts';
import { type RdbContent, type RdbDatabase, type RdbKey, rdbMagic, rdbOpcodes } from './file.ts';
import { RunningChecksum } from './file-checksum.ts';
import { writeLength, writeString } from './string.ts';
import { writeValue } from './value.ts';
import { rdbVersion } from './versions.ts';

export interface RdbWriterOptions {
  /** Size from which on a chunk is handed out. Default 64 KiB. */
  readonly chunkBytes?: number;
  /** False writes zeros, which readers take as "not checked". Default true. */
  readonly checksum?: boolean;
}

/** The bytes of the file. `content` is walked while the chunks are taken, so its keys must not change meanwhile. */
export function* writeRdb(content: RdbContent, options: RdbWriterOptions = {}): Generator<Buffer, void, undefined> {
  const { chunkBytes = 65_536, checksum = true } = options;
  const sum = new RunningChecksum();
  let writer = new ByteWriter();
  const cut = (): Buffer => {
    const bytes = writer.bytes();
    if (checksum) sum.update(bytes);
    writer = new ByteWriter();
    return bytes;
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
  yield Buffer.from(sum.value);
}

function writeDatabase(writer: ByteWriter, { index, size, expires }: RdbDatabase): void {
  writeLength(writer.u8(rdbOpcodes.database), index);
  writeLength(writer.u8(rdbOpcodes.resize), size);
  writeLength(writer, expires);
}

function writeKey(writer: ByteWriter, { key, value, expireAt }: RdbKey): void {
  if (expireAt >= 0) writer.u8(rdbOpcodes.expireMs).le(Math.floor(expireAt), 8);
  const body = new ByteWriter();
  writeValue(body, value);
  const bytes = body.bytes();
  writeString(writer.u8(bytes[0]!), key);
  writer.raw(bytes.subarray(1));
}
