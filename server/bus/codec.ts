// Packets of the cluster bus to bytes and back: version 1, as redis-server 7.0 speaks it.
// Knows nothing of links and of what packets mean. Invariant: a packet either decodes whole or is refused with a
// reason; nothing else is thrown, whatever the bytes, and nothing larger than the packet itself is allocated.

import { bodyLength, readBitmap, readBody, typeOf, writeBitmap, writeBody } from './codec-body.ts';
import { readCount, readHost, readId, readOptionalId, writeCount, writeHost, writeId } from './codec-fields.ts';
import { busVersion, header, headerLength, marks, signature } from './codec-layout.ts';
import { BadPacket, type Packet, type PacketHeader } from './codec-packet.ts';

/** Throws a RangeError for a value that has no place on the wire. */
export function encodePacket({ header: values, body }: Packet): Buffer {
  const length = headerLength + bodyLength(body);
  const bytes = Buffer.alloc(length);
  bytes.writeUInt32BE(signature, header.signature);
  bytes.writeUInt32BE(length, header.length);
  bytes.writeUInt16BE(busVersion, header.version);
  bytes.writeUInt16BE(values.port, header.port);
  bytes.writeUInt16BE(typeOf(body), header.type);
  writeCount(bytes, header.currentEpoch, values.currentEpoch);
  writeCount(bytes, header.configEpoch, values.configEpoch);
  writeCount(bytes, header.offset, values.offset);
  writeId(bytes, header.sender, values.sender);
  writeBitmap(bytes, header.bitmap, values.bitmap);
  if (values.master !== '') writeId(bytes, header.master, values.master);
  writeHost(bytes, header.host, values.host);
  bytes.writeUInt16BE(values.plainPort, header.plainPort);
  bytes.writeUInt16BE(values.cport, header.cport);
  bytes.writeUInt16BE(values.flags, header.flags);
  bytes.writeUInt8(values.state, header.state);
  let mark = values.marks;
  if ('gossip' in body) {
    bytes.writeUInt16BE(body.gossip.length, header.count);
    bytes.writeUInt16BE(body.extensions.length, header.extensions);
    if (body.extensions.length > 0) mark |= marks.extensions;
  }
  bytes.writeUInt8(mark, header.marks);
  writeBody(bytes, body);
  return bytes;
}

/** `bytes` is one packet as framed. Gives the reason instead when it is to be dropped. */
export function decodePacket(bytes: Buffer): Packet | BadPacket {
  if (bytes.length < headerLength) return new BadPacket('shorter than a header');
  if (bytes.readUInt32BE(header.signature) !== signature) return new BadPacket('not a packet of the cluster bus');
  if (bytes.readUInt32BE(header.length) !== bytes.length) return new BadPacket('not as long as it says');
  const version = bytes.readUInt16BE(header.version);
  if (version !== busVersion) return new BadPacket(`version ${version} of the bus`);
  try {
    return { header: readHeader(bytes), body: readBody(bytes) };
  } catch (error) {
    if (error instanceof BadPacket) return error;
    throw error;
  }
}

function readHeader(bytes: Buffer): PacketHeader {
  return {
    port: bytes.readUInt16BE(header.port),
    currentEpoch: readCount(bytes, header.currentEpoch),
    configEpoch: readCount(bytes, header.configEpoch),
    offset: readCount(bytes, header.offset),
    sender: readId(bytes, header.sender),
    bitmap: readBitmap(bytes, header.bitmap),
    master: readOptionalId(bytes, header.master),
    host: readHost(bytes, header.host),
    plainPort: bytes.readUInt16BE(header.plainPort),
    cport: bytes.readUInt16BE(header.cport),
    flags: bytes.readUInt16BE(header.flags),
    state: bytes.readUInt8(header.state),
    marks: bytes.readUInt8(header.marks),
  };
}
