// What a check gives: one thing that is wrong, where, and what to do about it. Types, and the form of their texts.

import { rangesOf } from '../reshard/slot-commands.ts';

/** `critical`: requests fail, or data is in danger. `warning`: they will when something else goes wrong. */
export type Severity = 'critical' | 'warning' | 'note';

export interface Finding {
  readonly severity: Severity;
  /** One word for the kind: `uncovered-slots`, `open-slot`, `epoch-collision`, ... */
  readonly kind: string;
  readonly what: string;
  /** Addresses or slots. */
  readonly where: readonly string[];
  readonly todo: string;
  /** `lingcache fix` does it. */
  readonly fixable: boolean;
}

/** Slots as Finding.where has them: `7`, `10-20`. */
export function rangeTexts(slots: readonly number[]): string[] {
  return rangesOf(slots).map(([start, end]) => (start === end ? String(start) : `${start}-${end}`));
}
