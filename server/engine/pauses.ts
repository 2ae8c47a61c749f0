// Why requests of clients wait at a node, purpose by purpose: CLIENT PAUSE, a failover, a shutdown.
// Owns: the pauses and the requests that wait for their end, in the order in which they came.
// Does not know: commands; whoever asks says whether what it has to run is held by a pause of writes.
// Invariants: the strictest pause counts; each purpose ends its own pause and no other; what waited runs again, from
// its first check on, once the strictest pause has become less strict.

import type { Timer, World } from '../../lib/base/world.ts';

export type PausePurpose = 'client command' | 'failover' | 'shutdown';

/** `writes`: what could change data or reaches replicas. `all`: every request. */
export type PauseKind = 'writes' | 'all';

interface Pause {
  readonly kind: PauseKind;
  /** World ms. */
  readonly until: number;
}

const forEver = Number.MAX_SAFE_INTEGER;
const longestTimer = 0x7fff_ffff;

export class Pauses {
  /** What waits now; undefined: nothing does. Read before every command. */
  kind: PauseKind | undefined = undefined;
  readonly #world: World;
  readonly #pauses = new Map<PausePurpose, Pause>();
  readonly #waiting = new Set<() => void>();
  readonly #listeners: (() => void)[] = [];
  #timer: Timer | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  has(purpose: PausePurpose): boolean {
    return this.#pauses.has(purpose);
  }

  /** Called when the kind of pause has changed, before what waited runs again. */
  onChange(run: () => void): void {
    this.#listeners.push(run);
  }

  /** Pauses for `ms`, by default until resume(). A pause of the same purpose only becomes longer and stricter. */
  pause(purpose: PausePurpose, kind: PauseKind, ms: number = forEver): void {
    const held = this.#pauses.get(purpose);
    const until = ms >= forEver ? forEver : this.#world.now() + ms;
    this.#pauses.set(purpose, {
      kind: held?.kind === 'all' ? 'all' : kind,
      until: Math.max(held?.until ?? 0, until),
    });
    this.#review();
  }

  resume(purpose: PausePurpose): void {
    if (this.#pauses.delete(purpose)) this.#review();
  }

  /** `run` is called when a pause has ended or become less strict. Gives back what forgets it. */
  wait(run: () => void): () => void {
    this.#waiting.add(run);
    return () => void this.#waiting.delete(run);
  }

  #review(): void {
    const now = this.#world.now();
    for (const [purpose, { until }] of this.#pauses) if (until <= now) this.#pauses.delete(purpose);
    this.#setTimer(now);
    const before = this.kind;
    this.kind = this.#strictest();
    if (this.kind === before) return;
    for (const run of this.#listeners) run();
    // What is still paused comes back here by itself.
    if (this.kind === undefined || before === 'all') this.#release();
  }

  #strictest(): PauseKind | undefined {
    if (this.#pauses.size === 0) return undefined;
    return [...this.#pauses.values()].some(({ kind }) => kind === 'all') ? 'all' : 'writes';
  }

  #setTimer(now: number): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const next = Math.min(...[...this.#pauses.values()].map(({ until }) => until));
    if (next >= forEver) return;
    this.#timer = this.#world.after(Math.min(Math.ceil(next - now), longestTimer), () => this.#review());
  }

  #release(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const run of waiting) run();
  }
}
