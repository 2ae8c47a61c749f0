// What the demo shows while it runs: on a terminal a slot map that is drawn again and again below the text, in a pipe a
// line now and then.
// Owns: the lines of the panel. Invariant: text that is said stands above the panel, and stop() leaves none behind.

import type { Cluster } from '../../lib/index.ts';
import type { Output, Paint } from './cli/output.ts';
import type { Traffic } from './demo-traffic.ts';

const cellCount = 256;
const perCell = 16_384 / cellCount;
/** Cells in a row of the map: as many as fit beside its margins. */
const rowLengths = [64, 32, 16] as const;
const margin = 4;
const paints: readonly Paint[] = ['cyan', 'green', 'yellow', 'magenta', 'blue', 'red'];
const [drawMs, lineMs] = [100, 1000];

export class DemoView {
  readonly #out: Output;
  readonly #cluster: Cluster;
  readonly #traffic: Traffic;
  /** Address -> its letter's place, in order of appearance. */
  readonly #letters = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #drawn = 0;
  #started = 0;
  #last = { at: 0, calls: 0 };

  constructor(out: Output, cluster: Cluster, traffic: Traffic) {
    this.#out = out;
    this.#cluster = cluster;
    this.#traffic = traffic;
  }

  say(text: string): void {
    this.#erase();
    this.#out.line(text);
    if (this.#timer !== undefined && this.#out.isTerminal) this.#draw();
  }

  start(): void {
    if (this.#out.json) return;
    this.#started = performance.now();
    this.#last = { at: this.#started, calls: this.#traffic.calls };
    const live = this.#out.isTerminal;
    this.#timer = setInterval(() => (live ? this.#redraw() : this.#line()), live ? drawMs : lineMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#erase();
  }

  #line(): void {
    this.#out.line(
      `  ${((performance.now() - this.#started) / 1000).toFixed(0).padStart(3)} s  ${this.#figures().join('  ')}  ${this.#shares()}`,
    );
  }

  #redraw(): void {
    this.#erase();
    this.#draw();
  }

  #draw(): void {
    const figures = foldParts(this.#figures(), this.#out.width - margin);
    const lines = ['', ...this.#picture(), `  ${this.#shares()}`, ...figures.map((line) => `  ${line}`)];
    this.#out.raw(`${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }

  #erase(): void {
    if (this.#drawn > 0) this.#out.raw(`\u001b[${this.#drawn}A\u001b[0J`);
    this.#drawn = 0;
  }

  #figures(): string[] {
    const [now, { calls, failed, waiting, longest }] = [performance.now(), this.#traffic];
    const rate = Math.round(((calls - this.#last.calls) / Math.max(1, now - this.#last.at)) * 1000);
    this.#last = { at: now, calls };
    const { moved, ask, retried } = this.#cluster.stats().redirects;
    return [
      `${rate.toLocaleString('en').padStart(7)} calls/s`,
      `longest ${longest.toFixed(0)} ms`,
      `MOVED ${moved}`,
      `ASK ${ask}`,
      `again ${retried}`,
      `waiting ${waiting}`,
      `failed ${failed}`,
    ];
  }

  /** Slots by master, as the client's own map has it. */
  #shares(): string {
    const counts = new Map<string, number>();
    for (const [master = '-'] of this.#cluster.slots) counts.set(master, (counts.get(master) ?? 0) + 1);
    return [...counts]
      .map(([master, count]) => {
        const at = this.#placeOf(master);
        return this.#out.paint(paints[at % paints.length]!, `${letterOf(at)} ${master.split(':').at(-1)} ${count}`);
      })
      .join('  ');
  }

  #picture(): string[] {
    const { slots } = this.#cluster;
    const columns = rowLengths.find((length) => length + margin <= this.#out.width) ?? rowLengths.at(-1)!;
    const cells = Array.from({ length: cellCount }, (_, cell) => {
      const owners = new Map<string, number>();
      for (let slot = cell * perCell; slot < (cell + 1) * perCell; slot++) {
        const owner = slots[slot]?.[0] ?? '-';
        owners.set(owner, (owners.get(owner) ?? 0) + 1);
      }
      const [most] = [...owners].sort(([, one], [, other]) => other - one)[0]!;
      const at = this.#placeOf(most);
      const text = owners.size > 1 ? '▒' : '█';
      return this.#out.paint(paints[at % paints.length]!, this.#out.colour ? text : letterOf(at));
    });
    const rows = cellCount / columns;
    return Array.from({ length: rows }, (_, row) => `  ${cells.slice(row * columns, (row + 1) * columns).join('')}`);
  }

  #placeOf(address: string): number {
    const known = this.#letters.get(address);
    if (known !== undefined) return known;
    this.#letters.set(address, this.#letters.size);
    return this.#letters.size - 1;
  }
}

/** Lines of at most `width` columns: one that the terminal wraps would not be erased whole. */
function foldParts(parts: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const longer = `${lines.at(-1)}  ${part}`;
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines;
}

const letterOf = (place: number): string => String.fromCharCode(65 + (place % 26));
