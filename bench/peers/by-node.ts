// Grouping by hand, as a user has to do it for a client whose pipelines may not leave a node.

import { slotOf } from '../../lib/wire/slot.ts';
import { type BenchNode, ownersOf } from '../cluster/cluster.ts';
import type { Answers } from './peer.ts';

export class ByNode {
  readonly #owners: Uint8Array;
  readonly #count: number;

  constructor(nodes: readonly BenchNode[]) {
    this.#owners = ownersOf(nodes);
    this.#count = nodes.length;
  }

  /** Positions in `keys` by node; nodes without any are left out. */
  split(keys: readonly string[]): number[][] {
    const groups: number[][] = Array.from({ length: this.#count }, () => []);
    for (let index = 0; index < keys.length; index++) groups[this.#owners[slotOf(keys[index]!)]!]!.push(index);
    return groups.filter((group) => group.length > 0);
  }

  /** Sends each group with `send` and puts the answers in the order of keys. A group that fails fails all its keys. */
  async run(keys: readonly string[], send: (group: readonly number[]) => Promise<Answers>): Promise<unknown[]> {
    const results: unknown[] = new Array(keys.length);
    await Promise.all(
      this.split(keys).map(async (group) => {
        const answers: Answers = await send(group).catch((error: Error) => group.map(() => error));
        for (let at = 0; at < group.length; at++) results[group[at]!] = answers.at(at);
      }),
    );
    return results;
  }
}
