// The arguments of a command in the notation of the servers' manuals, as the grammar that COMMAND DOCS would give:
//
//   @key seconds# [NX|XX|GT|LT] FIELDS numfields# field...
//
// `@name` a key, `name` text, `name#` a whole number, `name%` a number, UPPER CASE a word as it is; `...` behind a name or a group:
// once or more; `[a|b]` none or one of them, `(a|b)` one of them.
import type { Argument } from './capture.ts';

type Flags = Argument['flags'];

const symbols = /\.\.\.|[[\]()|]|[^\s[\]()|.]+/g;

export function parseSyntax(text: string): readonly Argument[] {
  const tokens = text.match(symbols) ?? [];
  let at = 0;

  function sequence(): Argument[] {
    const list: Argument[] = [];
    while (at < tokens.length && !'])|'.includes(tokens[at]!)) list.push(item());
    return list;
  }

  function item(): Argument {
    const token = tokens[at++]!;
    if (token !== '[' && token !== '(') return withFlags(word(token), multiple());
    const ways = [sequence()];
    while (tokens[at] === '|') {
      at++;
      ways.push(sequence());
    }
    const end = tokens[at++];
    if (end !== (token === '[' ? ']' : ')')) throw new SyntaxError(`unbalanced brackets: ${text}`);
    return withFlags(oneOf(ways), [...(token === '[' ? (['optional'] as const) : []), ...multiple()]);
  }

  function multiple(): readonly 'multiple'[] {
    if (tokens[at] !== '...') return [];
    at++;
    return ['multiple'];
  }

  const list = sequence();
  if (at < tokens.length) throw new SyntaxError(`unbalanced brackets: ${text}`);
  return list;
}

function withFlags(argument: Argument, flags: NonNullable<Flags>): Argument {
  return flags.length === 0 ? argument : { ...argument, flags: [...(argument.flags ?? []), ...flags] };
}

function oneOf(ways: readonly Argument[][]): Argument {
  const blocks = ways.map((way) => (way.length === 1 ? way[0]! : block(way)));
  return blocks.length === 1 ? blocks[0]! : { name: 'choice', type: 'oneof', arguments: blocks };
}

function block(args: readonly Argument[]): Argument {
  return { name: 'data', type: 'block', arguments: args };
}

function word(token: string): Argument {
  if (/^[A-Z]/.test(token)) return { name: token.toLowerCase(), type: 'pure-token', token };
  if (token.startsWith('@')) return { name: token.slice(1), type: 'key' };
  if (token.endsWith('#')) return { name: token.slice(0, -1), type: 'integer' };
  if (token.endsWith('%')) return { name: token.slice(0, -1), type: 'double' };
  return { name: token, type: 'string' };
}
