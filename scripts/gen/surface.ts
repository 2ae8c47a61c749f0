// Writes lib/facade/surface.generated/: the typed methods of every command, one file a group of the documentation,
// and the interface that joins them.
import { argumentPatches, looseCommands, overrides, summaries } from '../overrides.ts';
import { type Argument, type Capture, type DocsEntry, type InfoEntry, type Newer, readNewer } from './capture.ts';
import { anyValues, type Parameter, type ParameterList, parameterLists, shapeKey } from './grammar.ts';
import { bufferTypeOf, namesWithReturns, resp3ReturnOf, returnOf } from './returns.ts';
import { parseSyntax } from './syntax.ts';
import { banner } from './table.ts';

const folder = 'lib/facade/surface.generated';
const fieldMap = 'Map<string | Buffer | number, string | Buffer | number>';

/** Commands that take their fields as one object or Map too. */
const fieldObjects: Readonly<Record<string, ParameterList>> = {
  hset: [{ name: 'key', type: 'RedisKey', rest: false }],
  hmset: [{ name: 'key', type: 'RedisKey', rest: false }],
  mset: [],
  msetnx: [],
};

interface Method {
  readonly name: string;
  readonly command: string;
  readonly summary: string;
  readonly lists: readonly ParameterList[];
}

function text({ name, type, rest }: Parameter): string {
  if (!rest) return `${name}: ${type}`;
  return `...${name}: (${type} | readonly (${type})[])[]`;
}

function signatures(method: string, list: ParameterList, result: string): string[] {
  const name = /^\w+$/.test(method) ? method : `'${method}'`;
  const back = `: Result<${result}, Context>;`;
  const parameters = list.map(text);
  if (!list.some(({ rest }) => rest))
    return [`${name}(${[...parameters, `callback?: Callback<${result}>`].join(', ')})${back}`];
  const joined = parameters.join(', ');
  return [
    `${name}(...args: [${joined}, callback: Callback<${result}>])${back}`,
    list.length === 1 ? `${name}(${joined})${back}` : `${name}(...args: [${joined}])${back}`,
  ];
}

function shaped(result: string, resp3: string | undefined): string {
  return resp3 === undefined ? result : `Shaped<${result}, ${resp3}, Context>`;
}

function printMethod({ name, command, summary, lists }: Method): string {
  const lines: string[] = [];
  const container = command.includes('|');
  for (const list of lists) {
    const words = new Set(list.flatMap((parameter) => [parameter.name, parameter.literal ?? '']));
    const result = returnOf(command, words);
    const resp3 = resp3ReturnOf(command, words);
    lines.push(...signatures(name, list, shaped(result, resp3)));
    const buffers = bufferTypeOf(result) ?? (result === 'unknown' && !container ? result : undefined);
    if (buffers === undefined) continue;
    const resp3Buffers = resp3 === undefined ? undefined : (bufferTypeOf(resp3) ?? resp3);
    lines.push(...signatures(`${name}Buffer`, list, shaped(buffers, resp3Buffers)));
  }
  return [`/** ${summary.replaceAll('*/', '* /')} */`, ...lines].map((line) => `  ${line}`).join('\n');
}

function listsOf(name: string, arity: number, args: readonly Argument[] | undefined): ParameterList[] {
  const patched = argumentPatches[name]?.(args ?? []) ?? [args];
  const unique = new Map<string, ParameterList>();
  for (const form of patched) {
    if (form === undefined) continue;
    for (const list of parameterLists(form)) if (!unique.has(shapeKey(list))) unique.set(shapeKey(list), list);
  }
  const loose = looseCommands[name];
  if (loose !== undefined) {
    const head = Array.from({ length: loose }, (_, at) => [...unique.values()][0]![at]!);
    return [[...head, anyValues]];
  }
  if (unique.size > 0) return [...unique.values()];
  // QUIT's arity lets arguments pass; it has none.
  if (name === 'quit') return [[]];
  // No grammar in the docs: the arity alone says whether there are arguments.
  const shortest = name.includes('|') ? 2 : 1;
  return Math.abs(arity) === shortest && name !== 'replconf' ? [[]] : [[], [anyValues]];
}

