// MONITOR: every command that runs, as one line of text, to those who watch.

import { Flag } from '../../lib/command/flags.ts';
import type { CommandRow } from '../../lib/command/table.ts';
import { Status } from '../../lib/wire/reply.ts';
import type { Client } from './client.ts';
import { redacted } from './redaction.ts';

/** Administrative commands are not shown, and of others no secrets. */
export function feedMonitors(
  monitors: ReadonlySet<Client>,
  client: Client,
  row: CommandRow,
  argv: readonly string[],
): void {
  if ((row.flags & (Flag.skipMonitor | Flag.admin)) === 0) feedScriptCall(monitors, client, redacted(row.name, argv));
}

/** For a command that feeds monitors by itself: EVAL does so before the commands of its script. */
export function feedScriptCall(monitors: ReadonlySet<Client>, client: Client, argv: readonly string[]): void {
  const time = (client.world.wallClock() / 1000).toFixed(6);
  const args = argv.map(quote).join(' ');
  const line = new Status(`${time} [${client.store.index} ${client.sink.address}] ${args}`);
  for (const monitor of monitors) monitor.sink.send(line);
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

/** An argument in double quotes, bytes that do not print as \xHH. */
function quote(text: string): string {
  const body = text.replace(/[^ !#-[\]-~]/g, (char) => {
    return named[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return `"${body}"`;
}
