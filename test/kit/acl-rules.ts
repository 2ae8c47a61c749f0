// Random words of ACL rules and of calls to try them on, valid and not.

import { splitArguments } from '../../lib/wire/request-decoder.ts';
import { joinSelectors } from '../../server/acl/rule-text.ts';

/** Where the chance comes from: a world, or a fuzzer's. */
interface Luck {
  /** Uniform in [0, 1). */
  random(): number;
}

const commands =
  'get set mget del incr client client|id client|kill config config|get config|set debug select sort acl memory|doctor ping eval publish subscribe xinfo|stream object|freq nosuch config|nosuch get|a get|a|b config|get|x select|0 select|1 SELECT|0 debug|object DEBUG|A debug|b';
const categories =
  'all keyspace read write set sortedset list hash string bitmap hyperloglog geo stream pubsub admin fast slow blocking dangerous connection transaction scripting nosuch READ';
const patterns = '* a* b* key key? k[ae]y x\\* app:* ""';
const words =
  'on off nopass resetpass reset allkeys resetkeys allchannels resetchannels allcommands nocommands clearselectors sanitize-payload skip-sanitize-payload ON AllKeys wrong ~ & + - +@ -@ ( ) () % %R %W~ %RR~a %RWR~a %X~a > < # ! #ab !ab';
const hash = 'a'.repeat(64);
const calls = [
  'GET key',
  'SET key v',
  'SET key v GET',
  'SET app:1 v EX 10',
  'MGET a1 b1 key',
  'DEL a1 nothing',
  'INCR abc',
  'CLIENT ID',
  'CLIENT KILL x',
  'CONFIG GET x',
  'CONFIG SET x y',
  'CONFIG HELP',
  'CONFIG',
  'CONFIG NOSUCH',
  'NOSUCH',
  'SELECT 0',
  'SELECT 1',
  'SORT a1 BY b* GET c*',
  'SORT a1 STORE b1',
  'SORT a1 LIMIT STORE 3 STORE b1',
  'COPY a1 b1',
  'BITFIELD a1 GET u4 0',
  'BITFIELD a1 SET u4 0 1',
  'BITFIELD a1 OVERFLOW SAT GET u4 0',
  'BITOP AND b1 a1 a2',
  'PUBLISH a1 hi',
  'SPUBLISH x hi',
  'SUBSCRIBE a1 b1',
  'PSUBSCRIBE a* b*',
  'PSUBSCRIBE a1',
  'SSUBSCRIBE key',
  'UNSUBSCRIBE zz',
  'PUNSUBSCRIBE zz',
  'XREAD COUNT 1 STREAMS a1 b1 0 0',
  'XREADGROUP GROUP g c STREAMS a1 0',
  'ZUNIONSTORE b1 2 a1 a2',
  'ZUNIONSTORE b1 0 a1 a2',
  'ZUNION 2 a1 b1',
  'ZMPOP 1 a1 MIN',
  'BLMPOP 0 2 a1 b1 LEFT',
  'LMOVE a1 b1 LEFT LEFT',
  'BLPOP a1 b1 0',
  'RPOPLPUSH a1 b1',
  'GEORADIUS a1 0 0 1 m STORE b1',
  'GEORADIUS a1 0 0 1 m STOREDIST b1',
  'GEOSEARCHSTORE b1 a1 FROMLONLAT 0 0 BYRADIUS 1 m',
  'MSET a1 1 b1 2',
  'MSET a1 1 b1',
  'EXISTS key a1',
  'TYPE key',
  'OBJECT FREQ a1',
  'RENAME a1 b1',
  'PFCOUNT a1 b1',
  'PFMERGE a1 b1',
  'AUTH x',
  'HELLO',
  'QUIT',
  'RESET',
  'PING',
  'MULTI',
  'SUNIONSTORE b1 a1 a2',
  'SINTERCARD 2 a1 b1',
  'LCS a1 b1',
  'HSETNX a1 f v',
  'GETDEL a1',
  'GETEX a1',
  'SMOVE a1 b1 m',
  'XADD a1 * f v',
  'XGROUP CREATE a1 g $',
  'XINFO STREAM a1',
  'GET',
  'get a1 b1',
].map((line) => line.split(' '));

const lists = [commands, categories, patterns, words].map((text) =>
  text.split(' ').map((word) => (word === '""' ? '' : word)),
) as [string[], string[], string[], string[]];

function pick<T>(world: Luck, list: readonly T[]): T {
  return list[Math.floor(world.random() * list.length)]!;
}

/** One word of a definition; `inside` a selector none of passwords. */
function randomRule(world: Luck, inside: boolean): string {
  const [commandNames, categoryNames, patternTexts, plain] = lists;
  const sign = (): string => (world.random() < 0.6 ? '+' : '-');
  const kind = world.random();
  if (kind < 0.3) return sign() + pick(world, commandNames);
  if (kind < 0.5) return `${sign()}@${pick(world, categoryNames)}`;
  if (kind < 0.65) return pick(world, ['~', '~', '%R~', '%W~', '%RW~', '%rw~']) + pick(world, patternTexts);
  if (kind < 0.75) return `&${pick(world, patternTexts)}`;
  if (kind < 0.85 && !inside) return pick(world, ['>', '<', '>']) + pick(world, ['one', 'two', 'three']);
  if (kind < 0.87 && !inside) return pick(world, ['#', '!']) + hash;
  return pick(world, plain);
}

/** The words behind ACL SETUSER name. */
export function randomRules(world: Luck): string[] {
  const rules: string[] = [];
  for (let count = 1 + Math.floor(world.random() * 6); count > 0; count--) {
    if (world.random() < 0.8) {
      rules.push(randomRule(world, false));
      continue;
    }
    const inner = Array.from({ length: 1 + Math.floor(world.random() * 3) }, () => randomRule(world, true));
    if (world.random() < 0.5) rules.push(`(${inner.join(' ')})`);
    else rules.push(...`(${inner.join(' ')})`.split(' '));
  }
  return rules;
}

export function randomCall(world: Luck): readonly string[] {
  return pick(world, calls);
}

/**
 * Whether redis-server 7.0 takes a definition that the bundled server refuses: it dies of printing a pattern for neither
 * reading nor writing, and prints first arguments with blanks, and what ends with a parenthesis in a selector, as what
 * they are not.
 */
export function isReadOtherwise(words: readonly string[]): boolean {
  const joined = joinSelectors(words);
  const rules = Array.isArray(joined) ? joined : words;
  return rules.some((rule) => {
    if (/%~|^\+[^|]*\|.*[\s\0]|\0/s.test(rule)) return true;
    if (!rule.startsWith('(')) return false;
    const inner = splitArguments(rule.slice(1, -1)) ?? [];
    return inner.some((each) => each.endsWith(')') || /%~|^\+[^|]*\|.*[\s\0]/s.test(each));
  });
}
