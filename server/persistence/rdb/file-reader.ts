// Reads an RDB file as its bytes arrive, in pieces of any size, and reports what it finds to a sink.
// Memory: one value and one chunk. Knows no stores and no sockets. Damage is an RdbError that says where; nothing that
// a file claims makes it allocate, loop or wait beyond what was fed.
// Invariant: once `done`, every byte of the file was taken and, unless its checksum is zero, verified.

import { ByteReader } from './bytes.ts';
import { type RdbSink, rdbFooterLength, rdbHeaderLength, rdbOpcodes, versionOfHeader } from './file.ts';
import {
  Cursor,
  type Measuring,
  measureLength,
  measureNewerValue,
  measureRaw,
  measureString,
  measureValue,
} from './file-extent.ts';
import { ByteWindow } from './file-window.ts';
import type { PortableValue } from './portable.ts';
import { readLength, readString } from './string.ts';
import { EmptyValueError, readValue } from './value.ts';
import { isReadableVersion, readableVersions, unkeptType } from './versions.ts';

/** A file that is damaged, cut short, or of a kind that is not read. */
export class RdbError extends Error {
  /** Bytes of the file before the trouble. */
  readonly offset: number;

  constructor(why: string, offset: number) {
    super(`RDB: ${why} (at byte ${offset})`);
    this.name = 'RdbError';
    this.offset = offset;
  }
}

export interface RdbReaderOptions {
  /** Bytes that one key with its value may take in the file. Default 512 MiB. */
  readonly maxValueBytes?: number;
  /** Databases that the server has: a higher number in the file is an error. Default 16. */
  readonly databases?: number;
  /** Take a file whose checksum does not fit. Default false. */
  readonly skipChecksum?: boolean;
}

const none = -1;
/** Of a key in a message. */
const longestName = 200;

export class RdbReader {
  readonly #sink: RdbSink;
  readonly #limit: number;
  readonly #databases: number;
  readonly #skipChecksum: boolean;
  readonly #window = new ByteWindow();
  readonly #steps: Measuring;
  #expireAt = none;
  #version = 0;
  /** Files of before version 5 end without a checksum. */
  #checked = true;
  #fed = 0;
  #failure: RdbError | undefined;
  /** The whole file was read. */
  done = false;
  /** Read so far, whatever the sink did with them. */
  keys = 0;

  constructor(sink: RdbSink, options: RdbReaderOptions = {}) {
    this.#sink = sink;
    this.#limit = options.maxValueBytes ?? 512 * 1024 * 1024;
    this.#databases = options.databases ?? 16;
    this.#skipChecksum = options.skipChecksum ?? false;
    this.#steps = this.#read();
  }

  /** Bytes of the file used so far. */
  get offset(): number {
    return this.#window.taken;
  }

