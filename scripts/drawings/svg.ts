// Small pure functions that make compact SVG.
// Owns: the look of all drawings: font, colours of the light and the dark theme.
// Does not know: what is drawn.
// Invariant: whole pixels only, so that the same drawing is the same text on every machine.

export interface Point {
  readonly x: number;
  readonly y: number;
}

export type Tone = 'plain' | 'good' | 'bad' | 'quiet';

const style =
  `text{font:13px system-ui,sans-serif;fill:#1f2328;text-anchor:middle}.k{paint-order:stroke;stroke:#fff;stroke-width:5}.h{font-weight:600}
.p{fill:#fff;stroke:#d0d7de}.l{stroke:#57606a;fill:none}.d{stroke:#57606a;stroke-dasharray:4 4;fill:none}.a{fill:#57606a}
.plain{fill:#ddf4ff;stroke:#0969da}.good{fill:#dafbe1;stroke:#1a7f37}.bad{fill:#ffebe9;stroke:#cf222e}
.quiet{fill:#f6f8fa;stroke:#8c959f}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.k{stroke:#0d1117}.p{fill:#0d1117;stroke:#30363d}.l,.d{stroke:#9198a1}.a{fill:#9198a1}
.plain{fill:#0c2d6b;stroke:#4493f8}.good{fill:#0f3b1d;stroke:#3fb950}.bad{fill:#5d1214;stroke:#f85149}
.quiet{fill:#161b22;stroke:#656c76}}`.replaceAll('\n', '');

const arrowHead =
  '<marker id="m" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="a" d="M0 0 8 4 0 8z"/></marker>';

/** `&`, `<` and quotes as entities. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

/** About as wide as the font draws it, in pixels; Chinese characters take the height of the font. */
export function widthOf(text: string): number {
  let width = 0;
  for (const letter of text) width += letter.charCodeAt(0) > 0x2e7f ? 13 : 7;
  return width;
}

/** `k`: with a halo, over lines; `h`: a heading. `x` is its middle, `y` its base line. */
export function label(text: string, { x, y }: Point, kind: '' | 'k' | 'h' = ''): string {
  const name = kind === '' ? '' : ` class="${kind}"`;
  return `<text x="${x}" y="${y}"${name}>${escaped(text)}</text>`;
}

/** `x` and `y` are its upper left corner. */
export function box(text: string, { x, y }: Point, width: number, tone: Tone = 'plain', height = 26): string {
  const shape = `<rect class="${tone}" x="${x}" y="${y}" width="${width}" height="${height}" rx="4"/>`;
  return shape + label(text, { x: x + Math.round(width / 2), y: y + Math.round(height / 2) + 5 });
}

export function line(from: Point, to: Point, kind: 'l' | 'd' = 'l'): string {
  return `<path class="${kind}" d="M${from.x} ${from.y} ${to.x} ${to.y}"/>`;
}

export function arrow(from: Point, to: Point, kind: 'l' | 'd' = 'l'): string {
  return `<path class="${kind}" marker-end="url(#m)" d="M${from.x} ${from.y} ${to.x} ${to.y}"/>`;
}

/** A whole drawing on a panel of its own, so that its text is readable on any page. */
export function drawing(title: string, width: number, height: number, body: string): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">`;
  const panel = `<rect class="p" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6"/>`;
  return `${head}<title>${escaped(title)}</title><style>${style}</style><defs>${arrowHead}</defs>${panel}${body}</svg>\n`;
}
