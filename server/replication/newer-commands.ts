// What newer masters send that this server has no command for: Redis 8 and Valkey 9, whose commands with conditions come
// to replicas only when they took effect, and whose expired fields of hashes come as HDEL of their own.
// Pure. Invariant: what is given leaves the data as that of the master is, but for the deadlines of single fields.

import type { Words } from './stream.ts';

type Rewrite = (words: Words) => readonly Words[] | undefined;

const nothing: Rewrite = () => [];

/** `HSETEX key [FNX | FXX] [PXAT ms | KEEPTTL] FIELDS n field value ...`: the fields, which the master deletes in time. */
function hsetex(words: Words): readonly Words[] | undefined {
  const fields = listBehind(words, 'fields', 2);
  return fields && [['HSET', words[1]!, ...fields]];
}

/** `HGETDEL key FIELDS n field ...` */
function hgetdel(words: Words): readonly Words[] | undefined {
  const fields = listBehind(words, 'fields', 1);
  return fields && [['HDEL', words[1]!, ...fields]];
}

/** `MSETEX n key value ... [NX | XX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]` */
function msetex(words: Words): readonly Words[] | undefined {
  const pairs = counted(words, 1, 2);
  if (pairs === undefined) return undefined;
  const options = words.slice(2 + pairs.length).filter((word) => !/^(?:nx|xx)$/i.test(word));
  return Array.from({ length: pairs.length / 2 }, (_, at) => ['SET', pairs[2 * at]!, pairs[2 * at + 1]!, ...options]);
}

/** `SET key value [IFEQ value] ...` */
function set(words: Words): readonly Words[] | undefined {
  const at = words.findIndex((word, index) => index > 2 && word.toLowerCase() === 'ifeq');
  return at < 0 || at + 1 >= words.length ? undefined : [[...words.slice(0, at), ...words.slice(at + 2)]];
}

const rewrites: ReadonlyMap<string, Rewrite> = new Map([
  ['hsetex', hsetex],
  ['hgetdel', hgetdel],
  ['hgetex', nothing],
  ['hexpire', nothing],
  ['hpexpire', nothing],
  ['hexpireat', nothing],
  ['hpexpireat', nothing],
  ['hpersist', nothing],
  ['delifeq', ([, key]) => (key === undefined ? undefined : [['DEL', key]])],
  ['msetex', msetex],
  ['set', set],
]);

/** Commands of this server in the place of one that it refused; undefined: it is not one of the newer masters'. */
export function inOlderWords(words: Words): readonly Words[] | undefined {
  return rewrites.get(words[0]!.toLowerCase())?.(words);
}

/** The `count` times `each` words behind the count that follows `name`; undefined: there are not so many. */
function listBehind(words: Words, name: string, each: number): Words | undefined {
  const at = words.findIndex((word, index) => index > 1 && word.toLowerCase() === name);
  return at < 0 ? undefined : counted(words, at + 1, each);
}

function counted(words: Words, at: number, each: number): Words | undefined {
  const count = Number(words[at]);
  const list = words.slice(at + 1, at + 1 + count * each);
  return Number.isSafeInteger(count) && count > 0 && list.length === count * each ? list : undefined;
}
