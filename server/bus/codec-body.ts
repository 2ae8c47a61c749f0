// What follows the header, by type, both ways. Lengths are checked against the packet's before anything is read.

import { extensionEnd, extensionLength, readExtension, writeExtension } from './codec-extension.ts';
import { copyOf, readCount, readHost, readId, writeCount, writeHost, writeId } from './codec-fields.ts';
import {
  bitmapLength,
  gossip,
  gossipLength,
  header,
  headerLength,
  idLength,
  marks,
  module,
  packetTypes,
  publish,
  update,
  updateLength,
} from './codec-layout.ts';
import { BadPacket, type GossipRecord, type PacketBody, type PingExtension } from './codec-packet.ts';

type Kind = Exclude<PacketBody['kind'], 'unknown'>;
type PingPong = Extract<PacketBody, { readonly gossip: unknown }>;

const kinds = new Map<number, Kind>(Object.entries(packetTypes).map(([kind, type]) => [type, kind as Kind]));

export function typeOf(body: PacketBody): number {
  return body.kind === 'unknown' ? body.type : packetTypes[body.kind];
}

/** Bytes behind the header. */
export function bodyLength(body: PacketBody): number {
  switch (body.kind) {
    case 'ping':
    case 'pong':
    case 'meet':
      return body.extensions.reduce((sum, value) => sum + extensionLength(value), body.gossip.length * gossipLength);
    case 'fail':
      return idLength;
    case 'publish':
    case 'publishshard':
      return publish.text + body.channel.length + body.message.length;
    case 'update':
      return updateLength;
    case 'module':
      return module.payload + body.payload.length;
    case 'unknown':
      return body.data.length;
    default:
      return 0;
  }
}

/** `bytes` is the whole packet, zero behind the header. */
export function writeBody(bytes: Buffer, body: PacketBody): void {
  switch (body.kind) {
    case 'ping':
    case 'pong':
    case 'meet':
      writePingPong(bytes, body);
      break;
    case 'fail':
      writeId(bytes, headerLength, body.id);
      break;
    case 'publish':
    case 'publishshard': {
      const text = headerLength + publish.text;
      bytes.writeUInt32BE(body.channel.length, headerLength + publish.channelLength);
      bytes.writeUInt32BE(body.message.length, headerLength + publish.messageLength);
      bytes.write(body.channel, text, 'latin1');
      bytes.write(body.message, text + body.channel.length, 'latin1');
      break;
    }
    case 'update':
      writeCount(bytes, headerLength + update.configEpoch, body.configEpoch);
      writeId(bytes, headerLength + update.id, body.id);
      writeBitmap(bytes, headerLength + update.bitmap, body.bitmap);
      break;
    case 'module':
      bytes.writeBigUInt64BE(body.module, headerLength + module.id);
      bytes.writeUInt32BE(body.payload.length, headerLength + module.length);
      bytes.writeUInt8(body.type, headerLength + module.type);
      bytes.set(body.payload, headerLength + module.payload);
      break;
    case 'unknown':
      bytes.set(body.data, headerLength);
  }
}

function writePingPong(bytes: Buffer, body: PingPong): void {
  let at = headerLength;
  for (const record of body.gossip) {
    writeRecord(bytes, at, record);
    at += gossipLength;
  }
  for (const value of body.extensions) at = writeExtension(bytes, at, value);
}

function writeRecord(bytes: Buffer, at: number, record: GossipRecord): void {
  writeId(bytes, at + gossip.id, record.id);
  bytes.writeUInt32BE(record.pingSent, at + gossip.pingSent);
  bytes.writeUInt32BE(record.pongReceived, at + gossip.pongReceived);
  writeHost(bytes, at + gossip.host, record.host);
  bytes.writeUInt16BE(record.port, at + gossip.port);
  bytes.writeUInt16BE(record.cport, at + gossip.cport);
  bytes.writeUInt16BE(record.flags, at + gossip.flags);
  bytes.writeUInt16BE(record.plainPort, at + gossip.plainPort);
}

export function writeBitmap(bytes: Buffer, at: number, bitmap: Uint8Array): void {
  if (bitmap.length !== bitmapLength) throw new RangeError(`a bitmap of slots has ${bitmapLength} bytes`);
  bytes.set(bitmap, at);
}

