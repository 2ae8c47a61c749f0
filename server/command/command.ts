// COMMAND and its subcommands, and the HELP of every container: what clients learn about the commands.
// Only commands that this server can run are listed.

import { Flag, keyFlagNames, namesOf } from '../../lib/command/flags.ts';
import { keyIndexesOf } from '../../lib/command/keys.ts';
import { type CommandRow, commandOfArgv } from '../../lib/command/table.ts';
import { type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import type { CommandGroup } from '../engine/registry.ts';
import { sameWord, syntaxError } from '../keyspace/arguments.ts';
import { globMatcher } from '../keyspace/glob.ts';
import { commandDocs, commandInfo, type InfoKeySpec, type InfoRow } from './info.generated.ts';

function statuses(words: readonly string[]): Set<Reply> {
  return new Set(words.map((word) => new Status(word)));
}

function keySpecReply(spec: InfoKeySpec): Reply {
  const part = (found: { readonly type: string; readonly spec: Readonly<Record<string, number | string>> }): Reply =>
    new Map<Reply, Reply>([
      ['type', found.type],
      ['spec', new Map<Reply, Reply>(Object.entries(found.spec))],
    ]);
  const fields = new Map<Reply, Reply>();
  if (spec.notes !== undefined) fields.set('notes', spec.notes);
  fields.set('flags', statuses(spec.flags));
  fields.set('begin_search', part(spec.begin_search));
  fields.set('find_keys', part(spec.find_keys));
  return fields;
}

function infoReply(row: InfoRow): Reply {
  const [name, arity, flags, first, last, step, categories, tips, specs, subcommands] = row;
  return [
    name,
    arity,
    statuses(flags),
    first,
    last,
    step,
    statuses(categories),
    new Set<Reply>(tips),
    new Set<Reply>(specs.map(keySpecReply)),
    subcommands.length === 0 ? new Set<Reply>() : subcommands.map(infoReply),
  ];
}

function infoOf(engine: Engine, name: string): Reply {
  const lower = name.toLowerCase();
  const bar = lower.indexOf('|');
  const original = engine.registry.originalOf(bar < 0 ? lower : lower.slice(0, bar));
  const text = original === undefined ? undefined : commandInfo[original];
  if (text === undefined) return null;
  const row = JSON.parse(text) as InfoRow;
  if (bar < 0) return infoReply(row);
  const sub = row[9].find((candidate) => candidate[0] === lower);
  return sub === undefined ? null : infoReply(sub);
}

function names(engine: Engine): string[] {
  return Object.keys(commandInfo).filter((name) => engine.registry.has(name));
}

/** JSON of the docs as a reply: objects are maps, and the words of a flags list are status strings. */
function docReply(value: unknown, key = ''): Reply {
  if (Array.isArray(value)) {
    if (key === 'flags' || key === 'doc_flags') return statuses(value as string[]);
    if (key === 'history') return new Set<Reply>(value.map((item) => docReply(item)));
    return value.map((item) => docReply(item));
  }
  if (typeof value === 'object' && value !== null) {
    return new Map<Reply, Reply>(Object.entries(value).map(([name, inner]) => [name, docReply(inner, name)]));
  }
  return value as Reply;
}

function docs(engine: Engine, asked: readonly string[]): Reply {
  const found = new Map<Reply, Reply>();
  for (const name of asked.length > 0 ? asked.map((word) => word.toLowerCase()) : names(engine)) {
    const [container, sub] = name.split('|') as [string, string?];
    const text = commandDocs[container];
    if (text === undefined || !engine.registry.has(container)) continue;
    const parsed = JSON.parse(text) as { subcommands?: Record<string, unknown> };
    const value = sub === undefined ? parsed : parsed.subcommands?.[name];
    if (value !== undefined) found.set(name, docReply(value));
  }
  return found;
}

function keysOfCall(argv: readonly string[]): { row: CommandRow; at: readonly number[] } | ReplyError {
  const call = argv.slice(2);
  const row = commandOfArgv(call);
  if (row === undefined) return new ReplyError('ERR Invalid command specified');
  if (row.keySpecs.length === 0) return new ReplyError('ERR The command has no key arguments');
  if (row.arity > 0 ? call.length !== row.arity : call.length < -row.arity) {
    return new ReplyError('ERR Invalid number of arguments specified for command');
  }
  const at = keyIndexesOf(row, call, { channels: false });
  const needed = at.length === 0 && (row.flags & Flag.noMandatoryKeys) === 0;
  return needed ? new ReplyError('ERR Invalid arguments specified for command') : { row, at };
}

function keysWithFlags(argv: readonly string[]): Reply {
  const found = keysOfCall(argv);
  if (found instanceof ReplyError) return found;
  const specs = found.row.keySpecs;
  // SET's spec is that of SET with GET; without it nothing is read.
  if (found.row.name === 'set') {
    const reads = argv.slice(4).some((word) => sameWord(word, 'get'));
    return [[argv[found.at[0]! + 2]!, statuses(reads ? ['RW', 'access', 'update'] : ['OW', 'update'])]];
  }
  return found.at.map((at, index) => {
    // The table has no place for STORE, which may stand anywhere.
    if (found.row.name === 'sort' && index > 0) return [argv[at + 2]!, statuses(['OW', 'update'])];
    const spec = specs[Math.min(index, specs.length - 1)];
    return [argv[at + 2]!, statuses(namesOf(spec?.flags ?? 0, keyFlagNames))];
  });
}

/** Each command, and behind a container its subcommands, with their ACL categories. */
function namesWithin(engine: Engine): { readonly name: string; readonly categories: readonly string[] }[] {
  return names(engine).flatMap((name) => {
    const row = JSON.parse(commandInfo[name]!) as InfoRow;
    return [row, ...row[9]].map(([own, , , , , , categories]) => ({ name: own, categories }));
  });
}

function list(engine: Engine, argv: readonly string[]): Reply {
  const rows = namesWithin(engine);
  const all = rows.map(({ name }) => name);
  if (argv.length === 2) return all;
  if (argv.length !== 5 || !sameWord(argv[2], 'filterby')) syntaxError();
  const value = argv[4]!;
  if (sameWord(argv[3], 'pattern')) return all.filter(globMatcher(value, true));
  if (sameWord(argv[3], 'module')) return [];
  if (!sameWord(argv[3], 'aclcat')) syntaxError();
  const category = `@${value.toLowerCase()}`;
  return rows.filter(({ categories }) => categories.includes(category)).map(({ name }) => name);
}

function help(container: string): Reply {
  const text = commandDocs[container];
  const subs = text === undefined ? {} : ((JSON.parse(text) as { subcommands?: object }).subcommands ?? {});
  const lines = [`${container.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`];
  for (const [name, doc] of Object.entries(subs) as [string, { summary?: string }][]) {
    const sub = name.slice(container.length + 1).toUpperCase();
    if (sub !== 'HELP') lines.push(sub, `    ${doc.summary ?? ''}.`);
  }
  return [...lines, 'HELP', '    Print this help.'].map((line) => new Status(line));
}

const containers = ['client', 'command', 'config', 'object', 'pubsub', 'slowlog', 'latency', 'memory'];

export function commandCommands(engine: Engine): CommandGroup<Client> {
  const helps = Object.fromEntries(containers.map((name) => [`${name}|help`, () => help(name)]));
  return {
    ...helps,
    command: () => names(engine).map((name) => infoOf(engine, name)),
    'command|count': () => names(engine).length,
    'command|info': (_client, argv) =>
      (argv.length > 2 ? argv.slice(2) : names(engine)).map((name) => infoOf(engine, name)),
    'command|docs': (_client, argv) => docs(engine, argv.slice(2)),
    'command|list': (_client, argv) => list(engine, argv),
    'command|getkeys': (_client, argv) => {
      const found = keysOfCall(argv);
      return found instanceof ReplyError ? found : found.at.map((at) => argv[at + 2]!);
    },
    'command|getkeysandflags': (_client, argv) => keysWithFlags(argv),
  };
}
