// Commands that took long, newest first, within the limits that CONFIG sets.

import type { Config } from '../config/config.ts';
import type { Client } from './client.ts';
import { redacted } from './redaction.ts';

export interface SlowEntry {
  readonly id: number;
  /** Seconds since the epoch. */
  readonly at: number;
  readonly microseconds: number;
  readonly argv: readonly string[];
  readonly address: string;
  readonly name: string;
}

const maxArguments = 32;
const maxArgumentLength = 128;

export class SlowLog {
  entries: SlowEntry[] = [];
  readonly #config: Config;
  /** Milliseconds; infinite: nothing is slow. */
  thresholdMs = 0;
  #nextId = 0;

  constructor(config: Config) {
    this.#config = config;
    this.#read();
    config.onChange((name) => {
      if (name.startsWith('slowlog-')) this.#read();
    });
  }

  /** `name` is the full name of the command, for what must not be shown. */
  note(client: Client, argv: readonly string[], spentMs: number, name: string): void {
    if (spentMs < this.thresholdMs) return;
    const entry = {
      id: this.#nextId++,
      at: Math.floor(client.world.wallClock() / 1000),
      microseconds: Math.round(spentMs * 1000),
      argv: shorten(redacted(name, argv)),
      address: client.sink.address,
      name: client.name,
    };
    this.entries.unshift(entry);
    this.#trim();
  }

  #read(): void {
    const threshold = this.#config.number('slowlog-log-slower-than');
    this.thresholdMs = threshold < 0 ? Number.POSITIVE_INFINITY : threshold / 1000;
    this.#trim();
  }

  #trim(): void {
    const max = this.#config.number('slowlog-max-len');
    if (this.entries.length > max) this.entries.length = max;
  }
}

function shorten(argv: readonly string[]): string[] {
  const kept = argv.length > maxArguments ? argv.slice(0, maxArguments - 1) : [...argv];
  const shown = kept.map((text) =>
    text.length > maxArgumentLength
      ? `${text.slice(0, maxArgumentLength)}... (${text.length - maxArgumentLength} more bytes)`
      : text,
  );
  if (argv.length > maxArguments) shown.push(`... (${argv.length - maxArguments + 1} more arguments)`);
  return shown;
}
