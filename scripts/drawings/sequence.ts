// Sequence drawings: who says what to whom, in the order in which it happens, time downwards.
// Owns: the layout.
// Does not know: any protocol.
// Invariant: no text of a step is wider than the room between the lines it stands on.

import { arrow, box, drawing, label, line, type Tone, widthOf } from './svg.ts';

export type Step =
  /** A message; a lost one does not arrive. */
  | { readonly from: number; readonly to: number; readonly text: string; readonly lost?: boolean }
  /** What becomes of one actor. */
  | { readonly at: number; readonly note: string; readonly tone?: Tone };

export interface Sequence {
  readonly title: string;
  readonly actors: readonly string[];
  readonly steps: readonly Step[];
}

const [margin, top, rowHeight, bottom] = [20, 56, 34, 20];

/** Pixels between the life lines of two neighbours, so that every text fits. */
function spacingOf({ actors, steps }: Sequence): number {
  const widths = steps.map((step) =>
    'note' in step ? widthOf(step.note) + 30 : (widthOf(step.text) + 24) / Math.abs(step.to - step.from),
  );
  return Math.ceil(Math.max(...widths, ...actors.map((actor) => widthOf(actor) + 40), 120));
}

export function sequence(picture: Sequence): string {
  const { title, actors, steps } = picture;
  const spacing = spacingOf(picture);
  const xOf = (actor: number): number => margin + Math.round(spacing / 2) + actor * spacing;
  const height = top + steps.length * rowHeight + bottom;
  const heads = actors.map((actor, at) => {
    const width = widthOf(actor) + 24;
    const life = line({ x: xOf(at), y: 44 }, { x: xOf(at), y: height - 12 }, 'd');
    return life + box(actor, { x: xOf(at) - Math.round(width / 2), y: 16 }, width, 'quiet', 28);
  });
  const rows = steps.map((step, at) => rowOf(step, top + at * rowHeight, xOf));
  return drawing(title, 2 * margin + actors.length * spacing, height, heads.join('') + rows.join(''));
}

function rowOf(step: Step, y: number, xOf: (actor: number) => number): string {
  if ('note' in step) {
    const width = widthOf(step.note) + 18;
    return box(step.note, { x: xOf(step.at) - Math.round(width / 2), y: y + 3 }, width, step.tone ?? 'plain');
  }
  const [start, end] = [xOf(step.from), xOf(step.to)];
  const middle = Math.round((start + end) / 2);
  const text = label(step.text, { x: middle, y: y + 14 }, 'k');
  if (step.lost !== true) return text + arrow({ x: start, y: y + 22 }, { x: end, y: y + 22 });
  const x = Math.round(start + (end - start) * 0.85);
  const cross = `<path stroke="#cf222e" stroke-width="2" d="M${x - 5} ${y + 17}l10 10m0-10-10 10"/>`;
  return text + line({ x: start, y: y + 22 }, { x, y: y + 22 }, 'd') + cross;
}
