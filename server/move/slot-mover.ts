// Moves one slot from node to node by the road every real cluster takes: open it on both sides, hand its keys over in
// batches, then decide the owner. Speaks RESP to the nodes and knows nothing else of them.
// Invariant: while it is open each key is at exactly one node, and the slot is decided only when the source is empty.

import type { World } from '../../lib/base/world.ts';
import { ReplyError } from '../../lib/wire/reply.ts';
import { PeerLink, type Words } from './peer-link.ts';

export interface MovingNode {
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

export interface MoveRoute {
  readonly slot: number;
  readonly source: MovingNode;
  readonly target: MovingNode;
  /** The other masters, which are told the outcome at once. */
  readonly others: readonly MovingNode[];
  /** Called around taking keys back: the target's clients wait meanwhile, and the source lets the keys in. */
  readonly onReturning: (returning: boolean) => void;
  /**
   * Runs the change of owner with no other change of owner in between: a source that won another slot meanwhile would
   * claim this one again under its new epoch, and the target would give its keys up.
   */
  readonly decide: <T>(change: () => Promise<T>) => Promise<T>;
  /** AUTH words for every node. */
  readonly auth?: readonly string[] | undefined;
}

export interface MoveOptions {
  /** Keys handed over in one exchange. Default 64. */
  readonly batch?: number;
  /** Milliseconds to wait between exchanges. Default 0. */
  readonly pauseMs?: number;
  /** Milliseconds that one exchange may take. Default 5000. */
  readonly timeoutMs?: number;
}

/** A slot half-moved. Both ends close it: call exactly one of them. */
export class SlotMove {
  readonly route: MoveRoute;
  readonly #world: World;
  readonly #batch: number;
  readonly #pauseMs: number;
  readonly #timeoutMs: number;
  readonly #links = new Map<string, PeerLink>();

  constructor(route: MoveRoute, world: World, options: MoveOptions = {}) {
    this.route = route;
    this.#world = world;
    this.#batch = options.batch ?? 64;
    this.#pauseMs = options.pauseMs ?? 0;
    this.#timeoutMs = options.timeoutMs ?? 5000;
  }

  /** Opens the slot: from now on the source answers ASK for keys that it does not have. */
  async begin(): Promise<void> {
    const { source, target } = this.route;
    try {
      await this.#setSlot(target, 'IMPORTING', source.id);
      await this.#setSlot(source, 'MIGRATING', target.id);
    } catch (error) {
      await this.#setSlot(target, 'STABLE').catch(() => undefined);
      this.#close();
      throw error;
    }
  }

  /** Hands over up to `limit` keys; how many there were. */
  async moveKeys(limit: number = this.#batch): Promise<number> {
    return this.#moveKeys(this.route.source, this.route.target, limit);
  }

  /** Hands over what is left and gives the slot to the target. Resolves to the number of keys moved by this call. */
  async commit(): Promise<number> {
    const { source, target, others, decide } = this.route;
    try {
      const moved = await this.#drain(source, target);
      await decide(async () => {
        await this.#setSlot(target, 'NODE', target.id);
        await this.#setSlot(source, 'NODE', target.id);
        for (const other of others) await this.#setSlot(other, 'NODE', target.id);
      });
      return moved;
    } finally {
      this.#close();
    }
  }

  /** Takes every key back and closes the slot where it was. Clients that were sent to the target wait until then. */
  async rollback(): Promise<void> {
    const { source, target, onReturning } = this.route;
    onReturning(true);
    try {
      await this.#drain(target, source);
      await this.#setSlot(source, 'STABLE');
      await this.#setSlot(target, 'STABLE');
    } finally {
      onReturning(false);
      this.#close();
    }
  }

  async #drain(from: MovingNode, to: MovingNode): Promise<number> {
    let moved = 0;
    for (;;) {
      const count = await this.#moveKeys(from, to, this.#batch);
      if (count === 0) return moved;
      moved += count;
      if (this.#pauseMs > 0) await new Promise<void>((resolve) => void this.#world.after(this.#pauseMs, resolve));
    }
  }

  async #moveKeys(from: MovingNode, to: MovingNode, limit: number): Promise<number> {
    const found = await this.#ask(from, ['CLUSTER', 'GETKEYSINSLOT', String(this.route.slot), String(limit)]);
    const keys = found as string[];
    if (keys.length === 0) return 0;
    const auth = this.route.auth === undefined ? [] : authOption(this.route.auth);
    const words = ['MIGRATE', to.host, String(to.port), '', '0', String(this.#timeoutMs)];
    await this.#ask(from, [...words, ...auth, 'KEYS', ...keys]);
    return keys.length;
  }

  async #setSlot(node: MovingNode, ...words: readonly string[]): Promise<void> {
    await this.#ask(node, ['CLUSTER', 'SETSLOT', String(this.route.slot), ...words]);
  }

  async #ask(node: MovingNode, words: Words): Promise<unknown> {
    const auth = this.route.auth;
    let link = this.#links.get(node.id);
    const fresh = link === undefined;
    if (link === undefined) {
      link = new PeerLink(node.host, node.port, this.#world);
      this.#links.set(node.id, link);
    }
    const commands = fresh && auth !== undefined ? [auth, words] : [words];
    const replies = await link.exchange(commands, this.#timeoutMs + 1000);
    const reply = replies.at(-1);
    if (reply instanceof ReplyError)
      throw new Error(`${node.host}:${node.port}: ${words.slice(0, 3).join(' ')}: ${reply.message}`);
    return reply;
  }

  #close(): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }
}

function authOption(auth: readonly string[]): string[] {
  return auth.length === 3 ? ['AUTH2', auth[1]!, auth[2]!] : ['AUTH', auth[1]!];
}
