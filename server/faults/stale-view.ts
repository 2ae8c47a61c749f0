// A node whose view of the slots is stale or wrong: what its clients are shown, while the node and its peers go by the
// truth. Owns the slots it lies about; gives one view for one state, so that who compares them sees that nothing changed.

import { type ClusterState, withOwner } from '../cluster/state.ts';

export class StaleView {
  readonly #owners = new Map<number, string>();
  #shown: { readonly of: ClusterState; readonly state: ClusterState } | undefined;

  /** Clients get the answer that `slot` belongs to the node `id`; undefined: the truth again. */
  setOwner(slot: number, id: string | undefined): void {
    if (id === undefined) this.#owners.delete(slot);
    else this.#owners.set(slot, id);
    this.#shown = undefined;
  }

  /** The truth again, for every slot. */
  clear(): void {
    this.#owners.clear();
    this.#shown = undefined;
  }

  /** What clients are shown of `state`. */
  readonly of = (state: ClusterState): ClusterState => {
    if (this.#owners.size === 0) return state;
    if (this.#shown?.of !== state) this.#shown = { of: state, state: this.#withLies(state) };
    return this.#shown.state;
  };

  #withLies(state: ClusterState): ClusterState {
    let shown = state;
    for (const [slot, id] of this.#owners) if (state.nodes.has(id)) shown = withOwner(shown, [slot], id);
    return shown;
  }
}
