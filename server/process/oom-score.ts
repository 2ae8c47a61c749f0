// What the kernel knows of this process for the case that memory runs out (`oom-score-adj`).
// Owns: the score, while the parameter says so. Does not know: nodes; whether this one is a replica is asked.
// Invariant: a score that this process has changed is as it was before once the parameter is off again.

import { readFileSync, writeFileSync } from 'node:fs';
import type { Timer, World } from '../../lib/base/world.ts';
import type { Config } from '../config/config.ts';

const scoreFile = '/proc/self/oom_score_adj';
const most = 1000;
/** Milliseconds between two looks at the role. */
const lookMs = 1000;

/** The score that is kept. */
export interface OomScore {
  /** The role has changed. */
  review(): void;
  end(): void;
}

/** Keeps the score as the parameters and the role say. Where there is no such file, nothing is done. */
export function keepOomScore(config: Config, world: World, isReplica: () => boolean): OomScore {
  /** Before this process changed it; undefined: it has not. */
  let base: number | undefined;
  let written: number | undefined;
  let timer: Timer | undefined;

  const wanted = (): number | undefined => {
    const mode = config.get('oom-score-adj');
    if (mode === 'no') return base;
    base ??= Number(readFileSync(scoreFile, 'latin1'));
    const [primary = 0, replica = 0] = config.get('oom-score-adj-values').split(' ').map(Number);
    const score = (isReplica() ? replica : primary) + (mode !== 'absolute' ? base : 0);
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
  const review = (): void => {
    if (base !== undefined) apply();
  };
  // A cluster may know of a role before the data follows it.
  const watch = (): void => {
    timer = world.after(lookMs, () => {
      review();
      watch();
    });
  };
  config.onChange((name) => {
    if (name.startsWith('oom-score-adj')) apply();
  });
  if (config.get('oom-score-adj') !== 'no') apply();
  watch();
  return { review, end: () => timer?.cancel() };
}
