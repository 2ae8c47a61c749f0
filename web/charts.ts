// Lines over time, and events as marks on a time line, on canvases.

import type { EventRow, Totals } from '../server/operator/dashboard/protocol.ts';

/** Fits a canvas to its box and the pixels of the screen; gives its context in CSS pixels. */
function fitted(canvas: HTMLCanvasElement): { context: CanvasRenderingContext2D; width: number; height: number } {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const [wide, high] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = canvas.getContext('2d')!;
  context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

export interface Line {
  readonly colour: string;
  readonly figure: (totals: Totals) => number;
}

/** One chart for one or two lines from zero up; `history` ascending by time. Gives the greatest figure in it. */
export function drawLines(
  canvas: HTMLCanvasElement,
  history: readonly Totals[],
  lines: readonly Line[],
  edge: string,
): number {
  const { context, width, height } = fitted(canvas);
  context.strokeStyle = edge;
  context.lineWidth = 1;
  for (const share of [0, 0.5, 1]) {
    const y = Math.round(1 + share * (height - 3)) + 0.5;
    context.beginPath();
    context.moveTo(0, y);
    context.lineTo(width, y);
    context.stroke();
  }
  let most = 0;
  for (const { figure } of lines) for (const totals of history) most = Math.max(most, figure(totals));
  if (history.length < 2) return most;
  const [start, end] = [history[0]!.at, history.at(-1)!.at];
  const xOf = (at: number): number => ((at - start) / Math.max(1, end - start)) * width;
  const yOf = (value: number): number => height - 2 - (most === 0 ? 0 : (value / most) * (height - 5));
  for (const { colour, figure } of lines) {
    context.beginPath();
    for (const [at, totals] of history.entries()) {
      const [x, y] = [xOf(totals.at), yOf(figure(totals))];
      if (at === 0) context.moveTo(x, y);
      else context.lineTo(x, y);
    }
    context.strokeStyle = colour;
    context.lineWidth = 1.6;
    context.lineJoin = 'round';
    context.stroke();
    context.lineTo(width, height);
    context.lineTo(0, height);
    context.globalAlpha = 0.13;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
  }
  return most;
}

/** Marks over the time of the history. */
export function drawTimeline(
  canvas: HTMLCanvasElement,
  events: readonly EventRow[],
  history: readonly Totals[],
  colours: Readonly<Record<EventRow['severity'] | 'edge' | 'text', string>>,
): void {
  const { context, width, height } = fitted(canvas);
  const axis = Math.round(height / 2) - 5;
  context.fillStyle = colours.edge;
  context.fillRect(0, axis, width, 2);
  const end = history.at(-1)?.at ?? 0;
  const start = Math.min(history[0]?.at ?? 0, end - 60_000);
  const xOf = (at: number): number => 6 + ((at - start) / (end - start)) * (width - 12);
  context.font = '10px system-ui, sans-serif';
  context.fillStyle = colours.text;
  const label = (at: number): string =>
    new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false });
  if (end > 0) {
    context.textAlign = 'left';
    context.fillText(label(start), 0, height - 2);
    context.textAlign = 'right';
    context.fillText(label(end), width, height - 2);
  }
  for (const { at, severity, kind } of events) {
    if (at < start) continue;
    context.fillStyle = colours[severity];
    context.beginPath();
    context.arc(xOf(at), axis + 1, kind === 'failover' ? 6 : 4, 0, 7);
    context.fill();
  }
}
