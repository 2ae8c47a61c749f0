// The last step of a move: the slot becomes the target's, and every reachable master gets SETSLOT at once. Slots that are
// ready for the same target at the same time are decided together: one look at the epochs, one write to each node.
// Invariant: no slot is claimed under an epoch that its old owner may have overtaken, nor while the old owner has a key
// of it in any database.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, isMaster, isReachable, type MovingNode, RefusedError } from '../link/cluster-link.ts';
import { claimSlots } from './claim-slots.ts';
import { notGivable } from './empty-slots.ts';
import { type SlotRoute, setSlot } from './slot-commands.ts';

const onlyMasters = 'ERR Please use SETSLOT only with masters';
const epochPollMs = 5;
/** Slots decided at once: the commands of one write. */
const most = 512;
/** How long it is believed who the masters are; one that is left out hears by gossip. */
const mastersMs = 1000;

interface Waiting {
  readonly route: SlotRoute;
  readonly claimed: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Masters {
  readonly askedAt: number;
  readonly lines: readonly NodeLine[];
}

export class SlotAssigner {
  readonly #link: ClusterLink;
  /** By the target's address. */
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #masters = new Map<string, Masters>();

  constructor(link: ClusterLink) {
    this.#link = link;
  }

  /**
   * Gives the slot to `route.to`, once `route.from` is seen to have no key of it. Rejects when it has some, and when
   * either end does not take it. `claimed`: the new owner has taken it before; only the others may not know.
   */
  decide(route: SlotRoute, claimed = false): Promise<void> {
    return new Promise((resolve, reject) => {
      const name = addressOf(route.to);
      const waiting = this.#waiting.get(name);
      const entry = { route, claimed, resolve, reject };
      if (waiting !== undefined) {
        waiting.push(entry);
        return;
      }
      this.#waiting.set(name, [entry]);
      void this.#link.alone(() => this.#next(name));
    });
  }

  /** Decides what waits for this target by now. */
  async #next(name: string): Promise<void> {
    const waiting = this.#waiting.get(name)!;
    const batch = waiting.splice(0, most);
    if (waiting.length === 0) this.#waiting.delete(name);
    else void this.#link.alone(() => this.#next(name));
    try {
      const failures = await this.#decideAll(batch);
      for (const [at, { resolve, reject }] of batch.entries()) {
        const failure = failures[at];
        failure === undefined ? resolve() : reject(failure);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error as Error);
    }
  }

  /** For each one why it failed; undefined: it did not. */
  async #decideAll(waiting: readonly Waiting[]): Promise<(Error | undefined)[]> {
    const { to } = waiting[0]!.route;
    const sources = new Map(waiting.map(({ route: { from } }) => [addressOf(from), from]));
    const [masters] = await Promise.all([this.#mastersAs(to), untilKnows(this.#link, to, [...sources.values()])]);
    const failures = await this.#failuresOf(waiting, (source, routes) => notGivable(this.#link, source, routes));
    const open = waiting.map(({ route }) => route).filter((_route, at) => failures[at] === undefined);
    if (open.length === 0) return failures;
    const claims = await this.#announce(to, open, to.id);
    const won = open.filter((_route, at) => claims[at] === undefined);
    const outcomes = new Map(open.map((route, at) => [route, claims[at]]));
    const others = masters.filter((node) => node.id !== to.id && !sources.has(addressOf(node)));
    await Promise.all([
      ...[...sources].map(async ([address, source]) => {
        const routes = won.filter(({ from }) => addressOf(from) === address);
        const answers = await this.#announce(source, routes, to.id);
        for (const [at, route] of routes.entries()) outcomes.set(route, answers[at]);
      }),
      // They would hear of it by gossip as well: whoever is out of reach learns it then.
      ...others.map((node) => this.#announce(node, won, to.id)),
    ]);
    return waiting.map(({ route }, at) => failures[at] ?? outcomes.get(route));
  }

  /** What `look` finds at each source, for those that are not claimed yet. */
  async #failuresOf(
    waiting: readonly Waiting[],
    look: (source: MovingNode, routes: readonly SlotRoute[]) => Promise<(Error | undefined)[]>,
  ): Promise<(Error | undefined)[]> {
    const found = new Map<Waiting, Error | undefined>();
    const sources = new Map(waiting.map(({ route: { from } }) => [addressOf(from), from]));
    await Promise.all(
      [...sources].map(async ([address, source]) => {
        const mine = waiting.filter(({ route, claimed }) => !claimed && addressOf(route.from) === address);
        if (mine.length === 0) return;
        const routes = mine.map(({ route }) => route);
        const answers = await look(source, routes).catch((error: Error) => routes.map(() => error));
        for (const [at, entry] of mine.entries()) found.set(entry, answers[at]);
      }),
    );
    return waiting.map((entry) => found.get(entry));
  }

  async #announce(node: MovingNode, ways: readonly SlotRoute[], owner: string): Promise<(Error | undefined)[]> {
    if (ways.length === 0) return [];
    const commands = ways.map(({ slot }) => setSlot(slot, 'NODE', owner));
    try {
      const mine = node.id === owner;
      const replies = await (mine
        ? claimSlots(
            this.#link,
            node,
            ways.map(({ slot }) => slot),
          )
        : this.#link.exchange(node, commands));
      return replies.map((reply, at) => {
        if (!(reply instanceof ReplyError)) return undefined;
        // A master that gave its last slot away is a replica by now.
        const left = reply.message.startsWith(onlyMasters) && !mine;
        return left ? undefined : new RefusedError(node, commands[at]!, reply.message);
      });
    } catch (error) {
      return ways.map(() => error as Error);
    }
  }

  /** The masters with slots that can be reached, as `node` sees them. */
  async #mastersAs(node: MovingNode): Promise<readonly NodeLine[]> {
    const name = addressOf(node);
    const now = this.#link.world.now();
    const known = this.#masters.get(name);
    if (known !== undefined && now - known.askedAt <= mastersMs) return known.lines;
    const view = await this.#link.viewOf(node);
    const lines = view.filter((line) => isMaster(line) && isReachable(line) && line.ranges.length > 0);
    this.#masters.clear();
    this.#masters.set(name, { askedAt: now, lines });
    return lines;
  }
}

function addressOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host}:${port}`;
}

/**
 * Waits until `node` has heard of every epoch that `others` have: it takes the next one for its claim, and an older one
 * would be overruled by a claim that one of them made meanwhile for something else, and the keys be dropped.
 */
export async function untilKnows(link: ClusterLink, node: MovingNode, others: readonly MovingNode[]): Promise<void> {
  const end = link.world.now() + link.timeoutMs;
  for (;;) {
    const [mine, ...theirs] = await Promise.all([node, ...others].map((one) => epochOf(link, one)));
    const newest = Math.max(...theirs);
    if (mine! >= newest) return;
    if (link.world.now() > end) {
      throw new Error(`${node.host}:${node.port} did not hear of epoch ${newest} within ${link.timeoutMs} ms`);
    }
    await new Promise<void>((resolve) => void link.world.after(epochPollMs, resolve, true));
  }
}

async function epochOf(link: ClusterLink, node: MovingNode): Promise<number> {
  const text = String(await link.ask(node, ['CLUSTER', 'INFO']));
  return Number(/cluster_current_epoch:(\d+)/.exec(text)?.[1] ?? 0);
}
