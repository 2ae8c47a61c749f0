// Which commands a selector allows: everything or nothing to begin with, and the commands that differ from that.
// Invariant: print() gives rules that make the same set again.

import { allEntries, type CatalogEntry, categoryBit, categoryNames, entryOf } from './catalog.ts';

export class CommandSet {
  /** Commands that are not in `#differing` are allowed, later ones too. */
  #all = false;
  readonly #differing = new Set<string>();
  /** Command -> first arguments with which it is allowed although it is not as such. */
  readonly #firstArguments = new Map<string, string[]>();

  /** Nothing can be refused. */
  get unlimited(): boolean {
    return this.#all && this.#differing.size === 0;
  }

  copy(): CommandSet {
    const copy = new CommandSet();
    copy.#all = this.#all;
    for (const name of this.#differing) copy.#differing.add(name);
    for (const [name, list] of this.#firstArguments) copy.#firstArguments.set(name, [...list]);
    return copy;
  }

  /** By full name in lower case. */
  has(name: string): boolean {
    return this.#differing.has(name) !== this.#all;
  }

  /** Whether a call is allowed because of its first argument. */
  allowsFirst(name: string, argument: string | undefined): boolean {
    const list = this.#firstArguments.get(name);
    return list !== undefined && argument !== undefined && holds(list, argument);
  }

  setAll(allowed: boolean): void {
    this.#all = allowed;
    this.#differing.clear();
    this.#firstArguments.clear();
  }

  /** A container takes its subcommands along. */
  set({ name, subcommands }: CatalogEntry, allowed: boolean): void {
    this.#setOne(name, allowed);
    this.#firstArguments.delete(name);
    for (const sub of subcommands) this.#setOne(sub, allowed);
  }

  setCategory(bit: number, allowed: boolean): void {
    for (const entry of allEntries()) if ((entry.categories & bit) !== 0) this.set(entry, allowed);
  }

  allowFirst({ name }: CatalogEntry, argument: string): void {
    const list = this.#firstArguments.get(name);
    if (list === undefined) this.#firstArguments.set(name, [argument]);
    else if (!holds(list, argument)) list.push(argument);
  }

  /** The rules that make this set: `+@all` or `-@all`, the categories that come nearest, then single commands. */
  print(): string {
    const rules = [this.#all ? '+@all' : '-@all'];
    const printed = new CommandSet();
    printed.setAll(this.#all);
    const rest = this.copy();
    const applied = new Set<string>();
    for (;;) {
      const best = rest.#nearestCategory(applied);
      if (best === undefined) break;
      rules.push(`${this.#all ? '-' : '+'}@${best}`);
      printed.setCategory(categoryBit(best), !this.#all);
      rest.setCategory(categoryBit(best), this.#all);
      applied.add(best);
    }
    this.#printSingles(printed, rules);
    return rules.join(' ');
  }

  #setOne(name: string, allowed: boolean): void {
    if (allowed === this.#all) this.#differing.delete(name);
    else this.#differing.add(name);
  }

  /** The category most of which differs, with the fewest that do not. */
  #nearestCategory(applied: ReadonlySet<string>): string | undefined {
    if (this.#differing.size === 0) return undefined;
    let best: { name: string; same: number; other: number } | undefined;
    for (const name of categoryNames) {
      if (applied.has(name)) continue;
      const { same, other } = this.#countCategory(categoryBit(name));
      if (same <= other) continue;
      const better = best === undefined || other < best.other || (other === best.other && same > best.same);
      if (better) best = { name, same, other };
    }
    return best?.name;
  }

  #countCategory(bit: number): { same: number; other: number } {
    let same = 0;
    let other = 0;
    for (const entry of allEntries()) {
      if ((entry.categories & bit) === 0) continue;
      if (this.#differing.has(entry.name)) same++;
      else other++;
    }
    return { same, other };
  }

  #printSingles(printed: CommandSet, rules: string[]): void {
    for (const entry of allEntries()) {
      const allowed = this.has(entry.name);
      if (allowed !== printed.has(entry.name)) {
        rules.push(`${allowed ? '+' : '-'}${entry.name}`);
        printed.set(entry, allowed);
      }
      if (allowed) continue;
      for (const argument of this.#firstArguments.get(entry.name) ?? []) rules.push(`+${entry.name}|${argument}`);
    }
  }
}

function holds(list: readonly string[], argument: string): boolean {
  const lower = argument.toLowerCase();
  return list.some((known) => known.toLowerCase() === lower);
}

/** The command that a rule names, any letter case; undefined: there is none. */
export function entryByName(name: string): CatalogEntry | undefined {
  return entryOf(name.toLowerCase());
}
