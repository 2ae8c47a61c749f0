// Writes server/command/info.generated.ts: what COMMAND INFO, DOCS and LIST of the bundled server answer from.
// One JSON text a command, so that a server which is never asked for them never parses them.
import type { Capture } from './capture.ts';
import { banner } from './table.ts';

function literal(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function record(entries: readonly (readonly [string, unknown])[]): string {
  return entries.map(([name, value]) => `  ${literal(name)}: ${literal(JSON.stringify(value))},`).join('\n');
}

export function infoFile(capture: Capture): string {
  return `${banner}
// ${capture.about.server}. Values are JSON, to be parsed when asked for; object keys keep the server's order.

/** Parsed shape of a \`commandInfo\` text: the COMMAND INFO row. Lists of flags, categories, tips and key specs as RESP3 has them. */
export type InfoRow = readonly [
  name: string,
  arity: number,
  flags: readonly string[],
  firstKey: number,
  lastKey: number,
  step: number,
  categories: readonly string[],
  tips: readonly string[],
  keySpecs: readonly InfoKeySpec[],
  subcommands: readonly InfoRow[],
];

export interface InfoKeySpec {
  readonly notes?: string;
  readonly flags: readonly string[];
  readonly begin_search: { readonly type: string; readonly spec: Readonly<Record<string, number | string>> };
  readonly find_keys: { readonly type: string; readonly spec: Readonly<Record<string, number | string>> };
}

/** Lower-case command name -> JSON of its COMMAND INFO row, subcommands inside. */
export const commandInfo: Readonly<Record<string, string>> = {
${record(capture.info.map((entry) => [entry[0], entry]))}
};

/** Lower-case command name -> JSON of its COMMAND DOCS map, subcommands inside. */
export const commandDocs: Readonly<Record<string, string>> = {
${record(Object.entries(capture.docs))}
};
`;
}
