// The world of a node that is a process of its own: its log has redis-server's form and goes to stdout or a file.

import { appendFileSync } from 'node:fs';
import { type NotingWorld, RealWorld } from '../../lib/base/world.ts';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

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
    const text = `${process.pid}:${this.role()} ${stamp(new Date(this.wallClock()))} ${mark} ${line}\n`;
    try {
      if (this.logFile === '') process.stdout.write(text);
      else appendFileSync(this.logFile, text);
    } catch {
      // A full disk must not end a node that could otherwise go on.
    }
  }
}

/** `22 Nov 2026 18:57:22.123`, local time. */
function stamp(at: Date): string {
  const two = (value: number, width = 2): string => String(value).padStart(width, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${two(at.getMilliseconds(), 3)}`;
  return `${two(at.getDate())} ${months[at.getMonth()]} ${at.getFullYear()} ${time}`;
}
