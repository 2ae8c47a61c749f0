// What a cluster in a test can be made of: nodes in this process, bundled processes, real servers. One face for all.
// Knows how each kind does what is asked; not what tests ask for.

import { ReplyError } from '../../lib/wire/reply.ts';
import type { SlotMove } from '../operator/reshard/slot-move.ts';

/** A node as every kind of cluster has it. */
export interface BackendNode {
  /** 40 hex digits. */
  readonly id: string;
  readonly host: string;
  /** Where it listens itself. */
  readonly port: number;
  readonly running: boolean;
  readonly paused: boolean;
  kill(): Promise<void>;
  restart(): Promise<void>;
  pause(): void;
  resume(): void;
}

/** As of CLUSTER FAILOVER; `agreed` loses no write. */
export type FailoverMode = 'agreed' | 'force' | 'takeover';

export interface Backend {
  readonly nodes: readonly BackendNode[];
  /** Commands in binary strings to one node; errors are ReplyError values. Rejects when the node does not answer. */
  exchange(node: BackendNode, commands: readonly (readonly string[])[]): Promise<unknown[]>;
  /** Kills it if needed, and starts it again. */
  restart(node: BackendNode): Promise<void>;
  moveSlot(slot: number, to: BackendNode): Promise<number>;
  beginMove(slot: number, to: BackendNode): Promise<SlotMove>;
  failover(node: BackendNode, mode: FailoverMode): Promise<BackendNode>;
  addNode(replicaOf: BackendNode | undefined): Promise<BackendNode>;
  removeNode(node: BackendNode): Promise<void>;
  settled(timeoutMs?: number): Promise<void>;
  /** Whether nodes, roles or slots are others than at the start. */
  reshaped(): Promise<boolean>;
  /** Begins anew, as at the start, without data. */
  rebuild(): Promise<void>;
  /** Deletes data, scripts, functions and statistics of all nodes, and undoes what CONFIG SET did, as far as it can. */
  clean(): Promise<void>;
  /** Makes one node alone answer clients that a slot is another's. Throws where that cannot be. */
  setSlotOwner(node: BackendNode, slot: number, ownerId: string | null): void;
  close(): Promise<void>;
}

/** The first error among replies is thrown. */
export function must(replies: readonly unknown[], what: string): void {
  const error = replies.find((reply) => reply instanceof ReplyError);
  if (error instanceof ReplyError) throw new Error(`${what}: ${error.message}`);
}
