// ioredis's tables of transformers, as ioredis-mock reads and fills them: `Command._transformer`.
// Owns: nothing; what is put here is set as by Command.setArgumentTransformer(). Nothing of lingcache uses it.
// Invariant: what nobody has set is what ioredis does by itself to fields given as an object, and to HGETALL's reply.

import { toArgv } from '../../command/argv.ts';
import { shapeOf } from '../../command/reply-shape.ts';
import {
  type ArgumentTransformer,
  argumentTransformerOf,
  type ReplyTransformer,
  replyTransformerOf,
  setArgumentTransformer,
  setReplyTransformer,
} from '../../command/transformers.ts';

type Table<T> = Record<string, T | undefined>;

export interface TransformerTables {
  readonly argument: Table<ArgumentTransformer>;
  readonly reply: Table<ReplyTransformer>;
}

function tableOf<T>(
  find: (name: string) => T | undefined,
  set: (name: string, transform: T | undefined) => void,
  own: Readonly<Record<string, T>>,
): Table<T> {
  return new Proxy<Table<T>>(Object.create(null) as Table<T>, {
    get: (_, name) => (typeof name === 'string' ? (find(name) ?? own[name]) : undefined),
    set: (_, name, transform: T | undefined) => {
      set(String(name), transform);
      return true;
    },
    deleteProperty: (_, name) => {
      set(String(name), undefined);
      return true;
    },
  });
}

function fieldsOf(name: string): ArgumentTransformer {
  return (args) => toArgv(name, args).slice(1);
}

const ownArguments = Object.fromEntries(['mset', 'msetnx', 'hset', 'hmset'].map((name) => [name, fieldsOf(name)]));

const toObject = shapeOf('hgetall')!;

const ownReplies: Readonly<Record<string, ReplyTransformer>> = {
  hgetall: (reply) => (Array.isArray(reply) ? toObject(reply, [], false) : reply),
};

export const transformerTables: TransformerTables = {
  argument: tableOf(argumentTransformerOf, setArgumentTransformer, ownArguments),
  reply: tableOf(replyTransformerOf, setReplyTransformer, ownReplies),
};
