// What the parent and the child of the redirect suite say to each other.

import type { BenchNode } from '../cluster/cluster.ts';
import type { ClientName } from '../peers/names.ts';

export interface OpenRequest {
  readonly client: ClientName;
  readonly nodes: readonly BenchNode[];
}

export interface BatchAnswer {
  readonly ms: number;
  /** Commands that came back as errors and had to be asked again. */
  readonly errors: number;
}

export interface ReadAnswer {
  /** Milliseconds of each read. */
  readonly ms: number[];
  readonly errors: number;
}

/** Those whose batch may hold any slots. The others get a burst of single commands, which they redirect one by one. */
export const crossesSlots: ReadonlySet<ClientName> = new Set<ClientName>(['lingcache', 'glide']);

export interface LoadRequest {
  /** Loops. */
  readonly width: number;
  /** Only keys of slots from the first to the last. */
  readonly slots: readonly [first: number, last: number];
}
