// A reply that is beyond a limit and is passed over: counts what is left of it, in any depth and with no memory.
// Every header of an aggregate adds its elements to one number, so nesting needs no stack.

import { ProtocolError } from './protocol-error.ts';

export class Skip {
  /** Values still to come. */
  values: number;
  /** Bytes of a bulk string, its CRLF included, still to come. */
  bytes: number;

  constructor(values: number, bytes: number) {
    this.values = values;
    this.bytes = bytes;
  }

  /** Takes the header line of the next value: its type byte and the text behind it. */
  header(type: number, text: string): void {
    switch (type) {
      case 36: // $
      case 33: // !
      case 61: // =
        this.values--;
        if (text !== '-1') this.bytes = lengthOf(text) + 2;
        return;
      case 42: // *
      case 126: // ~
      case 62: // >
        this.values--;
        if (text !== '-1') this.values += lengthOf(text);
        return;
      case 37: // %
        this.values += 2 * lengthOf(text) - 1;
        return;
      case 124: // |
        // The value that an attribute describes comes behind it.
        this.values += 2 * lengthOf(text);
        return;
      case 43: // +
      case 45: // -
      case 58: // :
      case 95: // _
      case 44: // ,
      case 35: // #
      case 40: // (
        this.values--;
        return;
      default:
        throw new ProtocolError(`Protocol error, got ${JSON.stringify(String.fromCharCode(type))} as reply type byte`);
    }
  }
}

function lengthOf(text: string): number {
  if (!/^\d{1,10}$/.test(text))
    throw new ProtocolError(`Protocol error: invalid length ${JSON.stringify(text.slice(0, 32))}`);
  return Number(text);
}
