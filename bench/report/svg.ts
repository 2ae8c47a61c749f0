// Bar charts as SVG text: panels side by side, in each one bar a client, lengths to the panel's own scale. Pure.

interface Bar {
  readonly label: string;
  readonly value: number;
  /** What stands at its end. */
  readonly text: string;
}

export interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const panelWidth = 400;
const labelWidth = 92;
const valueWidth = 104;
const barHeight = 15;
const gap = 4;
const titleHeight = 26;
const columns = 3;
const margin = 16;

const colours: Readonly<Record<string, string>> = {
  floor: '#9aa0a6',
  lingcache: '#c2410c',
  'ioredis-auto': '#1d4ed8',
  ioredis: '#3b82f6',
  iovalkey: '#93c5fd',
  'node-redis': '#15803d',
  glide: '#7e22ce',
};

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** `notes` stand below the title, small. */
export function chart(title: string, notes: readonly string[], panels: readonly Panel[]): string {
  const head = 34 + notes.length * 14 + 10;
  const rows: Panel[][] = [];
  for (let at = 0; at < panels.length; at += columns) rows.push(panels.slice(at, at + columns));
  const heights = rows.map((row) => Math.max(...row.map(panelHeight)) + 18);
  const width = margin * 2 + columns * panelWidth;
  const height = head + heights.reduce((sum, one) => sum + one, 0) + margin;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(margin, 24, title, 'font-size="16" font-weight="600"'),
    ...notes.map((note, index) => text(margin, 42 + index * 14, note, 'fill="#5f6368"')),
  ];
  let top = head;
  rows.forEach((row, index) => {
    row.forEach((panel, column) => {
      parts.push(drawPanel(panel, margin + column * panelWidth, top));
    });
    top += heights[index]!;
  });
  parts.push('</svg>');
  return `${parts.join('\n')}\n`;
}

const panelHeight = (panel: Panel): number => titleHeight + panel.bars.length * (barHeight + gap);

function drawPanel(panel: Panel, left: number, top: number): string {
  const largest = Math.max(...panel.bars.map((bar) => (Number.isFinite(bar.value) ? bar.value : 0)), Number.MIN_VALUE);
  const room = panelWidth - labelWidth - valueWidth;
  const lines = [text(left, top + 14, panel.title, 'font-size="12" font-weight="600"')];
  panel.bars.forEach((bar, index) => {
    const y = top + titleHeight + index * (barHeight + gap);
    const length = Number.isFinite(bar.value) ? Math.max(1, (bar.value / largest) * room) : 0;
    const colour = colours[bar.label] ?? '#0f766e';
    lines.push(
      text(left + labelWidth - 6, y + 12, bar.label, 'text-anchor="end"'),
      `<rect x="${left + labelWidth}" y="${y}" width="${length.toFixed(1)}" height="${barHeight}" rx="2" fill="${colour}"/>`,
      text(left + labelWidth + length + 5, y + 12, bar.text, 'fill="#3c4043"'),
    );
  });
  return lines.join('\n');
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped(content)}</text>`;
}