function withObjects(name: string, lists: ParameterList[]): ParameterList[] {
  const head = fieldObjects[name];
  if (head === undefined) return lists;
  const object: Parameter = { name: 'object', type: 'object', rest: false };
  return [[...head, object], [...head, { name: 'map', type: fieldMap, rest: false }], ...lists];
}

function subcommandWord(sub: string): Parameter {
  const literal = sub.slice(sub.indexOf('|') + 1).toUpperCase();
  return { name: 'subcommand', type: `'${literal}'`, rest: false, literal };
}

/** A command that no server of the capture has. */
interface Later {
  readonly name: string;
  readonly arity: number;
  readonly container: boolean;
  readonly summary: string;
  /** Of the documentation; undefined: none has it yet. */
  readonly group: string | undefined;
  /** Of each server that differs. */
  readonly forms: readonly (readonly Argument[])[];
}

const fromServer = ({ command, availability, forms }: Newer): Later => ({
  ...command,
  summary: `${command.summary.replace(/\.?$/, '.')} ${availability}.`,
  forms,
});

function summaryOf(name: string, availability: string): string {
  const summary = summaries[name];
  return summary === undefined ? `${availability}.` : `${summary}. ${availability}.`;
}

/** By name: what later servers have reported, and what is known of others by their documentation. */
const later: ReadonlyMap<string, Later> = new Map(
  [
    ...[...readNewer().values()].map(fromServer),
    ...overrides.flatMap(({ availability, rows }) =>
      rows.map(({ name, arity, syntax }): Later => {
        const container = rows.some((other) => other.name.startsWith(`${name}|`));
        return {
          name,
          arity,
          container,
          summary: summaryOf(name, availability),
          group: undefined,
          forms: [parseSyntax(syntax)],
        };
      }),
    ),
  ].map((entry) => [entry.name, entry]),
);

function laterMethods({ name, arity, container, summary, forms }: Later): Method[] {
  if (container) return laterSubcommands(name);
  const unique = new Map<string, ParameterList>();
  for (const form of forms)
    for (const list of listsOf(name, arity, form)) if (!unique.has(shapeKey(list))) unique.set(shapeKey(list), list);
  return [{ name, command: name, summary, lists: [...unique.values()] }];
}

function laterSubcommands(name: string): Method[] {
  return [...later.values()]
    .filter((entry) => entry.name.startsWith(`${name}|`))
    .flatMap((entry) => laterMethods(entry))
    .map((method) => ({
      ...method,
      name,
      lists: method.lists.map((list) => [subcommandWord(method.command), ...list]),
    }));
}

function methodsOf(info: InfoEntry, docs: DocsEntry): Method[] {
  const [name, arity, , , , , , , , subcommands] = info;
  if (subcommands.length === 0) {
    return [
      { name, command: name, summary: docs.summary, lists: withObjects(name, listsOf(name, arity, docs.arguments)) },
    ];
  }
  const methods: Method[] = subcommands.map(([sub, subArity]) => {
    const entry = docs.subcommands?.[sub];
    const lists = listsOf(sub, subArity, entry?.arguments).map((list) => [subcommandWord(sub), ...list]);
    return { name, command: sub, summary: entry?.summary ?? docs.summary, lists };
  });
  methods.push(...laterSubcommands(name));
  if (arity === -1) methods.push({ name, command: name, summary: docs.summary, lists: [[]] });
  return methods;
}

const title = (group: string): string =>
  group
    .split('-')
    .map((word) => word[0]!.toUpperCase() + word.slice(1))
    .join('');

