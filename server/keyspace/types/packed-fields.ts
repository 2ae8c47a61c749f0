// A few short fields with their values in one text: the length of the field, the field, the length of the value, the value,
// and so on, in the order in which they came. Held as a Map, each of them would have a header larger than itself.
// Invariant: lengths fit one char of one byte, so the text takes one byte a char.

import { type Bytes, codeAt } from '../../../lib/wire/bytes.ts';

/** Longer fields and values do not fit. */
const longest = 255;
/** A text is copied at each change and walked at each look-up: it stays this short. */
const mostText = 1024;

export class PackedFields {
  #text = '';
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get length(): number {
    return this.#text.length;
  }

  /** Whether the pair, new or in the place of another, leaves it within its limits. */
  takes(field: string, value: string): boolean {
    return (
      field.length <= longest &&
      value.length <= longest &&
      this.#text.length + field.length + value.length + 2 <= mostText
    );
  }

  get(field: string): string | undefined {
    const at = this.#find(field);
    return at < 0 ? undefined : this.#word(at + 1 + field.length);
  }

  has(field: string): boolean {
    return this.#find(field) >= 0;
  }

  /** takes() said yes. */
  set(field: string, value: string): void {
    const at = this.#find(field);
    if (at < 0) {
      this.#put(this.#text + packed(field) + packed(value));
      this.#size++;
      return;
    }
    const valueAt = at + 1 + field.length;
    this.#put(this.#text.slice(0, valueAt) + packed(value) + this.#text.slice(this.#after(valueAt)));
  }

  delete(field: string): void {
    const at = this.#find(field);
    if (at < 0) return;
    const end = this.#after(at + 1 + field.length);
    this.#put(this.#text.slice(0, at) + this.#text.slice(end));
    this.#size--;
  }

  *entries(): Generator<[string, string]> {
    const text = this.#text;
    for (let at = 0; at < text.length; ) {
      const valueAt = at + 1 + codeAt(text, at);
      const end = valueAt + 1 + codeAt(text, valueAt);
      yield [text.slice(at + 1, valueAt), text.slice(valueAt + 1, end)];
      at = end;
    }
  }

  *keys(): Generator<string> {
    for (const [field] of this.entries()) yield field;
  }

  *values(): Generator<string> {
    for (const [, value] of this.entries()) yield value;
  }

  /** The same as a Map. Its words are copies: slices of the text would keep all of it. */
  spread(): Map<string, string> {
    const bytes = Buffer.from(this.#text, 'latin1') as Buffer as Bytes;
    const fields = new Map<string, string>();
    for (let at = 0; at < bytes.length; ) {
      const valueAt = at + 1 + bytes[at]!;
      const end = valueAt + 1 + bytes[valueAt]!;
      fields.set(bytes.latin1Slice(at + 1, valueAt), bytes.latin1Slice(valueAt + 1, end));
      at = end;
    }
    return fields;
  }

  clone(): PackedFields {
    const copy = new PackedFields();
    copy.#text = this.#text;
    copy.#size = this.#size;
    return copy;
  }

  /** Looking at a char makes one text of the parts that it was joined of. */
  #put(text: string): void {
    this.#text = text;
    if (text !== '') codeAt(text, 0);
  }

  /** Where the field's length stands, or -1. */
  #find(field: string): number {
    const text = this.#text;
    const { length } = field;
    for (let at = 0; at < text.length; ) {
      const fieldLength = codeAt(text, at);
      if (fieldLength === length && text.startsWith(field, at + 1)) return at;
      at = this.#after(at + 1 + fieldLength);
    }
    return -1;
  }

  /** The word whose length stands at `at`. */
  #word(at: number): string {
    return this.#text.slice(at + 1, this.#after(at));
  }

  #after(at: number): number {
    return at + 1 + codeAt(this.#text, at);
  }
}

function packed(word: string): string {
  return String.fromCharCode(word.length) + word;
}
