// Numbers and tables as people read them.

export interface Latencies {
  readonly median: number;
  readonly p99: number;
  readonly count: number;
}

/** Of milliseconds; zeros when there is nothing. */
export function latenciesOf(samples: readonly number[]): Latencies {
  const sorted = samples.toSorted((one, other) => one - other);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { median: at(0.5), p99: at(0.99), count: sorted.length };
}

export function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(3)} ms` : ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

export function perSecond(count: number, ms: number): string {
  return Math.round((count / ms) * 1000).toLocaleString('en');
}

/** Columns padded to their widest cell, two blanks between, indented by two. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd())
    .join('\n');
}

/** Ranges of slots in one cell; `-` when there are none. */
export function slotsText(ranges: readonly (readonly [start: number, end: number])[]): string {
  return ranges.map(([start, end]) => (start === end ? String(start) : `${start}-${end}`)).join(' ') || '-';
}
