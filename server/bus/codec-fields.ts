// The fields that packets are made of: epochs, ids, addresses and texts, with what is allowed in them.
// Knows nothing of where they stand. Invariant: nothing that is read here can break the line formats it ends up in.

import { hostLength, idLength } from './codec-layout.ts';
import { BadPacket } from './codec-packet.ts';

const idPattern = /^[0-9a-f]{40}$/;
const hostPattern = /^[\w.:%-]*$/;
const namePattern = /^[\x21-\x7e]*$/;

export function readId(bytes: Buffer, at: number): string {
  const id = bytes.toString('latin1', at, at + idLength);
  if (!idPattern.test(id)) throw new BadPacket('a node id is not 40 hex digits');
  return id;
}

export function writeId(bytes: Buffer, at: number, id: string): void {
  if (!idPattern.test(id)) throw new RangeError(`node id ${JSON.stringify(id)} is not 40 hex digits`);
  bytes.write(id, at, 'latin1');
}

/** `''` where all bytes are zero. */
export function readOptionalId(bytes: Buffer, at: number): string {
  return bytes[at] === 0 && isZero(bytes, at, at + idLength) ? '' : readId(bytes, at);
}

function isZero(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Text up to the first zero byte. */
function readText(bytes: Buffer, from: number, to: number): string {
  const zero = bytes.indexOf(0, from);
  return bytes.toString('latin1', from, zero < 0 || zero > to ? to : zero);
}

export function readHost(bytes: Buffer, at: number): string {
  const host = readText(bytes, at, at + hostLength);
  if (!hostPattern.test(host)) throw new BadPacket('an address has characters that no address has');
  return host;
}

export function writeHost(bytes: Buffer, at: number, host: string): void {
  if (host.length >= hostLength || !hostPattern.test(host)) {
    throw new RangeError(`address ${JSON.stringify(host)} does not fit in ${hostLength} bytes`);
  }
  bytes.write(host, at, 'latin1');
}

/** A hostname or nodename, padded with zeros. */
export function readName(bytes: Buffer, from: number, to: number): string {
  const name = readText(bytes, from, to);
  if (!namePattern.test(name)) throw new BadPacket('a name has characters that no name has');
  return name;
}

export function writeName(bytes: Buffer, at: number, name: string): void {
  if (!namePattern.test(name)) throw new RangeError(`name ${JSON.stringify(name)} is not of visible ASCII`);
  bytes.write(name, at, 'latin1');
}

/** An unsigned integer of 8 bytes, as far as numbers are exact. */
export function readCount(bytes: Buffer, at: number): number {
  const high = bytes.readUInt32BE(at);
  if (high >= 0x200000) throw new BadPacket('an epoch, offset or time is above 2^53');
  return high * 0x100000000 + bytes.readUInt32BE(at + 4);
}

export function writeCount(bytes: Buffer, at: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a whole number below 2^53`);
  bytes.writeUInt32BE(Math.floor(value / 0x100000000), at);
  bytes.writeUInt32BE(value % 0x100000000, at + 4);
}

/** A copy, so that what is kept of a packet does not keep the chunk it came in. */
export function copyOf(bytes: Buffer, from: number, to: number = bytes.length): Uint8Array {
  return new Uint8Array(bytes.subarray(from, to));
}
