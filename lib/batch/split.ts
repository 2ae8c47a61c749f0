// One command as several: parts go out in one tick, each on its own slot with its own redirects, and what comes back
// is stitched into one reply. Not atomic: when a part fails, the error lists exactly which parts did and which did not.

import { PartialFailureError, type PartOutcome, RedisError } from '../base/errors.ts';
import type { Call, CallGroup } from '../connection/call.ts';

export interface Part {
  readonly call: Call;
  /** What this part is about, for errors: its keys, or its shard's slot. */
  readonly subject: readonly (string | Uint8Array)[];
}

/** Makes one reply of those of the parts, in their order; throws where one of them does not fit. */
export type Join = (values: readonly unknown[]) => unknown;

export class Split implements CallGroup {
  readonly #parent: Call;
  readonly #parts: readonly Part[];
  readonly #join: Join;
  readonly #outcomes: PartOutcome[];
  #open: number;

  /** Settles `parent` with `join(values)` once all parts are in; values come in the order of parts. */
  constructor(parent: Call, parts: readonly Part[], join: Join) {
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
    if (failed.length === 0) this.#succeed();
    else if (failed.length === this.#outcomes.length) this.#parent.fail(failed[0]!.error!);
    else this.#parent.fail(new PartialFailureError(this.#parent.name, this.#outcomes));
  }

  #succeed(): void {
    const values = this.#outcomes.map(({ value }) => value);
    let joined: unknown;
    try {
      joined = this.#join(values);
    } catch (cause) {
      const reply = String(JSON.stringify(values)).slice(0, 100);
      const text = `Unexpected reply to ${this.#parent.name.toUpperCase()}, of ${values.length} parts: ${reply}`;
      this.#parent.fail(new RedisError(text, { code: 'ERR_PROTOCOL', cause: cause as Error }));
      return;
    }
    this.#parent.settle(joined);
  }
}

/** For joins: throws TypeError when a part was answered by something else. */
export function counted(value: unknown): number {
  // With stringNumbers it comes as text.
  const digits = typeof value === 'string' && value !== '';
  const count = digits || typeof value === 'bigint' || typeof value === 'number' ? Number(value) : Number.NaN;
  if (Number.isNaN(count)) throw new TypeError('not a number');
  return count;
}

/** A number in the form of another: text with `stringNumbers`. */
export function like(model: unknown, value: number): unknown {
  return typeof model === 'string' ? String(value) : value;
}

export const sum: Join = (values) => {
  const total = values.reduce<number>((before, value) => before + counted(value), 0);
  return like(values[0], total);
};

/** For joins: throws TypeError when a part was answered by something else, or by an array of another length. */
export function listed(value: unknown, length?: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('not an array');
  if (length !== undefined && value.length !== length) throw new TypeError(`${value.length} items, not ${length}`);
  return value;
}
