// Where a command says something: text for people or JSON for programs on stdout, progress and complaints on stderr.
// Owns: whether there are colours and bars: on a terminal, not in a pipe, not with NO_COLOR.
// Invariant: with --json stdout holds JSON and nothing else.

import { styleText } from 'node:util';
import { table } from '../report.ts';

/** The part of a stream that is used; a test hands its own in. */
export interface Sink {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** A bar on a terminal; nothing in a pipe. */
export interface Progress {
  /** Somebody sees it: otherwise what it would say need not be found out. */
  readonly shown: boolean;
  /** `done` of `total`, and what to say beside the bar. */
  update(done: number, total: number, text?: string): void;
  /** Takes the bar away. */
  end(): void;
}

export type Paint = 'red' | 'green' | 'yellow' | 'blue' | 'magenta' | 'cyan' | 'gray' | 'bold' | 'dim';

export interface OutputOptions {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly json: boolean;
}

export class Output {
  readonly json: boolean;
  /** Colours on stdout. */
  readonly colour: boolean;
  /** Columns of the terminal; 80 in a pipe. */
  readonly width: number;
  /** stdout is a terminal. */
  readonly isTerminal: boolean;
  readonly #options: OutputOptions;
  #bar: Bar | undefined;

  constructor(options: OutputOptions) {
    this.#options = options;
    this.json = options.json;
    this.isTerminal = options.stdout.isTTY === true;
    this.colour = !options.json && hasColour(options.stdout, options.env);
    this.width = options.stdout.columns ?? 80;
  }

  /** A line for people; nothing with --json. */
  line(text = ''): void {
    if (!this.json) this.raw(`${text}\n`);
  }

  /** Columns for people; nothing with --json. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    this.line(table(head, rows));
  }

  /** The answer for programs, one document; nothing without --json. */
  answer(value: unknown): void {
    if (this.json) this.raw(`${JSON.stringify(value, undefined, 2)}\n`);
  }

  /** One of many answers, on a line of its own: of a command that goes on. Nothing without --json. */
  record(value: unknown): void {
    if (this.json) this.raw(`${JSON.stringify(value)}\n`);
  }

  /** To stderr, whatever the form of the answer. */
  note(text: string): void {
    this.#aside(() => this.#options.stderr.write(`${text}\n`));
  }

  /** To stdout as it is: cursor movements of a live view, say. */
  raw(text: string): void {
    this.#aside(() => this.#options.stdout.write(text));
  }

  paint(style: Paint | readonly Paint[], text: string): string {
    return this.colour ? paint(style, text) : text;
  }

  progress(label: string): Progress {
    const { stderr, env } = this.#options;
    if (stderr.isTTY !== true || this.json) return { shown: false, update: () => undefined, end: () => undefined };
    this.#bar?.end();
    this.#bar = new Bar(label, stderr, hasColour(stderr, env));
    return this.#bar;
  }

  /** What is written goes above the bar. */
  #aside(write: () => void): void {
    this.#bar?.hide();
    write();
    this.#bar?.show();
  }
}

function hasColour(stream: Sink, env: OutputOptions['env']): boolean {
  if ((env['NO_COLOR'] ?? '') !== '') return false;
  if ((env['FORCE_COLOR'] ?? '') !== '') return env['FORCE_COLOR'] !== '0';
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}

function paint(style: Paint | readonly Paint[], text: string): string {
  // The streams were judged above, with their own rules; newer versions of Node would judge stdout once more.
  const options = { validateStream: false } as object;
  return (styleText as (style: unknown, text: string, options: object) => string)(style, text, options);
}

const barCells = 24;

class Bar implements Progress {
  readonly shown = true;
  readonly #label: string;
  readonly #stream: Sink;
  readonly #coloured: boolean;
  #text: string | undefined;

  constructor(label: string, stream: Sink, coloured: boolean) {
    this.#label = label;
    this.#stream = stream;
    this.#coloured = coloured;
  }

  update(done: number, total: number, text = ''): void {
    const share = total > 0 ? Math.min(1, done / total) : 0;
    const cells = Math.round(share * barCells);
    const full = '█'.repeat(cells);
    const bar = `${this.#coloured ? paint('cyan', full) : full}${'░'.repeat(barCells - cells)}`;
    const rest = `${String(Math.floor(share * 100)).padStart(3)}%  ${text}`;
    const room = (this.#stream.columns ?? 80) - this.#label.length - barCells - 3;
    this.#text = `${this.#label} ${bar} ${rest.slice(0, Math.max(0, room))}`;
    this.show();
  }

  show(): void {
    if (this.#text !== undefined) this.#stream.write(`\r\u001b[2K${this.#text}`);
  }

  hide(): void {
    if (this.#text !== undefined) this.#stream.write('\r\u001b[2K');
  }

  end(): void {
    this.hide();
    this.#text = undefined;
  }
}