function groupFile(group: string, methods: readonly Method[]): string {
  const body = methods.map(printMethod).join('\n\n');
  const used = ['Callback', 'ClientContext', 'RedisKey', 'RedisValue', 'Result', 'Shaped'].filter(
    (word) => word === 'ClientContext' || new RegExp(`\\b${word}\\b`).test(body),
  );
  return `${banner}
import type { ${used.join(', ')} } from '../types.ts';

export interface ${title(group)}Commands<Context extends ClientContext> {
${body}
}
`;
}

const callMethods = ['call', 'callBuffer']
  .map(
    (name) => `  ${name}(command: string, callback?: Callback<unknown>): Result<unknown, Context>;
  ${name}(command: string, args: RedisValue[], callback?: Callback<unknown>): Result<unknown, Context>;
  ${name}(...args: [command: string, ...args: RedisValue[], callback: Callback<unknown>]): Result<unknown, Context>;
  ${name}(...args: [command: string, ...args: RedisValue[]]): Result<unknown, Context>;`,
  )
  .join('\n');

function indexFile(groups: readonly string[]): string {
  const imports = groups.map((group) => `import type { ${title(group)}Commands } from './${group}.ts';`).join('\n');
  const bases = groups.map((group) => `    ${title(group)}Commands<Context>`).join(',\n');
  return `${banner}
import type { Callback, ClientContext, RedisValue, Result } from '../types.ts';
${imports}

/** Every command as a method. Add your own by declaration merging, under this very name and parameter. */
export interface RedisCommander<Context extends ClientContext = { type: 'default' }>
  extends
${bases} {
  /** Any command, also one this client has no method for. */
${callMethods}
}

/** Results of a batch in call order, or null when EXEC was refused because a watched key changed. */
export type ExecResult = [error: Error | null, result: unknown][] | null;

/** What \`pipeline()\` and \`multi()\` give: command methods that collect, and \`exec\` to send. */
export interface ChainableCommander<Mapping extends 'resp2' | 'resp3' = 'resp2'>
  extends RedisCommander<{ type: 'pipeline'; chain: ChainableCommander<Mapping>; mapping: Mapping }> {
  /** Commands collected so far. */
  length: number;
}
`;
}

/** exec is no command of its own kind: it sends what was collected. */
const execMethod = `  /** Sends what was collected. */
  exec(callback?: Callback<[error: Error | null, result: unknown][] | null>): Promise<[error: Error | null, result: unknown][] | null>;`;

export function surfaceFiles(capture: Capture): Map<string, string> {
  const groups = new Map<string, Method[]>();
  const names = new Set<string>();
  for (const info of capture.info) {
    const docs = capture.docs[info[0]]!;
    names.add(info[0]);
    for (const [sub] of info[9]) names.add(sub);
    if (info[0] === 'exec' || info[0] === 'multi' || info[0] === 'monitor') continue;
    groups.set(docs.group, [...(groups.get(docs.group) ?? []), ...methodsOf(info, docs)]);
  }
  for (const entry of later.values()) {
    names.add(entry.name);
    const group = entry.group ?? 'newer';
    if (!entry.name.includes('|')) groups.set(group, [...(groups.get(group) ?? []), ...laterMethods(entry)]);
  }
  const unknown = [...namesWithReturns, ...Object.keys(summaries)].filter((name) => !names.has(name));
  if (unknown.length > 0)
    throw new Error(`scripts/gen/returns.ts or overrides.ts speaks of no command: ${unknown.join(' ')}`);
  const sorted = [...groups.keys()].sort();
  const files = new Map(sorted.map((group) => [`${folder}/${group}.ts`, groupFile(group, groups.get(group)!)]));
  const transactions = `${folder}/transactions.ts`;
  files.set(transactions, files.get(transactions)!.replace(/\}\n$/, `\n${execMethod}\n}\n`));
  return files.set(`${folder}/index.ts`, indexFile(sorted));
}