  /**
   * Takes the next bytes and gives how many of them belong to the file: less than all only when it ended among them.
   * Throws an RdbError, again and again once it did; errors of the sink pass through.
   */
  feed(chunk: Uint8Array): number {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.done) return 0;
    this.#window.append(chunk);
    const before = this.#fed;
    this.#fed += chunk.length;
    try {
      this.done = this.#steps.next().done === true;
    } catch (error) {
      this.#failure = error instanceof RdbError ? error : new RdbError(String(error), this.offset);
      throw error instanceof SinkError ? error.cause : this.#failure;
    }
    return this.done ? this.#window.taken - before : chunk.length;
  }

  /** Says that no more bytes come. Throws an RdbError when the file was not whole. */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.done) throw new RdbError('Short read or OOM loading DB: the file is cut short', this.#fed);
  }

  *#read(): Measuring {
    yield* this.#header();
    for (;;) {
      const cursor = new Cursor(this.#window, this.#limit);
      if (cursor.lacks(1)) yield* cursor.await(1);
      const opcode = cursor.byte();
      if (opcode === rdbOpcodes.end) break;
      try {
        if (opcode >= rdbOpcodes.slotInfo) yield* this.#special(cursor, opcode);
        else yield* this.#key(cursor, opcode);
      } catch (error) {
        if (error instanceof SinkError) throw error;
        throw new RdbError(error instanceof Error ? error.message : String(error), this.offset);
      }
    }
    yield* this.#footer();
  }

  *#header(): Measuring {
    yield* this.#whole(rdbHeaderLength);
    const text = this.#window.take(rdbHeaderLength).toString('latin1');
    const version = versionOfHeader(text);
    if (version === undefined) throw new RdbError('this is no RDB file', 0);
    this.#version = version;
    if (!isReadableVersion(this.#version)) {
      throw new RdbError(`Can't handle RDB format version ${this.#version}, only ${readableVersions}`, 0);
    }
    this.#checked = this.#version >= 5;
  }

  *#footer(): Measuring {
    this.#window.take(1);
    if (!this.#checked) return;
    const sum = Buffer.from(this.#window.checksum());
    yield* this.#whole(rdbFooterLength);
    const expected = this.#window.take(rdbFooterLength);
    if (!this.#skipChecksum && expected.some((byte) => byte !== 0) && !expected.equals(sum)) {
      throw new RdbError('CRC error: its checksum does not fit its bytes', this.offset - rdbFooterLength);
    }
  }

  *#whole(length: number): Measuring {
    const cursor = new Cursor(this.#window, this.#limit);
    yield* measureRaw(cursor, length);
  }

  *#special(cursor: Cursor, opcode: number): Measuring {
    switch (opcode) {
      case rdbOpcodes.aux:
        yield* measureString(cursor);
        yield* measureString(cursor);
        return this.#onAux(this.#take(cursor));
      case rdbOpcodes.function:
        yield* measureString(cursor);
        return this.#onFunction(this.#take(cursor));
      case rdbOpcodes.database:
        yield* measureLength(cursor);
        return this.#onDatabase(this.#take(cursor));
      case rdbOpcodes.resize:
      case rdbOpcodes.slotInfo:
        for (let left = opcode === rdbOpcodes.resize ? 2 : 3; left > 0; left--) yield* measureLength(cursor);
        break;
      case rdbOpcodes.idle:
        yield* measureLength(cursor);
        break;
      case rdbOpcodes.frequency:
        yield* measureRaw(cursor, 1);
        break;
      case rdbOpcodes.expireMs:
        yield* measureRaw(cursor, 8);
        this.#expireAt = deadline(Number(this.#take(cursor).i64()));
        return;
      case rdbOpcodes.expireSeconds:
        yield* measureRaw(cursor, 4);
        this.#expireAt = deadline(this.#take(cursor).int(4) * 1000);
        return;
      default:
        throw new Error(opcode === rdbOpcodes.moduleAux ? 'data of a module' : 'functions of a 7.0 release candidate');
    }
    this.#take(cursor);
  }

  *#key(cursor: Cursor, type: number): Measuring {
    yield* measureString(cursor);
    const unkept = unkeptType(type, this.#version);
    const body = cursor.at;
    const passed = unkept !== undefined && this.#sink.onRawKey !== undefined;
    if (passed ? !(yield* measureNewerValue(cursor, type, this.#version)) : unkept !== undefined) {
      cursor.at = body;
      const name = readString(this.#take(cursor)).slice(0, longestName);
      throw new Error(`the key '${name}' is ${unkept} (type ${type}), which this server does not keep`);
    }
    if (!passed) yield* measureValue(cursor, type);
    const reader = this.#take(cursor);
    this.keys++;
    const key = readString(reader);
    if (this.#sink.onRawKey !== undefined) return this.#onRawKey(key, type, reader.bytes.subarray(body));
    // A value is decoded with its type byte before it, where the file has the key in between.
    const whole = Buffer.allocUnsafe(cursor.at - body + 1);
    whole[0] = type;
    reader.bytes.copy(whole, 1, body);
    const bytes = new ByteReader(whole);
    const expireAt = this.#expireAt;
    this.#expireAt = none;
    const value = readUnlessEmpty(bytes);
    if (bytes.left > 0) throw new Error('bytes after a value');
    if (value === undefined) return this.#report(() => this.#sink.onEmptyKey?.(key));
    this.#report(() => this.#sink.onKey({ key, value, expireAt }));
  }

  #onRawKey(key: string, type: number, body: Buffer): void {
    const [expireAt, version] = [this.#expireAt, this.#version];
    this.#expireAt = none;
    this.#report(() => this.#sink.onRawKey?.({ key, type, body, expireAt, version }));
  }

  /** Everything that was measured, without its opcode; views into it last until the next feed. */
  #take(cursor: Cursor): ByteReader {
    const reader = new ByteReader(this.#window.take(cursor.at));
    reader.at = 1;
    return reader;
  }

  #onAux(reader: ByteReader): void {
    const name = readString(reader);
    const value = readString(reader);
    this.#report(() => this.#sink.onAux?.(name, value));
  }

  #onFunction(reader: ByteReader): void {
    const source = readString(reader);
    this.#report(() => this.#sink.onFunction?.(source));
  }

  #onDatabase(reader: ByteReader): void {
    const index = readLength(reader);
    if (index >= this.#databases) throw new Error(`database ${index} of a server with ${this.#databases}`);
    this.#report(() => this.#sink.onDatabase?.(index));
  }

  #report(run: () => void): void {
    try {
      run();
    } catch (error) {
      throw new SinkError(error);
    }
  }
}

/** Undefined: a value without elements, written by a server with a bug. */
function readUnlessEmpty(bytes: ByteReader): PortableValue | undefined {
  try {
    return readValue(bytes);
  } catch (error) {
    if (error instanceof EmptyValueError) return undefined;
    throw error;
  }
}

/** Carries an error of the sink past the handlers of damaged bytes. */
class SinkError extends Error {
  constructor(cause: unknown) {
    super('the sink failed', { cause });
  }
}

/** A deadline before the epoch is one that has passed; -1 must keep its meaning of none. */
function deadline(at: number): number {
  return Math.max(0, at);
}
