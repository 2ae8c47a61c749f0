import { isDeepStrictEqual } from 'node:util';
import { Decoder, type Encoding, pending } from '../../lib/wire/decoder.ts';
import type { MicroCase } from './stopwatch.ts';

function decodeCase(
  name: string,
  replies: readonly string[],
  values: readonly unknown[],
  chunkSize: number,
  encoding: Encoding = 'utf8',
): MicroCase {
  const decoder = new Decoder();
  const bytes = Buffer.from(replies.join(''), 'latin1');
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunkSize) chunks.push(bytes.subarray(at, at + chunkSize));
  const readAll = (take: (value: unknown) => void): void => {
    for (const chunk of chunks) {
      decoder.feed(chunk);
      for (let value = decoder.read(encoding); value !== pending; value = decoder.read(encoding)) take(value);
    }
  };
  return {
    name,
    operations: replies.length,
    bytes: bytes.length,
    run() {
      let count = 0;
      readAll(() => {
        count++;
      });
      return count;
    },
    check() {
      const read: unknown[] = [];
      readAll((value) => read.push(value));
      if (!isDeepStrictEqual(read, values)) throw new Error(`${name}: wrong values`);
    },
  };
}

const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

/** As the kernel hands it over. */
const chunk = 65536;

export const decodeCases = (): MicroCase[] => {
  const short = many(1000, (index) => `value:${String(index).padStart(10, '0')}`);
  const medium = many(1000, (index) => `${index}`.padEnd(1024, 'v'));
  const large = many(10, (index) => `${index}`.padEnd(65536, 'v'));
  const fields = many(10, (index) => `field:${index}`);
  return [
    decodeCase('bulk of 16 B', short.map(bulk), short, chunk),
    decodeCase(
      'bulk of 16 B as Buffer',
      short.map(bulk),
      short.map((text) => Buffer.from(text)),
      chunk,
      'buffer',
    ),
    decodeCase('bulk of 16 B in chunks of 1,448 B', short.map(bulk), short, 1448),
    decodeCase('bulk of 1 KiB', medium.map(bulk), medium, chunk),
    decodeCase('bulk of 64 KiB', large.map(bulk), large, chunk),
    decodeCase(
      'bulk of 64 KiB as Buffer',
      large.map(bulk),
      large.map((text) => Buffer.from(text)),
      chunk,
      'buffer',
    ),
    decodeCase(
      '+OK',
      many(1000, () => '+OK\r\n'),
      many(1000, () => 'OK'),
      chunk,
    ),
    decodeCase(
      'integer',
      many(1000, (index) => `:${index}\r\n`),
      many(1000, (index) => index),
      chunk,
    ),
    decodeCase(
      'null',
      many(1000, () => '$-1\r\n'),
      many(1000, () => null),
      chunk,
    ),
    decodeCase(
      'array of 10',
      many(100, () => `*10\r\n${fields.map(bulk).join('')}`),
      many(100, () => fields),
      chunk,
    ),
  ];
};
