// Reply values to the text that travels, for RESP2 and RESP3; the server's half of the codec.
// Knows no sockets. The text is latin1, one char per byte: joining short strings and letting the socket write them
// in one call is the fastest way that was measured, and long bulks are kept apart so that they are not copied.

import { Attributed, BigNumber, Double, NullArray, Push, type Reply, ReplyError, Status, Verbatim } from './reply.ts';

/** Bulks longer than this become a piece of their own. */
const apartFrom = 32 * 1024;
/** A joined piece grows to about this size. */
const pieceSize = 1024 * 1024;

export class ReplyWriter {
  /** 2 or 3; replies written from now on. */
  protocol: 2 | 3 = 2;
  readonly #printDouble: (value: number) => string;
  #text = '';
  #pieces: string[] = [];
  #size = 0;

  /** `printDouble` gives the text of a double (`inf`, `-inf` and `nan` included); default: the shortest one. */
  constructor(printDouble: (value: number) => string = shortestDouble) {
    this.#printDouble = printDouble;
  }

  /** Bytes written and not yet taken. */
  get size(): number {
    return this.#size + this.#text.length;
  }

  /** Everything written since the last call, as latin1 texts to be sent one after the other. */
  take(): string[] {
    const pieces = this.#pieces;
    if (this.#text !== '') pieces.push(this.#text);
    this.#pieces = [];
    this.#text = '';
    this.#size = 0;
    return pieces;
  }

  write(reply: Reply): void {
    if (typeof reply === 'string') this.#bulk(reply);
    else if (typeof reply === 'number' || typeof reply === 'bigint') this.#text += `:${reply}\r\n`;
    else if (reply === null) this.#text += this.protocol === 3 ? '_\r\n' : '$-1\r\n';
    else if (reply instanceof Status) this.#text += `+${reply.text}\r\n`;
    else if (Array.isArray(reply)) this.#array('*', reply);
    else this.#rare(reply);
  }

  /** Bytes that are RESP already. */
  raw(text: string): void {
    this.#text += text;
    if (this.#text.length > pieceSize) this.#cut();
  }

  #bulk(text: string): void {
    const length = text.length;
    if (length < apartFrom) {
      this.#text += `$${length}\r\n${text}\r\n`;
      if (this.#text.length > pieceSize) this.#cut();
      return;
    }
    this.#text += `$${length}\r\n`;
    this.#apart(text);
  }

  #apart(text: string): void {
    this.#cut();
    this.#pieces.push(text);
    this.#size += text.length;
    this.#text = '\r\n';
  }

  #cut(): void {
    if (this.#text === '') return;
    this.#pieces.push(this.#text);
    this.#size += this.#text.length;
    this.#text = '';
  }

  #array(mark: string, items: readonly Reply[]): void {
    this.#text += `${mark}${items.length}\r\n`;
    for (const item of items) this.write(item);
  }

  #rare(reply: Reply): void {
    const three = this.protocol === 3;
    if (reply instanceof ReplyError) this.#text += `-${oneLine(reply.message)}\r\n`;
    else if (typeof reply === 'boolean')
      this.#text += three ? (reply ? '#t\r\n' : '#f\r\n') : reply ? ':1\r\n' : ':0\r\n';
    else if (reply instanceof Double) this.#double(reply.value);
    else if (reply instanceof NullArray) this.#text += three ? '_\r\n' : '*-1\r\n';
    else if (reply instanceof Push) this.#array(three ? '>' : '*', reply.items as readonly Reply[]);
    else if (reply instanceof Verbatim) this.#verbatim(reply);
    else if (reply instanceof BigNumber) this.#bigNumber(reply);
    else if (reply instanceof Attributed) this.#attributed(reply);
    else if (reply instanceof Map) this.#map(reply, '%');
    else if (reply instanceof Set) this.#array(three ? '~' : '*', [...reply]);
    else this.#array('*', reply as readonly Reply[]);
  }

  #double(value: number): void {
    const text = this.#printDouble(value);
    if (this.protocol === 3) this.#text += `,${text}\r\n`;
    else this.#bulk(text);
  }

  #verbatim(reply: Verbatim): void {
    if (this.protocol === 2) {
      this.#bulk(reply.text);
      return;
    }
    this.#text += `=${reply.text.length + 4}\r\n${reply.format}:`;
    this.#apart(reply.text);
  }

  #bigNumber({ digits }: BigNumber): void {
    if (this.protocol === 3) this.#text += `(${digits}\r\n`;
    else this.#bulk(digits);
  }

  #attributed({ attributes, reply }: Attributed): void {
    if (this.protocol === 3) this.#map(attributes, '|');
    this.write(reply);
  }

  #map(map: ReadonlyMap<Reply, Reply>, mark: string): void {
    this.#text += this.protocol === 3 ? `${mark}${map.size}\r\n` : `*${map.size * 2}\r\n`;
    for (const [key, value] of map) {
      this.write(key);
      this.write(value);
    }
  }
}

/** An error is one line: whatever a client put into it may not end it early. */
function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, ' ') : text;
}

function shortestDouble(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value);
  if (Number.isNaN(value)) return 'nan';
  return value > 0 ? 'inf' : '-inf';
}
