// Digests of keys and of whole databases, equal on every server with equal data: what DEBUG DIGEST prints.
// SHA-1 values are combined in two ways: added (xor), where order is no part of the value, and mixed (added, then
// hashed again), where it is. How a value is held has no part in it, nor when a deadline falls.

import { createHash } from 'node:crypto';
import type { Databases } from '../../keyspace/databases.ts';
import { type Entry, never } from '../../keyspace/store.ts';
import type { PortableValue } from './portable.ts';
import { toPortable } from './value-bridge.ts';

const typeNumbers: Readonly<Record<PortableValue['type'], number>> = {
  string: 0,
  list: 1,
  set: 2,
  zset: 3,
  hash: 4,
  stream: 6,
};

class Digest {
  #bytes: Buffer = Buffer.alloc(20);

  get bytes(): Buffer {
    return this.#bytes;
  }

  get hex(): string {
    return this.#bytes.toString('hex');
  }

  add(data: string | Buffer): this {
    const hash = sha1(data);
    for (const [at, byte] of hash.entries()) this.#bytes[at] = this.#bytes[at]! ^ byte;
    return this;
  }

  mix(data: string | Buffer): this {
    this.add(data);
    this.#bytes = sha1(this.#bytes);
    return this;
  }
}

/** 40 hex digits; zeros for no key at all. */
export function digestEntry(entry: Entry | undefined): string {
  const digest = new Digest();
  if (entry !== undefined) mixEntry(digest, entry);
  return digest.hex;
}

/** 40 hex digits over every live key of every database; zeros when there is none. */
export function digestAll({ stores }: Databases): string {
  const all = new Digest();
  for (const store of stores) {
    if (store.size === 0) continue;
    all.mix(bigEndian(store.index));
    for (const entry of store.entries()) {
      const digest = new Digest().mix(entry.key);
      mixEntry(digest, entry);
      all.add(digest.bytes);
    }
  }
  return all.hex;
}

function mixEntry(digest: Digest, { value, expireAt }: Entry): void {
  mixValue(digest, toPortable(value));
  if (expireAt !== never) digest.add('!!expire!!');
}

function mixValue(digest: Digest, value: PortableValue): void {
  digest.mix(bigEndian(typeNumbers[value.type]));
  switch (value.type) {
    case 'string':
      digest.mix(value.text);
      break;
    case 'list':
      for (const item of value.items) digest.mix(item);
      break;
    case 'set':
      for (const member of value.members) digest.add(member);
      break;
    case 'zset':
      for (const [member, score] of value.entries) digest.add(new Digest().mix(member).mix(printScore(score)).bytes);
      break;
    case 'hash':
      for (const [field, text] of value.fields) digest.add(new Digest().mix(field).mix(text).bytes);
      break;
    case 'stream':
      for (const { id, fields } of value.entries) {
        digest.mix(id.join('.'));
        for (const field of fields) digest.mix(field);
      }
  }
}

/** As C's `%.17g`. */
function printScore(score: number): string {
  if (!Number.isFinite(score)) return Number.isNaN(score) ? 'nan' : score < 0 ? '-inf' : 'inf';
  if (score === 0) return Object.is(score, -0) ? '-0' : '0';
  const [digits, power] = score.toExponential(16).split('e') as [string, string];
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 17) return trimZeros(score.toFixed(Math.min(100, 16 - exponent)));
  const sign = exponent < 0 ? '-' : '+';
  return `${trimZeros(digits)}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function trimZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function sha1(data: string | Buffer): Buffer {
  return createHash('sha1')
    .update(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
    .digest();
}
