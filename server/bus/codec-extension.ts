// The extensions behind the gossip of a ping, both ways. Knows nothing of the packet around them.

import { copyOf, readCount, readId, readName, writeCount, writeId, writeName } from './codec-fields.ts';
import { extension, extensionAlign, extensionTypes, idLength } from './codec-layout.ts';
import { BadPacket, type PingExtension } from './codec-packet.ts';

/** Bytes on the wire, padding included. */
export function extensionLength(value: PingExtension): number {
  return extension.data + padded(dataLength(value));
}

function padded(length: number): number {
  return Math.ceil(length / extensionAlign) * extensionAlign;
}

function dataLength(value: PingExtension): number {
  switch (value.kind) {
    case 'hostname':
    case 'nodename':
      return value.text.length + 1;
    case 'forgotten':
      return idLength + 8;
    case 'shard':
      return idLength;
    case 'other':
      return value.data.length;
  }
}

/** Writes at `at` and gives where the next one begins; the bytes were zero. */
export function writeExtension(bytes: Buffer, at: number, value: PingExtension): number {
  const length = extensionLength(value);
  const data = at + extension.data;
  bytes.writeUInt32BE(length, at + extension.length);
  bytes.writeUInt16BE(value.kind === 'other' ? value.type : extensionTypes[value.kind], at + extension.type);
  if (value.kind === 'hostname' || value.kind === 'nodename') writeName(bytes, data, value.text);
  else if (value.kind === 'other') bytes.set(value.data, data);
  else writeId(bytes, data, value.id);
  if (value.kind === 'forgotten') writeCount(bytes, data + idLength, value.seconds);
  return at + length;
}

/** Where the extension at `at` ends. Throws BadPacket when that is not within `bytes`. */
export function extensionEnd(bytes: Buffer, at: number): number {
  if (at + extension.data > bytes.length) throw new BadPacket('an extension is cut off');
  const length = bytes.readUInt32BE(at + extension.length);
  if (length < extension.data || length % extensionAlign !== 0) {
    throw new BadPacket(`an extension is ${length} bytes long, no multiple of ${extensionAlign}`);
  }
  if (at + length > bytes.length) throw new BadPacket('an extension is longer than its packet');
  return at + length;
}

export function readExtension(bytes: Buffer, at: number, end: number): PingExtension {
  const type = bytes.readUInt16BE(at + extension.type);
  const data = at + extension.data;
  const length = end - data;
  if (type === extensionTypes.hostname) return { kind: 'hostname', text: readName(bytes, data, end) };
  if (type === extensionTypes.nodename) return { kind: 'nodename', text: readName(bytes, data, end) };
  if (type === extensionTypes.forgotten && length === idLength + 8) {
    return { kind: 'forgotten', id: readId(bytes, data), seconds: readCount(bytes, data + idLength) };
  }
  if (type === extensionTypes.shard && length === idLength) return { kind: 'shard', id: readId(bytes, data) };
  return { kind: 'other', type, data: copyOf(bytes, data, end) };
}
