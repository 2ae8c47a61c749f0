// A cluster to measure on: masters only, whoever runs them.

export interface BenchNode {
  readonly host: string;
  readonly port: number;
  readonly id: string;
  /** Slots at the start, both ends included. */
  readonly slots: readonly [first: number, last: number];
}

export interface BenchCluster {
  readonly nodes: readonly BenchNode[];
  /** Name and version, for the report. */
  readonly version: string;
  stop(): Promise<void>;
}

/** An even share of the slots for master `index` of `masters`. */
export function shareOf(index: number, masters: number): [first: number, last: number] {
  const at = (part: number): number => Math.floor((16384 * part) / masters);
  return [at(index), at(index + 1) - 1];
}

/** slot -> index of the node that owned it at the start. */
export function ownersOf(nodes: readonly BenchNode[]): Uint8Array {
  const owners = new Uint8Array(16384);
  nodes.forEach(({ slots: [first, last] }, index) => {
    owners.fill(index, first, last + 1);
  });
  return owners;
}
