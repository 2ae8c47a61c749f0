// The help texts, made of what the commands declare: nothing is said twice. Pure.

import type { Command, OptionSpec, OptionTable } from './command.ts';
import { connectionOptions } from './connection.ts';

const changeOptions: OptionTable = {
  yes: { kind: 'flag', short: 'y', help: 'do it without asking' },
  plan: { kind: 'flag', help: 'show what would be done, and do nothing' },
};
const commonOptions: OptionTable = {
  json: { kind: 'flag', help: 'answer with JSON' },
};

/** All options of a command: its own, and those that it shares. */
export function optionsOf(command: Command): OptionTable {
  return {
    ...command.options,
    ...(command.changes === true ? changeOptions : {}),
    ...commonOptions,
    ...(command.connects === true ? connectionOptions : {}),
  };
}

export function usageLine(command: Command): string {
  const places = command.arguments.map(({ name, optional, rest }) => {
    const text = rest === true ? `${name} ...` : name;
    return optional === true ? `[${text}]` : text;
  });
  return ['Usage: lingcache', command.name, ...places, '[options]'].join(' ');
}

export function helpOf(command: Command, summary: string): string {
  const parts = [`${usageLine(command)}\n`, `${summary[0]!.toUpperCase()}${summary.slice(1)}.\n`];
  if (command.details !== undefined) parts.push(`${command.details}\n`);
  const described = command.arguments.filter((one) => one.help !== undefined);
  if (described.length > 0)
    parts.push(
      columns(
        'Arguments',
        described.map(({ name, help }) => [name, help!]),
      ),
    );
  const own = { ...command.options, ...(command.changes === true ? changeOptions : {}), ...commonOptions };
  parts.push(columns('Options', [...rowsOf(own), ['-h, --help', 'this text']]));
  if (command.connects === true) parts.push(columns('Connection', rowsOf(connectionOptions)));
  if (command.examples !== undefined)
    parts.push(`Examples:\n${command.examples.map((line) => `  ${line}\n`).join('')}`);
  return parts.join('\n');
}

function rowsOf(options: OptionTable): [string, string][] {
  return Object.entries(options).map(([name, spec]) => [optionText(name, spec), spec.help]);
}

function optionText(name: string, spec: OptionSpec): string {
  if (spec.kind === 'flag') return `${spec.short === undefined ? '' : `-${spec.short}, `}--${name}`;
  return `--${name} ${spec.kind === 'choice' ? spec.choices.join('|') : spec.value}`;
}

const widest = 30;

function columns(title: string, rows: readonly (readonly [string, string])[]): string {
  const width = Math.min(widest, Math.max(...rows.map(([left]) => left.length)));
  const lines = rows.map(([left, right]) => {
    return left.length > width ? `  ${left}\n  ${' '.repeat(width)}  ${right}` : `  ${left.padEnd(width)}  ${right}`;
  });
  return `${title}:\n${lines.join('\n')}\n`;
}

/** The commands under their headings. */
export function overview(groups: readonly (readonly [string, readonly (readonly [string, string])[]])[]): string {
  const width = Math.max(...groups.flatMap(([, commands]) => commands.map(([name]) => name.length)));
  const texts = groups.map(([title, commands]) => {
    return `${title}:\n${commands.map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}\n`).join('')}`;
  });
  return `Usage: lingcache <command> [arguments] [options]

${texts.join('\n')}
ADDRESS is host:port of any node of a cluster, of redis-server, Valkey or bundled nodes.
lingcache <command> --help shows the options of a command; --version the version.
Exit codes: 0 done or healthy, 1 findings or failed, 2 wrong usage or no node can be reached, 130 interrupted.
`;
}
