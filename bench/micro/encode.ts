import { Encoder } from '../../lib/wire/encoder.ts';
import type { MicroCase } from './stopwatch.ts';

type Argument = string | Uint8Array;

function encodeCase(name: string, commands: readonly (readonly Argument[])[]): MicroCase {
  const encoder = new Encoder();
  const expected = Buffer.concat(commands.map(resp));
  return {
    name,
    operations: commands.length,
    bytes: expected.length,
    run() {
      for (const argv of commands) encoder.encode(argv);
      let size = 0;
      for (const segment of encoder.take()) size += segment.length;
      return size;
    },
    check() {
      for (const argv of commands) encoder.encode(argv);
      if (!Buffer.concat(encoder.take()).equals(expected)) throw new Error(`${name}: wrong bytes`);
    },
  };
}

/** RESP the slow and plain way. */
function resp(argv: readonly Argument[]): Buffer {
  const parts = argv.flatMap((word) => {
    const bytes = Buffer.from(word as string);
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')];
  });
  return Buffer.concat([Buffer.from(`*${argv.length}\r\n`), ...parts]);
}

const thousand = (make: (index: number) => Argument[]): Argument[][] =>
  Array.from({ length: 1000 }, (_, index) => make(index));

export const encodeCases = (): MicroCase[] => [
  encodeCase(
    'GET key, 1,000 a take',
    thousand((index) => ['get', `key:${index}`]),
  ),
  encodeCase('GET key, alone in its take', [['get', 'key:1']]),
  encodeCase(
    'SET key 16 B, 1,000 a take',
    thousand((index) => ['set', `key:${index}`, 'v'.repeat(16)]),
  ),
  encodeCase(
    'SET key 16 B not ASCII, 1,000 a take',
    thousand((index) => ['set', `key:${index}`, 'é'.repeat(8)]),
  ),
  encodeCase(
    'SET key 1 KiB text, 1,000 a take',
    thousand((index) => ['set', `key:${index}`, 'v'.repeat(1024)]),
  ),
  encodeCase(
    'SET key 1 KiB Buffer, 1,000 a take',
    thousand((index) => ['set', `key:${index}`, Buffer.alloc(1024, 118)]),
  ),
  encodeCase('SET key 64 KiB Buffer', [['set', 'key:1', Buffer.alloc(65536, 118)]]),
  encodeCase('MSET of 100 pairs', [
    [
      'mset',
      ...thousand((index) => [`key:${index}`, `value:${index}`])
        .slice(0, 100)
        .flat(),
    ],
  ]),
];