export function readBitmap(bytes: Buffer, at: number): Uint8Array {
  return copyOf(bytes, at, at + bitmapLength);
}

/** `bytes` is one whole packet. Throws BadPacket. */
export function readBody(bytes: Buffer): PacketBody {
  const type = bytes.readUInt16BE(header.type);
  const kind = kinds.get(type);
  switch (kind) {
    case 'ping':
    case 'pong':
    case 'meet':
      return readPingPong(bytes, kind);
    case 'fail':
      expectLength(bytes, idLength);
      return { kind, id: readId(bytes, headerLength) };
    case 'publish':
    case 'publishshard':
      return readPublish(bytes, kind);
    case 'update':
      expectLength(bytes, updateLength);
      return {
        kind,
        configEpoch: readCount(bytes, headerLength + update.configEpoch),
        id: readId(bytes, headerLength + update.id),
        bitmap: readBitmap(bytes, headerLength + update.bitmap),
      };
    case 'module':
      return readModule(bytes);
    case undefined:
      return { kind: 'unknown', type, data: copyOf(bytes, headerLength) };
    default:
      expectLength(bytes, 0);
      return { kind };
  }
}

function expectLength(bytes: Buffer, length: number): void {
  if (bytes.length !== headerLength + length) {
    throw new BadPacket(`${bytes.length} bytes, where its type has ${headerLength + length}`);
  }
}

function readPingPong(bytes: Buffer, kind: PingPong['kind']): PacketBody {
  const count = bytes.readUInt16BE(header.count);
  // Without the mark the number of extensions means nothing, as in redis.
  const marked = (bytes[header.marks]! & marks.extensions) !== 0;
  const extended = marked ? bytes.readUInt16BE(header.extensions) : 0;
  const start = headerLength + count * gossipLength;
  if (start > bytes.length) throw new BadPacket(`${count} gossip entries do not fit`);
  const ends: number[] = [];
  let end = start;
  for (let left = extended; left > 0; left--) {
    end = extensionEnd(bytes, end);
    ends.push(end);
  }
  expectLength(bytes, end - headerLength);
  const records = Array.from({ length: count }, (_, at) => readRecord(bytes, headerLength + at * gossipLength));
  const extensions: PingExtension[] = ends.map((to, at) => readExtension(bytes, at === 0 ? start : ends[at - 1]!, to));
  return { kind, gossip: records, extensions };
}

function readRecord(bytes: Buffer, at: number): GossipRecord {
  return {
    id: readId(bytes, at + gossip.id),
    pingSent: bytes.readUInt32BE(at + gossip.pingSent),
    pongReceived: bytes.readUInt32BE(at + gossip.pongReceived),
    host: readHost(bytes, at + gossip.host),
    port: bytes.readUInt16BE(at + gossip.port),
    cport: bytes.readUInt16BE(at + gossip.cport),
    flags: bytes.readUInt16BE(at + gossip.flags),
    plainPort: bytes.readUInt16BE(at + gossip.plainPort),
  };
}

function readPublish(bytes: Buffer, kind: 'publish' | 'publishshard'): PacketBody {
  if (bytes.length < headerLength + publish.text) throw new BadPacket('a message without lengths');
  const channelLength = bytes.readUInt32BE(headerLength + publish.channelLength);
  const messageLength = bytes.readUInt32BE(headerLength + publish.messageLength);
  expectLength(bytes, publish.text + channelLength + messageLength);
  const text = headerLength + publish.text;
  return {
    kind,
    channel: bytes.toString('latin1', text, text + channelLength),
    message: bytes.toString('latin1', text + channelLength),
  };
}

function readModule(bytes: Buffer): PacketBody {
  if (bytes.length < headerLength + module.payload) throw new BadPacket('a module message without length');
  expectLength(bytes, module.payload + bytes.readUInt32BE(headerLength + module.length));
  return {
    kind: 'module',
    module: bytes.readBigUInt64BE(headerLength + module.id),
    type: bytes.readUInt8(headerLength + module.type),
    payload: copyOf(bytes, headerLength + module.payload),
  };
}
