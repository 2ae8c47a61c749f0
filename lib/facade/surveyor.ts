// Whom a survey asks, and how: the nodes at hand before the seeds, CLUSTER SLOTS and CLUSTER NODES over the pool's own
// sockets, each question under a deadline. What the answers mean is topology's business.

import { AbortError, RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { ownCall } from '../connection/call.ts';
import type { Keeper } from '../connection/keeper.ts';
import type { NodePool, PooledNode } from '../router/node-pool.ts';
import type { NatMap, Seed } from '../topology/seeds.ts';
import type { SurveyTarget } from '../topology/survey.ts';
import { viewOfNodes, viewOfSlots } from '../topology/view.ts';
import type { View } from '../topology/vote.ts';
import { parseNodes } from '../wire/cluster-nodes.ts';
import { ReplyError } from '../wire/reply.ts';

export interface SurveyorOptions {
  readonly seeds: () => readonly Seed[];
  /** Nodes to be asked after all others. */
  readonly last: (key: string) => boolean;
  readonly natMap: NatMap | undefined;
  /** Milliseconds for one answer. */
  readonly timeout: number;
  /** The client is closed or closing: a survey may outlive it, and must not open nodes again. */
  readonly isOver: () => boolean;
  /** A node that can be reached did not give its map: it refused, or did not answer in time. */
  readonly onRefused: (error: Error, key: string) => void;
}

export class Surveyor {
  readonly #pool: NodePool;
  readonly #world: World;
  readonly #options: SurveyorOptions;

  constructor(pool: NodePool, world: World, options: SurveyorOptions) {
    this.#pool = pool;
    this.#world = world;
    this.#options = options;
  }

  // Open sockets first, masters before replicas, in random order; then the seeds, so a cluster that moved away
  // altogether is found again.
  targets(): SurveyTarget[] {
    const weight = (node: PooledNode): number => (node.role === 'master' ? 0 : 1) + this.#world.random();
    const up = [...this.#pool.all()].filter(({ keeper }) => keeper.state === 'up' && !keeper.silent);
    const ranked = up.map((node) => ({ node, weight: weight(node) })).sort((one, other) => one.weight - other.weight);
    const keys = new Set(ranked.map(({ node }) => node.key));
    for (const seed of this.#options.seeds()) keys.add(seed.key);
    for (const node of this.#pool.all()) keys.add(node.key);
    const atHand = new Set(up.map(({ key }) => key));
    const { last } = this.#options;
    const inOrder = [...keys].filter((key) => !last(key)).concat([...keys].filter(last));
    return inOrder.map((key) => ({
      address: key,
      atHand: atHand.has(key),
      lead: () => this.#askView(key),
      witness: () => this.#askEpochs(key),
    }));
  }

  /** One question to one node; rejects with its refusal, its loss, or "timeout". */
  ask(keeper: Keeper, argv: readonly string[]): Promise<unknown> {
    const { call, answer } = ownCall(argv);
    const timer = this.#world.after(
      this.#options.timeout,
      () => call.fail(new RedisError('timeout', { code: 'ETIMEDOUT', node: keeper.address })),
      true,
    );
    if (!keeper.send(call)) call.fail(keeper.lastError ?? whyNot(keeper));
    return answer.finally(() => timer.cancel());
  }

  // Both questions leave in one write. A server that refuses CLUSTER NODES still gives a map, without epochs.
  async #askView(key: string): Promise<View> {
    const keeper = this.#open(key);
    if (keeper.state === 'resting') keeper.open();
    const slots = this.ask(keeper, ['cluster', 'slots']);
    const nodes = this.ask(keeper, ['cluster', 'nodes'])
      .then(parseNodes)
      .catch(() => []);
    return viewOfSlots(await this.#answerOf(slots, keeper), await nodes, key, this.#options.natMap);
  }

  // The loss of a connection is told by its own event.
  async #answerOf(slots: Promise<unknown>, keeper: Keeper): Promise<unknown> {
    try {
      return await slots;
    } catch (error) {
      const refused = error instanceof ReplyError || (error as { code?: unknown }).code === 'ETIMEDOUT';
      if (refused && (keeper.state === 'up' || keeper.state === 'dialing'))
        this.#options.onRefused(error as Error, keeper.address);
      throw error;
    }
  }

  async #askEpochs(key: string): Promise<View> {
    return viewOfNodes(await this.ask(this.#open(key), ['cluster', 'nodes']), key, this.#options.natMap);
  }

  #open(key: string): Keeper {
    if (this.#options.isOver()) throw new AbortError('Connection is closed.', { code: 'ERR_CLOSED' });
    return this.#pool.open(key).keeper;
  }
}

// A node that has been dialed for long takes no calls either.
function whyNot(keeper: Keeper): RedisError {
  const detail = { node: keeper.address };
  if (keeper.state === 'dialing') return new RedisError('timeout', { ...detail, code: 'ETIMEDOUT' });
  return new AbortError('Connection is closed.', detail);
}
