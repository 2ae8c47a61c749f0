// The biggest keys of a cluster, by type: bytes by MEMORY USAGE, elements by the command that counts them.

import type { ClusterLink } from '../link/cluster-link.ts';
import { type KeyScanOptions, type ScannedKey, type ScanOutcome, scanKeys, Top } from './key-scan.ts';

interface BigKey {
  readonly key: string;
  readonly type: string;
  readonly bytes: number;
  readonly database: number;
  readonly node: string;
}

interface TypeSum {
  readonly keys: number;
  readonly bytes: number;
  /** Biggest first. */
  readonly biggest: readonly BigKey[];
}

export interface BigKeys extends ScanOutcome {
  readonly types: Readonly<Record<string, TypeSum>>;
}

export interface BigKeyOptions extends KeyScanOptions {
  /** Keys listed of each type. Default 5. */
  readonly top?: number | undefined;
  /** Elements of a value that MEMORY USAGE looks at; 0: all. Default 5. */
  readonly samples?: number | undefined;
}

const maxTypes = 100;

export async function findBigKeys(link: ClusterLink, options: BigKeyOptions = {}): Promise<BigKeys> {
  const { top = 5, samples = 5 } = options;
  const sums = new Map<string, { keys: number; bytes: number; biggest: Top<BigKey> }>();
  const seen = (scanned: ScannedKey): void => {
    const [type, bytes] = scanned.replies;
    // A key that was deleted meanwhile has neither.
    if (typeof type !== 'string' || type === 'none' || typeof bytes !== 'number') return;
    const sum = sums.get(type) ?? { keys: 0, bytes: 0, biggest: new Top<BigKey>(top, (one) => one.bytes) };
    if (sums.size < maxTypes) sums.set(type, sum);
    sum.keys++;
    sum.bytes += bytes;
    sum.biggest.add({ key: scanned.key, type, bytes, database: scanned.database, node: scanned.node });
  };
  const questions = [
    [['TYPE'], []],
    [
      ['MEMORY', 'USAGE'],
      ['SAMPLES', String(samples)],
    ],
  ] as const;
  const outcome = await scanKeys(link, questions, seen, options);
  const types = [...sums].map(([type, { keys, bytes, biggest }]) => [type, { keys, bytes, biggest: biggest.entries }]);
  return { ...outcome, types: Object.fromEntries(types) as BigKeys['types'] };
}
