// The contract between a master's stream and its replicas, whatever carries it. A replica dials an address, gets one
// full copy, then batches of effects, and acknowledges offsets. Offsets count the bytes of the stream as RESP.

import type { Stored } from '../keyspace/entry.ts';

/** One command with its arguments, as binary strings. */
export type Words = readonly string[];

export interface CopiedKey {
  readonly key: string;
  readonly value: Stored;
  /** Absolute ms, -1 for none. */
  readonly expireAt: number;
}

/** Everything a master holds at `offset`; the values belong to whoever receives it. */
export interface Copy {
  readonly offset: number;
  readonly keys: readonly CopiedKey[];
}

/** A replica's end. Nothing arrives after closed(). */
export interface ReplicaSink {
  full(copy: Copy): void;
  /** `offset`: where the stream stands after these effects. */
  effects(batch: readonly Words[], offset: number): void;
  closed(): void;
}

export interface ReplicaIdentity {
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

/** What a replica may say back. */
export interface PrimarySession {
  ack(offset: number): void;
  close(): void;
}

/** A master's door; throws when it takes no replica. */
export interface PrimaryDoor {
  attach(replica: ReplicaIdentity, sink: ReplicaSink): PrimarySession;
}

export interface StreamAddress {
  readonly host: string;
  readonly port: number;
}

/** Starts to connect; `sink.closed()` follows, not from inside the call, when there is nobody. */
export type DialPrimary = (address: StreamAddress, replica: ReplicaIdentity, sink: ReplicaSink) => PrimarySession;
