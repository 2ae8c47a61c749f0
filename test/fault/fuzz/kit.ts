// What the proofs of bad input share: bytes spoiled where it hurts, and a watch on what memory is asked for.

import { crc64 } from '../../../server/persistence/rdb/crc64.ts';
import { rdbVersion } from '../../../server/persistence/rdb/versions.ts';

/** A whole number below `bound`. */
export type Chance = (bound: number) => number;

export interface InputReport {
  readonly kind: string;
  readonly runs: number;
  accepted: number;
  refused: number;
  /** Bytes of the largest buffer that was asked for. */
  largest: number;
  /** Ms that the slowest input took. */
  slowest: number;
  /** Why inputs were refused, digits left out, with how often. */
  readonly reasons: Map<string, number>;
  /** What else there is to say. */
  readonly notes: string[];
}

export function newReport(kind: string, runs: number): InputReport {
  return { kind, runs, accepted: 0, refused: 0, largest: 0, slowest: 0, reasons: new Map(), notes: [] };
}

/** Words of errors that nobody wrote: a bug shows itself, not the input. */
const accidents =
  /^(?:Type|Range|Reference|Syntax)Error|undefined|is not (?:a function|iterable|a constructor)|Cannot |Invalid (?:array|string|typed)|Maximum call|out of (?:range|memory)|\[object|NaN/;

/** Counts a refusal. Throws when its text is an accident. */
export function refuse(report: InputReport, why: string): void {
  if (accidents.test(why)) throw new Error(`refused by accident: ${why}`);
  report.refused++;
  const kind = why
    .replaceAll(/'.*'/gs, "'...'")
    .replaceAll(/[0-9a-f]{40}/g, '<id>')
    .replaceAll(/\d+/g, '#');
  report.reasons.set(kind, (report.reasons.get(kind) ?? 0) + 1);
}

/** Runs `run` and notes the largest buffer it asked for in `report`. */
export async function watched(report: InputReport, run: () => Promise<void>): Promise<InputReport> {
  const { alloc, allocUnsafe } = Buffer;
  const noted = <T extends (size: number, ...more: never[]) => Buffer>(make: T): T =>
    ((size: number, ...more: never[]) => {
      if (size > report.largest) report.largest = size;
      return make(size, ...more);
    }) as T;
  Buffer.alloc = noted(alloc);
  Buffer.allocUnsafe = noted(allocUnsafe);
  try {
    await run();
  } finally {
    Buffer.alloc = alloc;
    Buffer.allocUnsafe = allocUnsafe;
  }
  return report;
}

/** Times one input. */
export function timed<T>(report: InputReport, run: () => T): T {
  const start = performance.now();
  try {
    return run();
  } finally {
    report.slowest = Math.max(report.slowest, performance.now() - start);
  }
}

/** The newest value type that version 10 has. */
const newestOfOurs = 19;
const loudBytes = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xc3, 0xfa, 0xfd, 0xfe, 0xff];
const loudWords = [0, 1, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff];
const longLengths = ['80ffffffff', '807fffffff', '81ffffffffffffffff', '817fffffffffffffff', '810000000100000000'];

/** One of `samples` with up to four changes: bytes, lengths, pieces lost, doubled or taken from another sample. */
export function spoiled(samples: readonly Buffer[], chance: Chance): Buffer {
  let bytes: Buffer = Buffer.from(samples[chance(samples.length)]!);
  for (let left = 1 + chance(4); left > 0 && bytes.length > 0; left--) bytes = changed(bytes, samples, chance);
  return bytes;
}

function changed(bytes: Buffer, samples: readonly Buffer[], chance: Chance): Buffer {
  const at = chance(bytes.length);
  const end = Math.min(bytes.length, at + 1 + chance(chance(4) === 0 ? bytes.length : 8));
  switch (chance(12)) {
    case 0:
    case 1:
      bytes[at] = chance(256);
      return bytes;
    case 2:
    case 3:
      bytes[at] = loudBytes[chance(loudBytes.length)]!;
      return bytes;
    case 4:
      bytes[at]! ^= 1 << chance(8);
      return bytes;
    case 5:
      bytes[at] = bytes[at]! + (chance(2) === 0 ? 1 : -1);
      return bytes;
    case 6: {
      if (bytes.length < 4) return bytes;
      const word = loudWords[chance(loudWords.length)]!;
      const place = Math.min(at, bytes.length - 4);
      if (chance(2) === 0) bytes.writeUInt32LE(word, place);
      else bytes.writeUInt32BE(word, place);
      return bytes;
    }
    case 7:
      return joined(
        bytes.subarray(0, at),
        Buffer.from(longLengths[chance(longLengths.length)]!, 'hex'),
        bytes.subarray(at + 1),
      );
    case 8:
      return joined(bytes.subarray(0, at), bytes.subarray(end));
    case 9:
      return joined(bytes.subarray(0, end), bytes.subarray(at));
    case 10: {
      const other = samples[chance(samples.length)]!;
      return joined(bytes.subarray(0, at), other.subarray(chance(other.length + 1)));
    }
    default:
      return chance(4) === 0 ? bytes.subarray(0, at) : bytes;
  }
}

function joined(...parts: Buffer[]): Buffer {
  return Buffer.concat(parts);
}

/** A payload of DUMP around `body` (type byte and value), whose checksum is right. */
export function sealed(body: Buffer): Buffer {
  // Newer types are of newer servers.
  const version = body[0]! > newestOfOurs ? [11, 12, 80][body.length % 3]! : rdbVersion;
  const versioned = joined(body, Buffer.from([version, 0]));
  return joined(versioned, crc64(versioned));
}

/** An RDB file whose last 8 bytes are the checksum of the others. */
export function resealed(file: Buffer): Buffer {
  if (file.length < 17) return file;
  const body = file.subarray(0, -8);
  return joined(body, crc64(body));
}

/** The report in a few lines. */
export function reportText(report: InputReport): string {
  const { kind, runs, accepted, refused, largest, slowest, reasons, notes } = report;
  const most = [...reasons].sort(([, a], [, b]) => b - a).slice(0, 12);
  return [
    `${kind}: ${runs} inputs, ${accepted} accepted, ${refused} refused; ${largest} bytes the largest buffer, ` +
      `${slowest.toFixed(0)} ms the slowest, ${process.resourceUsage().maxRSS >> 10} MiB of memory at most`,
    ...notes.map((note) => `  ${note}`),
    ...most.map(([why, count]) => `  ${String(count).padStart(7)} ${why}`),
  ].join('\n');
}
