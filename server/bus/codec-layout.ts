// The bytes of the cluster bus, version 1: every offset, length, number and bit, once. Integers are big-endian.

import { type MessageKind, messageKinds } from '../cluster/message.ts';

export const signature = 0x52436d62; // 'RCmb'
export const busVersion = 1;
export const idLength = 40;
export const hostLength = 46;
export const bitmapLength = 2048;

/** Offsets in the header that begins every packet. */
export const header = {
  signature: 0,
  length: 4,
  version: 8,
  port: 10,
  type: 12,
  /** Gossip entries that follow. */
  count: 14,
  currentEpoch: 16,
  configEpoch: 24,
  offset: 32,
  sender: 40,
  bitmap: 80,
  master: 2128,
  host: 2168,
  extensions: 2214,
  plainPort: 2246,
  cport: 2248,
  flags: 2250,
  state: 2252,
  marks: 2253,
} as const;
export const headerLength = 2256;

/** Offsets in one entry of the gossip section. */
export const gossip = {
  id: 0,
  pingSent: 40,
  pongReceived: 44,
  host: 48,
  port: 94,
  cport: 96,
  flags: 98,
  plainPort: 100,
} as const;
export const gossipLength = 104;

/** Offsets in an extension; its length includes these first 8 bytes and is a multiple of 8. */
export const extension = { length: 0, type: 4, data: 8 } as const;
export const extensionAlign = 8;
export const extensionTypes = { hostname: 0, nodename: 1, forgotten: 2, shard: 3 } as const;

/** Offsets in the bodies, from the end of the header. */
export const publish = { channelLength: 0, messageLength: 4, text: 8 } as const;
export const update = { configEpoch: 0, id: 8, bitmap: 48 } as const;
export const updateLength = 2096;
export const module = { id: 0, length: 8, type: 12, payload: 13 } as const;

export const packetTypes: Readonly<Record<MessageKind, number>> = Object.fromEntries(
  messageKinds.map((kind, type) => [kind, type]),
) as Record<MessageKind, number>;

/** Bits of a node's flags, in headers and gossip. */
export const nodeFlags = {
  master: 1,
  replica: 2,
  suspect: 4,
  failed: 8,
  myself: 16,
  handshake: 32,
  noAddress: 64,
  meet: 128,
  migrateTo: 256,
  noFailover: 512,
  knowsExtensions: 1024,
  lightHeader: 2048,
} as const;

/** Bits of the first byte of a header's marks; the other two bytes are zero. */
export const marks = { paused: 1, force: 2, extensions: 4 } as const;
