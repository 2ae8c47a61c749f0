// A small graph in text: one column a value, its label written downwards below. Pure.

export interface Point {
  readonly value: number;
  readonly label: string;
}

const columns = 80;
const rows = 4;
/** Within a row: low, middle, high. */
const marks = ['_', 'o', '#'];

/** Points beyond the width go on in a further graph below. */
export function sparkline(points: readonly Point[]): string {
  const values = points.map(({ value }) => value);
  const least = Math.min(...values);
  const span = Math.max(1, Math.max(...values) - least);
  let text = '';
  for (let from = 0; from < points.length; from += columns) {
    text += block(points.slice(from, from + columns), least, span);
  }
  return text;
}

function block(points: readonly Point[], least: number, span: number): string {
  const lines: string[] = [];
  const heights = points.map(({ value }) => Math.round(((value - least) / span) * (rows * marks.length - 1)));
  for (let row = rows - 1; row >= 0; row--) {
    const line = heights.map((height) => {
      const over = height - row * marks.length;
      if (over >= marks.length) return '|';
      return over < 0 ? ' ' : marks[over]!;
    });
    if (line.some((mark) => mark !== ' ')) lines.push(line.join(''));
  }
  lines.push('');
  const longest = Math.max(...points.map(({ label }) => label.length));
  for (let at = 0; at < longest; at++) lines.push(points.map(({ label }) => label[at] ?? ' ').join(''));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}
