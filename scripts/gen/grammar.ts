// The argument grammar of COMMAND DOCS, expanded into flat parameter lists: one for every choice of alternatives and
// options. TypeScript allows one spread per list; where the grammar has two, the rest becomes "any values".
import type { Argument } from './capture.ts';

export interface Parameter {
  readonly name: string;
  readonly type: string;
  readonly rest: boolean;
  /** The literal, when the parameter is a fixed word. */
  readonly literal?: string;
}

export type ParameterList = readonly Parameter[];

/** Past this many lists a command is typed by its fixed head alone. */
const mostLists = 150;

const scalarTypes: Readonly<Record<string, string>> = {
  key: 'RedisKey',
  string: 'RedisValue',
  integer: 'number | string',
  double: 'number | string',
  'unix-time': 'number | string',
  pattern: 'string | Buffer',
};

export const anyValues: Parameter = { name: 'args', type: 'RedisValue', rest: true };

function camel(name: string): string {
  const words = name.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  const joined = words.map((word, at) => (at === 0 ? word : word[0]!.toUpperCase() + word.slice(1))).join('');
  return /^[a-z]/.test(joined) && joined !== 'function' ? joined : `arg${joined}`;
}

function literal(word: string, name: string): Parameter {
  return { name: camel(name), type: `'${word}'`, rest: false, literal: word };
}

function has(argument: Argument, flag: 'optional' | 'multiple'): boolean {
  return argument.flags?.includes(flag) ?? false;
}

function product(lists: readonly ParameterList[], others: readonly ParameterList[]): ParameterList[] {
  return lists.flatMap((list) => others.map((other) => [...list, ...other]));
}

/** All lists of one argument, its presence taken for granted. */
function present(argument: Argument): ParameterList[] {
  const { type, token } = argument;
  if (type === 'pure-token') return [[literal(token ?? '', argument.name)]];
  const head: ParameterList = token === undefined ? [] : [literal(token, `${argument.name}-token`)];
  if (has(argument, 'multiple')) {
    const scalar = scalarTypes[type];
    const name = camel(argument.name);
    return [[...head, scalar === undefined ? { ...anyValues, name } : { name: `${name}s`, type: scalar, rest: true }]];
  }
  const inner = argument.arguments ?? [];
  if (type === 'oneof') return product([head], inner.flatMap(present));
  if (type === 'block') return product([head], expand(inner));
  return [[...head, { name: camel(argument.name), type: scalarTypes[type]!, rest: false }]];
}

function expand(args: readonly Argument[]): ParameterList[] {
  let lists: ParameterList[] = [[]];
  for (const argument of args) {
    const ways = has(argument, 'optional') ? [...present(argument), []] : present(argument);
    lists = product(lists, ways);
  }
  return lists;
}

/** Everything from the first of two spreads on becomes one spread of any values, but for a word at the end. */
function oneSpread(list: ParameterList): ParameterList {
  const first = list.findIndex(({ rest }) => rest);
  if (first === list.findLastIndex(({ rest }) => rest)) return list;
  const last = list.at(-1)!;
  return [...list.slice(0, first), anyValues, ...(last.literal === undefined ? [] : [last])];
}

function uniqueNames(list: ParameterList): ParameterList {
  const seen = new Map<string, number>();
  return list.map((parameter) => {
    const count = (seen.get(parameter.name) ?? 0) + 1;
    seen.set(parameter.name, count);
    return count === 1 ? parameter : { ...parameter, name: `${parameter.name}${count}` };
  });
}

export function shapeKey(list: ParameterList): string {
  return list.map(({ type, rest }) => (rest ? `...${type}` : type)).join(',');
}

/** Every parameter list a command can be called with, the fullest first, none twice. */
export function parameterLists(args: readonly Argument[]): ParameterList[] {
  let lists = expand(args);
  if (lists.length > mostLists) {
    const fixed = args.findIndex((argument) => argument.flags !== undefined || argument.arguments !== undefined);
    lists = product(expand(args.slice(0, fixed)), [[anyValues]]);
  }
  const unique = new Map<string, ParameterList>();
  for (const list of lists.map(oneSpread).map(uniqueNames)) {
    if (!unique.has(shapeKey(list))) unique.set(shapeKey(list), list);
  }
  // Loose forms last, so that the precise ones decide what a call gives.
  const loose = (list: ParameterList): number => (list.some(({ name, rest }) => rest && name === 'args') ? 1 : 0);
  return [...unique.values()].sort((a, b) => loose(a) - loose(b) || b.length - a.length);
}
