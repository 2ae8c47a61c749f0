// One command as several: parts go out in one tick, each on its own slot with its own redirects, and what comes back
// is stitched into one reply. Not atomic: when a part fails, the error tells exactly which parts did and which did not.

import { PartialFailureError, type PartOutcome } from '../base/errors.ts';
import type { Call, CallGroup } from '../connection/call.ts';

export interface Part {
  readonly call: Call;
  /** What this part is about, for errors: its keys, or its shard's slot. */
  readonly subject: readonly (string | Uint8Array)[];
}

export class Split implements CallGroup {
  readonly #parent: Call;
  readonly #parts: readonly Part[];
  readonly #join: (values: readonly unknown[]) => unknown;
  readonly #outcomes: PartOutcome[];
  #open: number;

  /** Settles `parent` with `join(values)` once all parts are in; values come in the order of parts. */
  constructor(parent: Call, parts: readonly Part[], join: (values: readonly unknown[]) => unknown) {
    this.#parent = parent;
    this.#parts = parts;
    this.#join = join;
    this.#outcomes = new Array<PartOutcome>(parts.length);
    this.#open = parts.length;
    parts.forEach(({ call }, index) => {
      call.group = this;
      call.index = index;
      call.moment = parent.moment;
    });
  }

  settled(call: Call, error: Error | null, value: unknown): void {
    this.#outcomes[call.index] = { subject: this.#parts[call.index]!.subject, error, value };
    if (--this.#open === 0) this.#finish();
  }

  #finish(): void {
    const failed = this.#outcomes.filter(({ error }) => error !== null);
    if (failed.length === 0) this.#parent.settle(this.#join(this.#outcomes.map(({ value }) => value)));
    else if (failed.length === this.#outcomes.length) this.#parent.fail(failed[0]!.error!);
    else this.#parent.fail(new PartialFailureError(this.#parent.name, this.#outcomes));
  }
}
