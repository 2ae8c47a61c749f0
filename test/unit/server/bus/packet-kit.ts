// Packets for tests: those that were captured between real nodes, and any there could be.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import type {
  GossipRecord,
  Packet,
  PacketBody,
  PacketHeader,
  PingExtension,
} from '../../../../server/bus/codec-packet.ts';

interface DecodedGossip {
  readonly name: string;
  readonly ping_sent: number;
  readonly pong_received: number;
  readonly ip: string;
  readonly port: number;
  readonly cport: number;
  readonly flags: string;
  readonly pport: number;
}

export interface Vector {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly hex: string;
  readonly decoded: {
    readonly type: string;
    readonly port: number;
    readonly currentEpoch: number;
    readonly configEpoch: number;
    readonly offset: number;
    readonly sender: string;
    readonly myslots: string;
    readonly slaveof: string;
    readonly myip: string;
    readonly pport: number;
    readonly cport: number;
    readonly flags: string;
    readonly state: number;
    readonly mflags: readonly number[];
    readonly gossip?: readonly DecodedGossip[];
    readonly ext?: readonly { readonly str: string }[];
    readonly fail?: string;
    readonly channel?: string;
    readonly message?: string;
    readonly update?: { readonly configEpoch: number; readonly name: string; readonly slots: string };
  };
}

export const vectors: readonly Vector[] = (
  JSON.parse(readFileSync('test/fixtures/bus-vectors.json', 'utf8')) as { readonly vectors: readonly Vector[] }
).vectors;

const words: Readonly<Record<string, number>> = { myself: 16, master: 1, slave: 2, migrate_to: 256 };

function flagsOf(text: string): number {
  return text.split(',').reduce((flags, word) => {
    const bit = words[word];
    if (bit === undefined) throw new Error(`unknown flag ${word}`);
    return flags | bit;
  }, 0);
}

function bitmapFrom(ranges: string): Uint8Array {
  const bitmap = new Uint8Array(2048);
  for (const range of ranges.split(',').filter((part) => part !== '')) {
    const [from, to] = range.split('-').map(Number);
    for (let slot = from!; slot <= (to ?? from!); slot++) bitmap[slot >> 3]! |= 1 << (slot & 7);
  }
  return bitmap;
}

/** What a vector says in words, as a packet; made from its words alone. */
export function packetOf({ decoded }: Vector): Packet {
  const { type, port, currentEpoch, configEpoch, offset, sender, cport, state } = decoded;
  const header: PacketHeader = {
    port,
    currentEpoch,
    configEpoch,
    offset,
    sender,
    bitmap: bitmapFrom(decoded.myslots),
    master: decoded.slaveof,
    host: decoded.myip,
    plainPort: decoded.pport,
    cport,
    flags: flagsOf(decoded.flags),
    state,
    marks: decoded.mflags[0]!,
  };
  return { header, body: bodyOf(type, decoded) };
}

function bodyOf(type: string, decoded: Vector['decoded']): PacketBody {
  const { channel = '', message = '', gossip = [], ext = [] } = decoded;
  switch (type) {
    case 'PING':
    case 'PONG':
    case 'MEET': {
      const extensions = ext.map(({ str }): PingExtension => ({ kind: 'hostname', text: str }));
      return { kind: type.toLowerCase() as 'ping' | 'pong' | 'meet', gossip: gossip.map(recordOf), extensions };
    }
    case 'FAIL':
      return { kind: 'fail', id: decoded.fail! };
    case 'PUBLISH':
    case 'PUBLISHSHARD':
      return { kind: type.toLowerCase() as 'publish' | 'publishshard', channel, message };
    case 'UPDATE': {
      const { configEpoch, name, slots } = decoded.update!;
      return { kind: 'update', configEpoch, id: name, bitmap: bitmapFrom(slots) };
    }
    case 'MFSTART':
      return { kind: 'mfstart' };
    case 'AUTH_REQ':
    case 'AUTH_ACK':
      return { kind: type === 'AUTH_REQ' ? 'auth-req' : 'auth-ack' };
  }
  throw new Error(`a vector of type ${type}`);
}

function recordOf({ name, ping_sent, pong_received, ip, port, cport, flags, pport }: DecodedGossip): GossipRecord {
  const times = { pingSent: ping_sent, pongReceived: pong_received };
  return { id: name, ...times, host: ip, port, cport, flags: flagsOf(flags), plainPort: pport };
}

