// Who belongs to the cluster, by command: MEET, FORGET, REPLICATE, RESET.

import { isIP } from 'node:net';
import { slotsOwned } from './slots.ts';
import { type ClusterState, followStep, me, newState, type Outcome, refuse, type Step, withOwner } from './state.ts';

/** How long gossip may not bring back a node that was forgotten. */
const forgetMs = 60_000;

export function meet(state: ClusterState, host: string, portWord: string, cportWord?: string): Outcome {
  const port = parseInteger(portWord);
  if (port === undefined) return refuse(`Invalid TCP base port specified: ${portWord}`);
  const cport = cportWord === undefined ? port + 10_000 : parseInteger(cportWord);
  if (cport === undefined) return refuse(`Invalid TCP bus port specified: ${cportWord}`);
  if (isIP(host) === 0 || port <= 0 || port > 65_535 || cport <= 0 || cport > 65_535) {
    return refuse(`Invalid node address specified: ${host}:${portWord}`);
  }
  return { state, effects: [{ kind: 'meet', host, port, cport }] };
}

function parseInteger(text: string): number | undefined {
  return /^(?:0|-?[1-9]\d{0,14})$/.test(text) ? Number(text) : undefined;
}

export function forget(state: ClusterState, id: string, now: number): Outcome {
  if (!state.nodes.has(id)) return refuse(`Unknown node ${id}`);
  if (id === state.myself) return refuse("I tried hard but I can't forget myself...");
  if (me(state).role === 'replica' && me(state).master === id) return refuse("Can't forget my master!");
  const forgotten = new Map([...state.forgotten].filter(([, until]) => until > now)).set(id, now + forgetMs);
  return {
    state: withoutNode({ ...state, forgotten }, id),
    effects: [{ kind: 'unlink', id }, { kind: 'save' }],
  };
}

/** Removes a node with all that points at it. */
export function withoutNode(state: ClusterState, id: string): ClusterState {
  const nodes = new Map(state.nodes);
  nodes.delete(id);
  for (const node of nodes.values()) if (node.master === id) nodes.set(node.id, { ...node, master: null });
  const elsewhere = (open: ReadonlyMap<number, string>): ReadonlyMap<number, string> =>
    new Map([...open].filter(([, other]) => other !== id));
  return {
    ...withOwner(state, state.owners.slotsOf(id), undefined),
    nodes,
    migrating: elsewhere(state.migrating),
    importing: elsewhere(state.importing),
  };
}

/** `keys`: how many keys this node holds. */
export function replicate(state: ClusterState, id: string, keys: number): Outcome {
  const node = state.nodes.get(id);
  if (node === undefined) return refuse(`Unknown node ${id}`);
  if (id === state.myself) return refuse("Can't replicate myself");
  if (node.role === 'replica') return refuse('I can only replicate a master, not a replica.');
  if (me(state).role === 'master' && (slotsOwned(state, state.myself) > 0 || keys > 0)) {
    return refuse('To set a master the node must be empty and without assigned slots.');
  }
  if (me(state).master === id) return { state, effects: [] };
  return followStep(state, id);
}

/** `newId` given: a hard reset, which forgets the epochs and the name too. */
export function reset(state: ClusterState, keys: number, newId?: string): Outcome {
  const mine = me(state);
  if (mine.role === 'master' && keys > 0) {
    return refuse("CLUSTER RESET can't be called with master nodes containing keys");
  }
  const fresh = newState(newId ?? state.myself, mine);
  const node = { ...fresh.nodes.get(fresh.myself)!, configEpoch: newId === undefined ? mine.configEpoch : 0 };
  const epochs = newId === undefined ? { currentEpoch: state.currentEpoch, lastVoteEpoch: state.lastVoteEpoch } : {};
  const unlinked = [...state.nodes.keys()].filter((id) => id !== state.myself);
  const wasReplica: Step['effects'] = mine.role === 'replica' ? [{ kind: 'promote' }, { kind: 'flush' }] : [];
  return {
    state: { ...fresh, ...epochs, nodes: new Map([[node.id, node]]) },
    effects: [...wasReplica, ...unlinked.map((id) => ({ kind: 'unlink', id }) as const), { kind: 'save' }],
  };
}
