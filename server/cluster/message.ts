// The messages of the cluster bus, as data: one header about the sender, one body by kind. The wire form is the codec's.
// Messages are values: whoever holds one may keep it and must not change it.

import { bitmapOf } from './slots.ts';
import type { ClusterNode, ClusterState } from './state.ts';
import { me, myMaster } from './state.ts';

export interface Header {
  readonly sender: string;
  /** `''`: take the address this came from. */
  readonly host: string;
  readonly port: number;
  readonly cport: number;
  /** As of a node in the state. */
  readonly plainPort: number;
  readonly hostname: string;
  readonly role: 'master' | 'replica';
  readonly master: string | null;
  readonly currentEpoch: number;
  /** A replica sends those of its master. */
  readonly configEpoch: number;
  readonly bitmap: Uint8Array;
  readonly offset: number;
  readonly noFailover: boolean;
  /** The sender's shard; `''`: unknown. */
  readonly shard: string;
  /** The sender's own mark of a master that may be given replicas. */
  readonly migrateTo: boolean;
  /** The sender holds back writes for a manual failover; `offset` will not grow. */
  readonly paused: boolean;
  /** The election was agreed with the master: vote although it has not failed. */
  readonly force: boolean;
}

export interface GossipEntry {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly cport: number;
  readonly plainPort: number;
  readonly hostname: string;
  readonly role: 'master' | 'replica';
  readonly suspect: boolean;
  readonly failed: boolean;
  /** When the sender's unanswered ping left (0: there is none) and when it last had a pong, in ms; whole seconds. */
  readonly pingSent: number;
  readonly pongReceived: number;
}

/** Kinds of messages by their numbers on the wire; `module` is of servers with modules alone. */
export const messageKinds = [
  'ping',
  'pong',
  'meet',
  'fail',
  'publish',
  'auth-req',
  'auth-ack',
  'update',
  'mfstart',
  'module',
  'publishshard',
] as const;

export type MessageKind = (typeof messageKinds)[number];

export type Body =
  | { readonly kind: 'ping' | 'pong' | 'meet'; readonly gossip: readonly GossipEntry[] }
  | { readonly kind: 'fail'; readonly id: string }
  | { readonly kind: 'publish' | 'publishshard'; readonly channel: string; readonly message: string }
  | { readonly kind: 'auth-req' | 'auth-ack' | 'mfstart' }
  | { readonly kind: 'update'; readonly id: string; readonly configEpoch: number; readonly bitmap: Uint8Array };

export interface Message {
  readonly header: Header;
  readonly body: Body;
}

export interface LocalStatus {
  readonly offset: number;
  readonly paused: boolean;
  readonly force: boolean;
}

export function headerOf(state: ClusterState, status: LocalStatus): Header {
  const mine = me(state);
  const master = myMaster(state);
  return {
    sender: mine.id,
    host: mine.host,
    port: mine.port,
    cport: mine.cport,
    plainPort: mine.plainPort,
    hostname: mine.hostname,
    role: mine.role,
    master: mine.master,
    currentEpoch: state.currentEpoch,
    configEpoch: master.configEpoch,
    bitmap: bitmapOf(state, master.id),
    noFailover: mine.noFailover,
    shard: mine.shard,
    migrateTo: mine.migrateTo,
    ...status,
  };
}

/** `times`: of the sender's link to that node, in ms. */
export function gossipEntry(node: ClusterNode, times: Pick<GossipEntry, 'pingSent' | 'pongReceived'>): GossipEntry {
  const { id, host, port, cport, plainPort, hostname, role, suspect, failed } = node;
  const pingSent = wholeSeconds(times.pingSent);
  return {
    id,
    host,
    port,
    cport,
    plainPort,
    hostname,
    role,
    suspect,
    failed,
    pingSent,
    pongReceived: wholeSeconds(times.pongReceived),
  };
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
