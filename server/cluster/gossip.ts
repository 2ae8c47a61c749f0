// What to make of a message from a peer: pure, the next state and what is to be done as data.
// Knows nothing of links or time beyond the facts it is given. Invariant: nothing is believed of an unknown sender
// but the address in its MEET.

import { resolveCollision } from './epochs.ts';
import { withoutNode } from './members.ts';
import type { Body, GossipEntry, Header, Message } from './message.ts';
import { isRedundantPing } from './redundant-ping.ts';
import { applyClaim, type ClaimFacts, contradiction, followGrandMaster } from './slot-claims.ts';
import { bitmapOf } from './slots.ts';
import {
  type ClusterNode,
  type ClusterState,
  type Effect,
  me,
  type NodeAddress,
  newNode,
  replicasOf,
  type Step,
  unchanged,
  withNode,
  withOwner,
} from './state.ts';

export interface GossipFacts extends ClaimFacts {
  readonly now: number;
  /** Id under which the link is kept, when the message came back on a link that we opened. */
  readonly link: string | undefined;
  /** Where the message came from, and the address of ours that it reached. */
  readonly remoteHost: string;
  readonly localHost: string;
  readonly randomId: () => string;
}

/** Nodes in handshake at once, beyond which a MEET is ignored: its sender repeats it. */
const maxPendingHandshakes = 64;

/** Applies rules one after another and collects their effects. */
class StepSequence {
  state: ClusterState;
  readonly effects: Effect[] = [];

  constructor(state: ClusterState) {
    this.state = state;
  }

  run(rule: (state: ClusterState) => Step): void {
    const step = rule(this.state);
    this.state = step.state;
    this.effects.push(...step.effects);
  }

  step(): Step {
    return { state: this.state, effects: this.effects };
  }
}

/** Everything a message teaches about its sender and the nodes it talks of. Answering is the caller's. */
export function learn(state: ClusterState, message: Message, facts: GossipFacts): Step {
  return isRedundantPing(state, message, facts) ? unchanged(state) : learnNews(state, message, facts);
}

/** The same by every rule there is. */
export function learnNews(state: ClusterState, message: Message, facts: GossipFacts): Step {
  const { header, body } = message;
  const steps = new StepSequence(state);
  if (isPingPong(body)) {
    steps.run((now) => learnMyHost(now, body.kind, facts));
    steps.run((now) => shakeHands(now, header, body.kind, facts));
  }
  if (!isKnown(steps.state, header.sender)) return steps.step();
  steps.run((now) => raiseEpochs(now, header, isPingPong(body)));
  if (isPingPong(body)) {
    steps.run((now) => learnHostname(now, header));
    if (body.kind === 'ping' && facts.link === undefined) steps.run((now) => learnAddress(now, header, facts));
    steps.run((now) => learnRole(now, header));
    steps.run((now) => learnShard(now, header));
    steps.run((now) => learnClaims(now, header, facts));
    steps.run((now) => resolveCollision(now, header.sender));
    steps.run((now) => learnNodes(now, body.gossip, facts.now));
    steps.run(followGrandMaster);
  } else if (body.kind === 'update') {
    steps.run((now) => learnUpdate(now, body, facts));
  }
  return steps.step();
}

function isPingPong(body: Body): body is Extract<Body, { kind: 'ping' | 'pong' | 'meet' }> {
  return body.kind === 'ping' || body.kind === 'pong' || body.kind === 'meet';
}

export function isKnown(state: ClusterState, id: string): boolean {
  return state.nodes.get(id)?.handshake === false;
}

/** A node learns its own address from whoever reaches it first. */
function learnMyHost(state: ClusterState, kind: Body['kind'], facts: GossipFacts): Step {
  if (me(state).host !== '' || kind === 'pong' || facts.localHost === '') return unchanged(state);
  return { state: withNode(state, state.myself, { host: facts.localHost }), effects: [{ kind: 'save' }] };
}

