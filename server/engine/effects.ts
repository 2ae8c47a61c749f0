// What commands did to the data, on its way to the log and the replicas.
// Owns: the effects of the command that runs, until they leave together.
// Does not know: commands; whoever runs one says when it is over.
// Invariant: the effects of one command or transaction leave as one unit, in the order in which they came about.

import type { Effect, Ports } from './ports.ts';

/** `Effect.targets` of what goes everywhere. */
export const allTargets: number = 3;
const log = 1;
const replicas = 2;

export class Effects {
  /** Where the effects of what runs now go; scripts choose. */
  targets: number = allTargets;
  readonly #ports: Pick<Ports, 'persistence' | 'replication'>;
  #collected: Effect[] = [];

  constructor(ports: Pick<Ports, 'persistence' | 'replication'>) {
    this.#ports = ports;
  }

  get pending(): boolean {
    return this.#collected.length > 0;
  }

  collect(db: number, argv: readonly string[]): void {
    if (this.targets === 0 || (this.#ports.replication ?? this.#ports.persistence) === undefined) return;
    if (this.targets === allTargets) this.#collected.push({ db, argv });
    else this.#collected.push({ db, argv, targets: this.targets });
  }

  /** Sends on what was collected, as one unit. */
  flush(): void {
    if (this.#collected.length === 0) return;
    const effects = this.#collected;
    this.#collected = [];
    this.#send(effects);
  }

  /** Sends on what was collected, each effect on its own: keys that expired on the way are no transaction. */
  flushApart(): void {
    const effects = this.#collected;
    this.#collected = [];
    for (const effect of effects) this.#send([effect]);
  }

  #send(effects: readonly Effect[]): void {
    const { persistence, replication } = this.#ports;
    if (persistence?.loading === true) return;
    const logged = chosen(effects, log);
    if (logged.length > 0) persistence?.onEffects(logged);
    const replicated = chosen(effects, replicas);
    if (replicated.length > 0) replication?.onEffects(replicated);
  }
}

function chosen(effects: readonly Effect[], target: 1 | 2): readonly Effect[] {
  if (effects.every(({ targets }) => targets === undefined)) return effects;
  return effects.filter(({ targets }) => targets === undefined || (targets & target) !== 0);
}
