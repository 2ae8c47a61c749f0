// What the kernel knows of this process for the case that memory runs out (`oom-score-adj`).
// Owns: the score, while the parameter says so. Does not know: nodes; whether this one is a replica is asked.
// Invariant: a score that this process has changed is as it was before once the parameter is off again.

import { readFileSync, writeFileSync } from 'node:fs';
import type { World } from '../../lib/base/world.ts';
import type { Config } from '../config/config.ts';

const scoreFile = '/proc/self/oom_score_adj';
const most = 1000;
/** Of the three values of oom-score-adj-values: master, replica, child. */
const childKind = 2;

export interface OomScore {
  /** That of a child that writes a save; undefined: as this process has it. */
  ofChild(): number | undefined;
}

/** A node whose role counts. */
interface RoleOfNode {
  readonly isReplica: boolean;
  onRole(run: () => void): void;
}

/** Keeps the score as the parameters and the role say. Where there is no such file, nothing is done. */
export function keepOomScore(config: Config, world: World, node: RoleOfNode): OomScore {
  /** Before this process changed it; undefined: it has not. */
  let base: number | undefined;
  let written: number | undefined;

  const wanted = (): number | undefined => {
    const mode = config.get('oom-score-adj');
    if (mode === 'no') return base;
    base ??= Number(readFileSync(scoreFile, 'latin1'));
    return scoreOf(node.isReplica ? 1 : 0, base);
  };
  const scoreOf = (kind: number, from: number): number => {
    const value = Number(config.get('oom-score-adj-values').split(' ')[kind] ?? 0);
    const score = value + (config.get('oom-score-adj') !== 'absolute' ? from : 0);
    return Math.min(most, Math.max(-most, score));
  };
  const apply = (): void => {
    try {
      const score = wanted();
      if (score !== undefined && score !== written) writeFileSync(scoreFile, `${score}\n`);
      written = score;
    } catch (error) {
      world.log(`Unable to write oom_score_adj: ${(error as Error).message}`);
    }
    if (config.get('oom-score-adj') !== 'no') return;
    base = undefined;
    written = undefined;
  };
  config.onChange((name) => {
    if (name.startsWith('oom-score-adj')) apply();
  });
  node.onRole(() => {
    if (base !== undefined) apply();
  });
  if (config.get('oom-score-adj') !== 'no') apply();
  return {
    ofChild: () => (base === undefined || config.get('oom-score-adj') === 'no' ? undefined : scoreOf(childKind, base)),
  };
}