function shakeHands(state: ClusterState, header: Header, kind: Body['kind'], facts: GossipFacts): Step {
  const host = header.host === '' ? facts.remoteHost : header.host;
  const { port, cport, plainPort, hostname } = header;
  const address = { host, port, cport, plainPort, hostname };
  const partner = facts.link === undefined ? undefined : state.nodes.get(facts.link);
  if (partner?.handshake) {
    const without = withoutNode(state, partner.id);
    // Whoever I met may be myself or someone I know: the handshake was for nothing.
    if (state.nodes.has(header.sender)) return { state: without, effects: [{ kind: 'unlink', id: partner.id }] };
    const node: ClusterNode = { ...newNode(header.sender, partner), role: header.role };
    return {
      state: { ...without, nodes: new Map(without.nodes).set(node.id, node) },
      effects: [{ kind: 'rename', from: partner.id, to: node.id }, { kind: 'save' }],
    };
  }
  if (kind !== 'meet' || state.nodes.has(header.sender) || host === '') return unchanged(state);
  let pendingHandshakes = 0;
  for (const node of state.nodes.values()) if (node.handshake) pendingHandshakes++;
  if (pendingHandshakes >= maxPendingHandshakes) return unchanged(state);
  return startHandshake(state, address, facts.randomId());
}

/** Adds a node in handshake under a random id, unless one for that address is there. */
export function startHandshake(state: ClusterState, address: NodeAddress, id: string): Step {
  for (const node of state.nodes.values()) {
    if (node.handshake && node.host === address.host && node.cport === address.cport) return unchanged(state);
  }
  const node: ClusterNode = { ...newNode(id, address), handshake: true };
  return { state: { ...state, nodes: new Map(state.nodes).set(id, node) }, effects: [] };
}

/** A master's own epoch is taken from pings and pongs alone, whose slots are believed with it: one must not outrun the other. */
function raiseEpochs(state: ClusterState, header: Header, pingPong: boolean): Step {
  const sender = state.nodes.get(header.sender)!;
  // A replica carries its master's epoch in the header; it has none of its own.
  const claims = pingPong && header.role === 'master';
  const configEpoch = claims ? Math.max(sender.configEpoch, header.configEpoch) : sender.configEpoch;
  let next = withNode(state, header.sender, { configEpoch, offset: header.offset, noFailover: header.noFailover });
  if (header.currentEpoch > next.currentEpoch) next = { ...next, currentEpoch: header.currentEpoch };
  return { state: next, effects: configEpoch > sender.configEpoch ? [{ kind: 'save' }] : [] };
}

/** The hostname of a node; none announced is none. */
function learnHostname(state: ClusterState, header: Header): Step {
  return { state: withNode(state, header.sender, { hostname: header.hostname }), effects: [] };
}

/** A node is where its own pings come from, unless it announces another address. */
function learnAddress(state: ClusterState, header: Header, facts: GossipFacts): Step {
  const sender = state.nodes.get(header.sender)!;
  const seen = anyHost.has(facts.remoteHost) ? sender.host : facts.remoteHost;
  const { port, cport, plainPort } = header;
  return moveNode(state, sender.id, { host: header.host || seen, port, cport, plainPort });
}

/** Addresses that are listened on, not reached. */
const anyHost = new Set(['', '0.0.0.0', '::']);

function moveNode(
  state: ClusterState,
  id: string,
  to: Pick<ClusterNode, 'host' | 'port' | 'cport' | 'plainPort'>,
): Step {
  const next = withNode(state, id, to);
  if (next === state) return unchanged(state);
  const effects: Effect[] = [{ kind: 'unlink', id }, { kind: 'save' }];
  if (me(state).master === id) effects.push({ kind: 'follow', master: id });
  return { state: next, effects };
}

/** Whoever answers under the address of `id` is somebody else: it has no address any more. */
export function loseAddress(state: ClusterState, id: string): Step {
  const next = withNode(state, id, { host: '', port: 0, cport: 0, plainPort: 0 });
  return { state: next, effects: [{ kind: 'unlink', id }, { kind: 'save' }] };
}

