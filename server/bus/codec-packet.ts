// A packet of the cluster bus as values: all that the wire form can say, and no more. Texts are binary strings.
// Invariant: values are immutable; encoded and decoded again they are equal.

export interface PacketHeader {
  readonly port: number;
  readonly currentEpoch: number;
  readonly configEpoch: number;
  /** Bytes of the replication stream sent or applied. */
  readonly offset: number;
  /** 40 hex digits. */
  readonly sender: string;
  /** 2048 bytes; slot s is bit `s & 7` of byte `s >> 3`. */
  readonly bitmap: Uint8Array;
  /** `''` for a master. */
  readonly master: string;
  /** Announced address; `''`: take the one the packet came from. */
  readonly host: string;
  /** Port without TLS in a cluster with TLS; else 0. */
  readonly plainPort: number;
  readonly cport: number;
  readonly flags: number;
  /** 0: the sender's cluster is ok, 1: it is not. */
  readonly state: number;
  readonly marks: number;
}

export interface GossipRecord {
  readonly id: string;
  /** Seconds; 0: no ping is pending. */
  readonly pingSent: number;
  /** Seconds; 0: none yet. */
  readonly pongReceived: number;
  /** `''`: no address is known. */
  readonly host: string;
  readonly port: number;
  readonly cport: number;
  readonly flags: number;
  readonly plainPort: number;
}

export type PingExtension =
  | { readonly kind: 'hostname'; readonly text: string }
  | { readonly kind: 'nodename'; readonly text: string }
  /** A node that was forgotten elsewhere, and for how many seconds more. */
  | { readonly kind: 'forgotten'; readonly id: string; readonly seconds: number }
  | { readonly kind: 'shard'; readonly id: string }
  /** Of a later version; `data` is a multiple of 8 bytes long. */
  | { readonly kind: 'other'; readonly type: number; readonly data: Uint8Array };

export type PacketBody =
  | {
      readonly kind: 'ping' | 'pong' | 'meet';
      readonly gossip: readonly GossipRecord[];
      /** With any, the header's `extensions` mark is set. */
      readonly extensions: readonly PingExtension[];
    }
  | { readonly kind: 'fail'; readonly id: string }
  | { readonly kind: 'publish' | 'publishshard'; readonly channel: string; readonly message: string }
  | { readonly kind: 'auth-req' | 'auth-ack' | 'mfstart' }
  | { readonly kind: 'update'; readonly configEpoch: number; readonly id: string; readonly bitmap: Uint8Array }
  | { readonly kind: 'module'; readonly module: bigint; readonly type: number; readonly payload: Uint8Array }
  /** Of a later version. */
  | { readonly kind: 'unknown'; readonly type: number; readonly data: Uint8Array };

export interface Packet {
  readonly header: PacketHeader;
  readonly body: PacketBody;
}

/** A packet that makes no sense: it is dropped and the link kept. */
export class BadPacket extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'BadPacket';
  }
}
