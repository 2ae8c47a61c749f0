// A master's copy as it arrives: first a line that says how its end is known, then an RDB file, then, when no length
// was given, a mark. Knows bytes; what becomes of the keys is up to the sink.
// Invariant: no byte behind the copy is taken.

import type { RdbSink } from '../persistence/rdb/file.ts';
import { RdbReader } from '../persistence/rdb/file-reader.ts';

const markLength = 40;

export class CopyReader {
  /** Bytes of the copy, -1 when that is not known. */
  readonly length: number;
  /** Bytes taken so far. */
  taken = 0;
  done = false;
  readonly #mark: string;
  readonly #reader: RdbReader;
  #tail = '';

  /** `header`: the line without its end. Throws an Error when it announces no copy. */
  constructor(header: string, sink: RdbSink, databases: number) {
    const mark = /^\$EOF:(.{40})$/s.exec(header)?.[1];
    const length = /^\$(\d{1,15})$/.exec(header)?.[1];
    if (mark === undefined && length === undefined)
      throw new Error(`'${header.slice(0, 60)}' where a copy should begin`);
    this.#mark = mark ?? '';
    this.length = length === undefined ? -1 : Number(length);
    this.#reader = new RdbReader(sink, { databases });
  }

  /** Takes what belongs to the copy; the rest. Throws an Error when the copy is not sound. */
  feed(chunk: Buffer): Buffer {
    if (this.length < 0) return this.#feedMarked(chunk);
    const mine = chunk.subarray(0, this.length - this.taken);
    const used = this.#reader.feed(mine);
    this.taken += mine.length;
    if (used < mine.length) throw new Error('the copy ends before its length');
    if (this.taken === this.length) {
      this.#reader.end();
      this.done = true;
    }
    return chunk.subarray(mine.length);
  }

  #feedMarked(chunk: Buffer): Buffer {
    const used = this.#reader.feed(chunk);
    const rest = chunk.subarray(used);
    this.taken += used;
    if (!this.#reader.done) return rest;
    const mine = rest.subarray(0, markLength - this.#tail.length);
    this.#tail += mine.toString('latin1');
    if (this.#tail.length === markLength) {
      if (this.#tail !== this.#mark) throw new Error('the copy does not end with its mark');
      this.done = true;
    }
    return rest.subarray(mine.length);
  }
}
