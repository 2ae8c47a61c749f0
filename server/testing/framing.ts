// Where the framing bytes of a RESP stream lie: what a fault may spoil so that every decoder must notice.
// RESP carries no checksum: a flipped byte inside a payload, a number or a length that stays a number is another valid
// reply, and no client can notice. So only these bytes are ever spoiled, each in a way that is never valid where it
// stands.

type SpotKind =
  /** First byte of a reply or element. */
  | 'type'
  /** A digit of a bulk or aggregate length. */
  | 'length'
  /** The LF of a line or of the end of a bulk. */
  | 'lf';

export interface Spot {
  readonly at: number;
  readonly kind: SpotKind;
}

const CR = 13;
const LF = 10;
const bulks = new Set([...'$=!'].map((char) => char.charCodeAt(0)));
const aggregates = new Set([...'*%~>|'].map((char) => char.charCodeAt(0)));

/** Follows one stream, in chunks of any size. */
export class Framing {
  #type = 0;
  #line = '';
  #inLine = false;
  /** Bytes of a bulk's payload, CR included, still to come; then its LF. */
  #skip = 0;

  /** True between two replies' bytes: nothing of a line or bulk is open. (An aggregate may be.) */
  get between(): boolean {
    return !this.#inLine && this.#skip === 0;
  }

  /** Takes the next chunk and gives its framing bytes, in order. */
  feed(chunk: Buffer): Spot[] {
    const spots: Spot[] = [];
    for (let at = 0; at < chunk.length; at++) {
      if (this.#skip > 1) {
        const taken = Math.min(this.#skip - 1, chunk.length - at);
        this.#skip -= taken;
        at += taken - 1;
      } else if (this.#skip === 1) {
        this.#skip = 0;
        spots.push({ at, kind: 'lf' });
      } else if (this.#inLine) this.#takeLine(chunk[at]!, at, spots);
      else {
        spots.push({ at, kind: 'type' });
        this.#type = chunk[at]!;
        this.#inLine = true;
        this.#line = '';
      }
    }
    return spots;
  }

  #takeLine(byte: number, at: number, spots: Spot[]): void {
    if (byte === LF) {
      spots.push({ at, kind: 'lf' });
      this.#inLine = false;
      if (bulks.has(this.#type) && !this.#line.startsWith('-')) this.#skip = Number(this.#line) + 2;
      return;
    }
    if (byte === CR || (!bulks.has(this.#type) && !aggregates.has(this.#type))) return;
    this.#line += String.fromCharCode(byte);
    if (byte >= 48 && byte <= 57) spots.push({ at, kind: 'length' });
  }
}

/** The chunk with one framing byte replaced, or a byte put in before a reply. `pick` gives 0 <= n < 1. */
export function spoil(chunk: Buffer, spot: Spot, pick: () => number): Buffer {
  const letter = 'abcdefghijklmnopqrstuvwxyz'.charCodeAt(Math.floor(pick() * 26));
  const after = spot.kind === 'type' && pick() < 0.5 ? spot.at : spot.at + 1;
  return Buffer.concat([chunk.subarray(0, spot.at), Buffer.from([letter]), chunk.subarray(after)]);
}