function learnRole(state: ClusterState, header: Header): Step {
  const sender = state.nodes.get(header.sender)!;
  if (header.role === 'master') {
    return { state: withNode(state, sender.id, { role: 'master', master: null }), effects: [] };
  }
  let next = state;
  if (sender.role === 'master') {
    next = withOwner(next, state.owners.slotsOf(sender.id), undefined);
  }
  const master = header.master !== null && state.nodes.has(header.master) ? header.master : sender.master;
  return { state: withNode(next, sender.id, { role: 'replica', master }), effects: [] };
}

/** A master's word counts, and for its replicas too; whoever does not say it is in the shard that it founded. */
function learnShard(state: ClusterState, { sender, shard }: Header): Step {
  const node = state.nodes.get(sender)!;
  if (shard === '' || node.role !== 'master' || node.shard === shard) return unchanged(state);
  let next = withNode(state, sender, { shard });
  for (const replica of replicasOf(state, sender)) next = withNode(next, replica.id, { shard });
  return { state: next, effects: [{ kind: 'save' }] };
}

function learnClaims(state: ClusterState, header: Header, facts: GossipFacts): Step {
  const steps = new StepSequence(state);
  const { sender, configEpoch, bitmap } = header;
  if (header.role === 'master') steps.run((now) => applyClaim(now, sender, configEpoch, bitmap, facts));
  const claimant = header.role === 'master' ? sender : (header.master ?? sender);
  const about = contradiction(steps.state, claimant, configEpoch, bitmap);
  if (about !== undefined) steps.effects.push({ kind: 'correct', to: sender, about });
  return steps.step();
}

function learnNodes(state: ClusterState, entries: readonly GossipEntry[], now: number): Step {
  const steps = new StepSequence(state);
  for (const entry of entries) if (entry.host !== '') steps.run((known) => learnNode(known, entry, now));
  return steps.step();
}

function learnNode(state: ClusterState, entry: GossipEntry, now: number): Step {
  const node = state.nodes.get(entry.id);
  if (node !== undefined) {
    // It cannot be reached where I think it is, and somebody reaches it elsewhere.
    const elsewhere = (node.suspect || node.failed) && !entry.suspect && !entry.failed && node.id !== state.myself;
    return elsewhere ? moveNode(state, node.id, pickAddress(entry)) : unchanged(state);
  }
  if ((state.forgotten.get(entry.id) ?? 0) > now) return unchanged(state);
  const { role, suspect, failed } = entry;
  const nodes = new Map(state.nodes).set(entry.id, { ...newNode(entry.id, entry), role, suspect, failed });
  return { state: { ...state, nodes }, effects: [{ kind: 'save' }] };
}

function pickAddress({ host, port, cport, plainPort }: GossipEntry): Required<Omit<NodeAddress, 'hostname'>> {
  return { host, port, cport, plainPort };
}

function learnUpdate(state: ClusterState, body: Extract<Body, { kind: 'update' }>, facts: GossipFacts): Step {
  const node = state.nodes.get(body.id);
  if (node === undefined || node.configEpoch >= body.configEpoch || body.id === state.myself) return unchanged(state);
  const known = withNode(state, body.id, { role: 'master', master: null, configEpoch: body.configEpoch });
  return applyClaim(known, body.id, body.configEpoch, body.bitmap, facts);
}

/** The UPDATE with the slots and the epoch of a node. */
export function updateAbout(state: ClusterState, id: string): Body | undefined {
  const node = state.nodes.get(id);
  if (node === undefined) return undefined;
  let bitmap = bitmapOf(state, id);
  if (state.unclaimed.size > 0) {
    bitmap = bitmap.slice();
    for (const slot of state.unclaimed) bitmap[slot >> 3]! &= ~(1 << (slot & 7));
  }
  return { kind: 'update', id, configEpoch: node.configEpoch, bitmap };
}
