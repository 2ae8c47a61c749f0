// The stream as a replica reads it: bytes in any pieces become commands, a transaction is handed on whole, and what was
// applied is reported as bytes, just as they came.
// Invariant: bytes are reported once everything in them was applied, so an offset never lies within a transaction.

import { RequestDecoder } from '../../lib/wire/request-decoder.ts';
import type { Words } from './stream.ts';

export interface StreamConsumer {
  /** One command, or all of a transaction; marks that carry no data are left out. */
  apply(unit: readonly Words[]): void;
  /** These bytes of the stream were applied. */
  onApplied(bytes: Buffer): void;
  /** False: what comes is kept until goOn(). */
  mayApply(): boolean;
}

/** Bytes of one command, and of one transaction, at most. */
const unitLimit = 1024 * 1024 * 1024;

export class StreamReader {
  readonly #consumer: StreamConsumer;
  readonly #onGetAck: () => void;
  readonly #decoder = new RequestDecoder({ maxRequestBytes: unitLimit });
  /** Not yet reported as applied. */
  #raw: Buffer[] = [];
  #rawBytes = 0;
  /** How much of it was applied. */
  #applied = 0;
  #transaction: Words[] | undefined;

  /** `onGetAck`: the master asks how far this node is. */
  constructor(consumer: StreamConsumer, onGetAck: () => void) {
    this.#consumer = consumer;
    this.#onGetAck = onGetAck;
  }

  /** Takes the next bytes. Throws an Error when they are no stream, or hold more than may be kept. */
  feed(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#raw.push(chunk);
    this.#rawBytes += chunk.length;
    this.#decoder.feed(chunk);
    this.goOn();
    if (this.#rawBytes > unitLimit) throw new Error(`a transaction of more than ${unitLimit} bytes`);
  }

  /** Bytes that were read and not applied. */
  get pending(): number {
    return this.#rawBytes;
  }

  /** Applies what was kept, for as long as it may. */
  goOn(): void {
    while (this.#consumer.mayApply()) {
      const words = this.#decoder.read();
      if (words === undefined) break;
      this.#take(words);
    }
    this.#reportApplied();
  }

  #take(words: Words): void {
    const name = words[0]!.toLowerCase();
    if (name === 'multi') this.#transaction = [];
    else if (name === 'exec') {
      const unit = this.#transaction ?? [];
      this.#transaction = undefined;
      if (unit.length > 0) this.#consumer.apply(unit);
    } else if (name === 'replconf') {
      // The answer counts what came before the question.
      this.#reportApplied();
      if (words[1]?.toLowerCase() === 'getack') this.#onGetAck();
    } else if (name !== 'ping') {
      if (this.#transaction === undefined) this.#consumer.apply([words]);
      else this.#transaction.push(words);
    }
    // Between two requests the decoder holds exactly the bytes that it has not read.
    if (this.#transaction === undefined) this.#applied = this.#rawBytes - this.#decoder.buffered;
  }

  #reportApplied(): void {
    while (this.#applied > 0) {
      const chunk = this.#raw[0]!;
      const whole = chunk.length <= this.#applied;
      const bytes = whole ? chunk : chunk.subarray(0, this.#applied);
      if (whole) this.#raw.shift();
      else this.#raw[0] = chunk.subarray(this.#applied);
      this.#applied -= bytes.length;
      this.#rawBytes -= bytes.length;
      this.#consumer.onApplied(bytes);
    }
  }
}
