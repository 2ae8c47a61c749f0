// The world of a node that is a process of its own: its log has redis-server's form and goes to stdout or a file.

import { appendFileSync } from 'node:fs';
import { type NotingWorld, RealWorld } from '../../lib/base/world.ts';
import { logLine } from './log-line.ts';

export class ProcessWorld extends RealWorld implements NotingWorld {
  /** A path; `''`: stdout. */
  logFile = '';
  /** M a master, S a replica, C not up yet. */
  role: () => 'M' | 'S' | 'C' = () => 'C';

  /** `loglevel`: what goes well is left out at `warning`, and details are left out but at `verbose` and `debug`. */
  level: () => string = () => 'notice';

  override log(line: string): void {
    this.#write('#', line);
  }

  note(line: string): void {
    if (this.level() !== 'warning') this.#write('*', line);
  }

  verbose(line: string): void {
    const level = this.level();
    if (level === 'verbose' || level === 'debug') this.#write('-', line);
  }

  #write(mark: '#' | '*' | '-', line: string): void {
    const text = logLine(this.role(), new Date(this.wallClock()), mark, line);
    try {
      if (this.logFile === '') process.stdout.write(text);
      else appendFileSync(this.logFile, text);
    } catch {
      // A full disk must not end a node that could otherwise go on.
    }
  }
}
