// May this node serve these keys now? The verdict table of a cluster node, as a pure function.
// Knows the state, the session's two flags and whether a key is here; never sockets or values.
// The order of the tests is observable and is that of redis-server 7.0: an unassigned slot wins over a failed
// cluster, a failed cluster over every redirect.

import { printRedirect, ReplyError, refusals } from '../../lib/wire/reply.ts';
import { slotOfBinary } from '../../lib/wire/slot.ts';
import { type ClusterNode, type ClusterState, me } from './state.ts';

/** What clients are given as a node's address. */
export type EndpointType = 'ip' | 'hostname' | 'unknown-endpoint';

export interface GuardView {
  readonly state: ClusterState;
  readonly up: boolean;
  readonly allowReadsWhenDown: boolean;
  readonly allowPubSubShardWhenDown: boolean;
  readonly endpointType: EndpointType;
  /** Whether a live key is here. */
  readonly has: (key: string) => boolean;
}

export interface GuardRequest {
  /** Binary strings; of all queued commands when the request is EXEC. Channels for sharded pub/sub. */
  readonly keys: readonly string[];
  /** Any of its commands writes. */
  readonly write: boolean;
  /** SSUBSCRIBE, SUNSUBSCRIBE, SPUBLISH. */
  readonly shardChannel: boolean;
  /** MIGRATE is served wherever the slot is open. */
  readonly migrate: boolean;
  /** The session sent ASKING just before, or the command implies it (RESTORE-ASKING). */
  readonly asking: boolean;
  /** The session is in READONLY mode. */
  readonly readonly: boolean;
  /** The session has no TLS. */
  readonly plain: boolean;
}

const crossSlot = new ReplyError(refusals.crossSlot);
const tryAgain = new ReplyError(refusals.tryAgain);
const slotNotServed = new ReplyError(refusals.slotNotServed);
const clusterDown = new ReplyError(refusals.clusterDown);
const clusterDownReadsOnly = new ReplyError(refusals.clusterDownReadsOnly);

/** Undefined: serve it here. Else the error to answer. */
export function guard(view: GuardView, request: GuardRequest): ReplyError | undefined {
  const { state } = view;
  const first = request.keys[0];
  if (first === undefined) return undefined;
  const slot = slotOfBinary(first);
  const owner = state.owners.get(slot);
  if (owner === undefined) return slotNotServed;
  const several = request.keys.length > 1 && request.keys.some((key) => key !== first);
  if (several && request.keys.some((key) => slotOfBinary(key) !== slot)) return crossSlot;
  if (!view.up) {
    const refusal = whenDown(view, request);
    if (refusal !== undefined) return refusal;
  }
  const target = owner === state.myself ? state.migrating.get(slot) : undefined;
  if (target !== undefined && !request.shardChannel) return whileMigrating(view, request, slot, target);
  if (owner === state.myself) return undefined;
  return elsewhere(view, request, slot, state.nodes.get(owner)!, several);
}

function whenDown(view: GuardView, request: GuardRequest): ReplyError | undefined {
  if (request.shardChannel) return view.allowPubSubShardWhenDown ? undefined : clusterDown;
  if (!view.allowReadsWhenDown) return clusterDown;
  return request.write ? clusterDownReadsOnly : undefined;
}

function whileMigrating(view: GuardView, request: GuardRequest, slot: number, target: string): ReplyError | undefined {
  if (request.migrate) return undefined;
  let here = 0;
  let missing = 0;
  for (const key of request.keys) view.has(key) ? here++ : missing++;
  if (missing === 0) return undefined;
  return here > 0 ? tryAgain : redirect(view, request, { kind: 'ask', slot, node: view.state.nodes.get(target)! });
}

function elsewhere(
  view: GuardView,
  request: GuardRequest,
  slot: number,
  owner: ClusterNode,
  several: boolean,
): ReplyError | undefined {
  const { state } = view;
  if (state.importing.has(slot) && !request.shardChannel) {
    if (request.migrate) return undefined;
    if (request.asking) return several && request.keys.some((key) => !view.has(key)) ? tryAgain : undefined;
  }
  const mine = me(state);
  const replicaMay = request.shardChannel || (request.readonly && !request.write);
  if (replicaMay && mine.role === 'replica' && mine.master === owner.id) return undefined;
  return redirect(view, request, { kind: 'moved', slot, node: owner });
}

interface Elsewhere {
  readonly kind: 'moved' | 'ask';
  readonly slot: number;
  readonly node: ClusterNode;
}

function redirect(view: GuardView, request: GuardRequest, { kind, slot, node }: Elsewhere): ReplyError {
  const host = endpointOf(node, view.endpointType) ?? '';
  return new ReplyError(printRedirect({ kind, slot, host, port: portFor(node, request.plain) }));
}

/** Where a client, `plain`: one without TLS, is served by `node`. */
export function portFor(node: ClusterNode, plain: boolean): number {
  return plain && node.plainPort > 0 ? node.plainPort : node.port;
}

/** The endpoint that clients are given: null stands for "the host you asked". */
export function endpointOf(node: ClusterNode, type: EndpointType): string | null {
  if (type === 'ip') return node.host;
  if (type === 'hostname') return node.hostname === '' ? '?' : node.hostname;
  return null;
}
