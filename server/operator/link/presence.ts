// Two operators at work in one cluster notice each other: whoever changes owners gives a connection to every master a
// name (CLIENT SETNAME), and looks for such names of others (CLIENT LIST). Nothing is stored in the cluster, and what
// an operator leaves behind when it is killed goes with its sockets.
// Owns: those connections and their names.
// Invariant: of two that enter at the same time at most one is let in.

import { hostname } from 'node:os';
import type { Argv } from '../../../lib/connection/exchange.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import type { ClusterLink, NodeAddress } from './cluster-link.ts';

/** Another operator is at work; the message says which, and where. */
export class OperatorBusyError extends Error {
  override get name(): string {
    return 'OperatorBusyError';
  }
}

const mark = 'lingcache-operator';
/** A lane of its own: the name must stay as long as it is meant. */
const lane = 64;
const pollMs = 50;
const claimMs = 3000;
const listArgv: Argv = ['CLIENT', 'LIST'];

const presences = new WeakMap<ClusterLink, OperatorPresence>();

/** Whoever shares a link is one operator. */
export function presenceOf(link: ClusterLink): OperatorPresence {
  const known = presences.get(link);
  if (known !== undefined) return known;
  const presence = new OperatorPresence(link);
  presences.set(link, presence);
  return presence;
}

type Stage = 'claims' | 'works';

class OperatorPresence {
  readonly #link: ClusterLink;
  readonly #id: string;
  #nodes: readonly NodeAddress[] = [];
  #inside = 0;
  #entering: Promise<void> | undefined;

  constructor(link: ClusterLink) {
    this.#link = link;
    const random = Array.from({ length: 12 }, () => Math.floor(link.world.random() * 36).toString(36)).join('');
    this.#id = `${random}:${hostname().replace(/[^\w.-]/g, '_')}:${process.pid}`;
  }

  /**
   * Resolves once no other operator is at work at any of these masters. Rejects with an OperatorBusyError when one is.
   * May be entered several times; the last leave() takes the names away.
   */
  async enter(masters: readonly NodeAddress[]): Promise<void> {
    this.#inside++;
    try {
      this.#entering ??= this.#claim(masters).catch((error: Error) => {
        this.#entering = undefined;
        throw error;
      });
      await this.#entering;
    } catch (error) {
      this.#inside--;
      throw error;
    }
  }

  async leave(): Promise<void> {
    if (--this.#inside > 0 || this.#entering === undefined) return;
    this.#entering = undefined;
    await this.#name(this.#nodes, '');
  }

  async #claim(masters: readonly NodeAddress[]): Promise<void> {
    this.#nodes = masters;
    await this.#name(masters, this.#nameAs('claims'));
    const end = this.#link.world.now() + claimMs;
    for (;;) {
      const others = await this.#others(masters);
      const blocking = others.find(({ stage, id }) => stage === 'works' || id < this.#id);
      if (blocking !== undefined || this.#link.world.now() > end) {
        await this.#name(masters, '');
        const [, host, pid] = (blocking ?? others[0])!.id.split(':');
        throw new OperatorBusyError(`another operator is changing this cluster (process ${pid} on ${host})`);
      }
      // One that came at the same moment may have looked before this one had its name: it goes on, or gives way.
      if (others.length === 0) break;
      await new Promise<void>((resolve) => void this.#link.world.after(pollMs, resolve, true));
    }
    await this.#name(masters, this.#nameAs('works'));
  }

  #nameAs(stage: Stage): string {
    return `${mark}:${stage}:${this.#id}`;
  }

  /** A node that cannot be asked cannot be changed by anybody either. */
  async #name(nodes: readonly NodeAddress[], name: string): Promise<void> {
    await Promise.all(nodes.map((node) => this.#say(node, ['CLIENT', 'SETNAME', name])));
  }

  async #say(node: NodeAddress, argv: Argv): Promise<unknown> {
    const [reply] = await this.#link.exchange(node, [argv], this.#link.timeoutMs, lane).catch(() => [undefined]);
    if (!(reply instanceof ReplyError)) return reply;
    this.#link.world.log(`other operators cannot be seen at ${node.host}:${node.port}: ${reply.message}`);
    return undefined;
  }

  async #others(nodes: readonly NodeAddress[]): Promise<{ stage: Stage; id: string }[]> {
    const lists = await Promise.all(nodes.map((node) => this.#say(node, listArgv)));
    const pattern = new RegExp(` name=${mark}:(claims|works):(\\S+) `, 'g');
    return lists.flatMap((list) =>
      [...String(list ?? '').matchAll(pattern)]
        .map(([, stage, id]) => ({ stage: stage as Stage, id: id! }))
        .filter(({ id }) => id !== this.#id),
    );
  }
}