// Ordinary objects: deepEqual distinguishes those without a prototype.
function plain<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(fields, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const anyId = fc.stringMatching(/^[0-9a-f]{40}$/);
const anyHost = fc.oneof(fc.constantFrom('', '10.1.2.3', '::1', 'fe80::1%eth0'), fc.stringMatching(/^[\w.:-]{1,45}$/));
const anyName = fc.stringMatching(/^[\x21-\x7e]{0,300}$/);
const anyShort = fc.integer({ min: 0, max: 0xffff });
const anyInt = fc.integer({ min: 0, max: 0xffffffff });
const anyCount = fc.maxSafeNat();
const anyText = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const anyBytes = fc.uint8Array({ maxLength: 400 }).map((bytes) => Uint8Array.from(bytes));
const anyBitmap = fc
  .array(fc.tuple(fc.nat(2047), fc.nat(255)), { maxLength: 30 })
  .map((places) => places.reduce((bitmap, [at, byte]) => bitmap.fill(byte, at, at + 1), new Uint8Array(2048)));

const anyRecord: fc.Arbitrary<GossipRecord> = plain({
  id: anyId,
  pingSent: anyInt,
  pongReceived: anyInt,
  host: anyHost,
  port: anyShort,
  cport: anyShort,
  flags: anyShort,
  plainPort: anyShort,
});

const anyExtension: fc.Arbitrary<PingExtension> = fc.oneof(
  anyName.map((text): PingExtension => ({ kind: 'hostname', text })),
  anyName.map((text): PingExtension => ({ kind: 'nodename', text })),
  plain({ kind: fc.constant('forgotten' as const), id: anyId, seconds: anyCount }),
  plain({ kind: fc.constant('shard' as const), id: anyId }),
  plain({
    kind: fc.constant('other' as const),
    type: fc.integer({ min: 4, max: 0xffff }),
    data: anyBytes.map((data) => data.subarray(0, data.length & ~7)),
  }),
);

const anyBody: fc.Arbitrary<PacketBody> = fc.oneof(
  plain({
    kind: fc.constantFrom('ping' as const, 'pong' as const, 'meet' as const),
    gossip: fc.array(anyRecord, { maxLength: 12 }),
    extensions: fc.array(anyExtension, { maxLength: 4 }),
  }),
  plain({ kind: fc.constant('fail' as const), id: anyId }),
  plain({
    kind: fc.constantFrom('publish' as const, 'publishshard' as const),
    channel: anyText,
    message: anyText,
  }),
  plain({ kind: fc.constantFrom('auth-req' as const, 'auth-ack' as const, 'mfstart' as const) }),
  plain({ kind: fc.constant('update' as const), configEpoch: anyCount, id: anyId, bitmap: anyBitmap }),
  plain({
    kind: fc.constant('module' as const),
    module: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    type: fc.nat(255),
    payload: anyBytes,
  }),
  plain({ kind: fc.constant('unknown' as const), type: fc.integer({ min: 11, max: 0xffff }), data: anyBytes }),
);

const anyHeader: fc.Arbitrary<PacketHeader> = plain({
  port: anyShort,
  currentEpoch: anyCount,
  configEpoch: anyCount,
  offset: anyCount,
  sender: anyId,
  bitmap: anyBitmap,
  master: fc.oneof(fc.constant(''), anyId),
  host: anyHost,
  plainPort: anyShort,
  cport: anyShort,
  flags: anyShort,
  state: fc.nat(1),
  marks: fc.nat(3),
});

export const anyPacket: fc.Arbitrary<Packet> = fc.tuple(anyHeader, anyBody).map(([header, body]) => {
  const extended = 'extensions' in body && body.extensions.length > 0;
  return { header: extended ? { ...header, marks: header.marks | 4 } : header, body };
});

/** A seeded source of whole numbers below `bound` (xorshift32). */
export function chanceFrom(seed: number): (bound: number) => number {
  let state = seed | 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

/** Bytes changed (mostly where they mean something), cut, or lengthened with the length made to fit. */
export function mutated(original: Buffer, chance: (bound: number) => number): Buffer {
  let bytes = Buffer.from(original);
  for (let left = chance(4); left > 0; left--) {
    const body = bytes.length - 2256;
    const places = [chance(bytes.length), 8 + chance(8), 2128 + chance(128), 2256 + (body > 0 ? chance(body) : -1)];
    bytes[places[chance(4)]!] = chance(4) === 0 ? 0 : chance(256);
  }
  if (chance(3) === 0) {
    const length = chance(2) === 0 ? chance(bytes.length) : bytes.length + 8 * chance(20);
    bytes = Buffer.concat([bytes], length);
  }
  if (chance(2) === 0 && bytes.length >= 8) bytes.writeUInt32BE(bytes.length, 4);
  return bytes;
}
