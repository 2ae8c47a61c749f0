// The order of a node to the process that writes its save, as one argument of its command line. Pure.

import type { FileTarget } from '../persistence/saver/saver.ts';

export interface ChildOrder {
  readonly kind: 'rdb' | 'aof' | 'copy';
  readonly rdb: boolean;
  readonly checksum: boolean;
  /** Undefined: the bytes go to the descriptor 3. */
  readonly file?: FileTarget | undefined;
  /** A path; `''`: stdout. */
  readonly log: string;
  /** For oom_score_adj; undefined: as it is. */
  readonly score?: number | undefined;
}

export const streamDescriptor = 3;
/** Exit code of a process that was ended by SIGUSR1, as redis-server's children: that is no failure. */
export const unwantedCode = 255;

export function printOrder(order: ChildOrder): string {
  return JSON.stringify(order);
}

export function parseOrder(text: string | undefined): ChildOrder {
  return JSON.parse(text ?? 'null') as ChildOrder;
}
