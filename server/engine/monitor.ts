// MONITOR: every command that runs, as one line of text, to those who watch.

import { Flag } from '../../lib/command/flags.ts';
import type { CommandRow } from '../../lib/command/table.ts';
import { Status } from '../../lib/wire/reply.ts';
import type { Client } from './client.ts';
import type { Engine } from './engine.ts';

export function feedMonitors(engine: Engine, client: Client, row: CommandRow, argv: readonly string[]): void {
  if ((row.flags & (Flag.skipMonitor | Flag.admin)) === 0) feedScriptCall(engine, client, argv);
}

/** For a call that its command tells of itself: EVAL does so before the commands of its script. */
export function feedScriptCall(engine: Engine, client: Client, argv: readonly string[]): void {
  const time = (engine.world.wallClock() / 1000).toFixed(6);
  const words = argv.map(quote).join(' ');
  const line = new Status(`${time} [${client.store.index} ${client.outlet.address}] ${words}`);
  for (const monitor of engine.monitors) monitor.outlet.send(line);
}

const named: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '"': '\\"',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\x07': '\\a',
  '\b': '\\b',
};

/** A word in double quotes, bytes that do not print as \xHH. */
function quote(text: string): string {
  const body = text.replace(/[^ !#-[\]-~]/g, (char) => {
    return named[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return `"${body}"`;
}
