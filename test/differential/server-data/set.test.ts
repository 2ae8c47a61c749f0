import { setCommands } from '../../../server/command/set.ts';
import { setAlgebraCommands } from '../../../server/command/set-algebra.ts';
import { type Dice, randomSuite, scriptSuite } from './compare.ts';

const groups = [setCommands, setAlgebraCommands];

scriptSuite('set commands equal redis-server', groups, {
  members: `
    SADD s a b c a
    SADD s a
    SCARD s
    SCARD none
    SISMEMBER s a
    SISMEMBER s x
    SISMEMBER none x
    SMISMEMBER s a x b
    SMISMEMBER none a b
    SMEMBERS s
    SMEMBERS none
    SREM s a x
    SREM none a
    SMOVE s t b
    SMOVE s t b
    SMOVE s s c
    SMOVE s s nope
    SMOVE none t x
    SMEMBERS t
    SMOVE s t c
    EXISTS s
    SSCAN t 0
    SSCAN t 0 MATCH b*
    SSCAN none 0
    SSCAN t x
    SSCAN t 0 COUNT 0
  `,
  'intset order and encoding': `
    SADD n 5 -3 100 7 9223372036854775807 -9223372036854775808 9007199254740993 9007199254740992
    OBJECT ENCODING n
    SSCAN n 0
    SRANDMEMBER n 100
    SADD n 01
    OBJECT ENCODING n
    SREM n 01
    OBJECT ENCODING n
    SADD m ${Array.from({ length: 512 }, (_, at) => at).join(' ')}
    OBJECT ENCODING m
    SADD m 512
    OBJECT ENCODING m
    SADD p +5 -0
    OBJECT ENCODING p
    SADD q 9223372036854775808
    OBJECT ENCODING q
    SUNIONSTORE u m n
    OBJECT ENCODING u
    SINTERSTORE i m n
    OBJECT ENCODING i
    SMEMBERS i
  `,
  algebra: `
    SADD a 1 2 3 x y
    SADD b 2 3 4 y z
    SADD c 3 y
    SINTER a b c
    SINTER a none
    SUNION a b none
    SDIFF a b
    SDIFF a none
    SDIFF none a
    SDIFF a b c
    SINTERSTORE d a b
    SMEMBERS d
    SUNIONSTORE d a b
    SCARD d
    SDIFFSTORE d a b
    SMEMBERS d
    SDIFFSTORE a a b
    SMEMBERS a
    SINTERSTORE d none a
    EXISTS d
    SET str v
    SUNIONSTORE str b c
    TYPE str
    SINTERCARD 2 b c
    SINTERCARD 2 b c LIMIT 1
    SINTERCARD 2 b c LIMIT 0
    SINTERCARD 2 b none
    SINTERCARD 0 b
    SINTERCARD x b
    SINTERCARD 3 b c
    SINTERCARD 2 b c LIMIT -1
    SINTERCARD 2 b c LIMIT x
    SINTERCARD 2 b c LIMIT
    SINTERCARD 2 b c FOO 1
    SINTERCARD 1 b c
  `,
  'wrong type': `
    SET s v
    SADD t a
    SADD s a
    SREM s a
    SMOVE s t a
    SMOVE t s a
    SMOVE t s nope
    SMOVE none s nope
    SPOP s
    SPOP s 1
    SPOP s 0
    SRANDMEMBER s
    SRANDMEMBER s 0
    SCARD s
    SISMEMBER s a
    SMISMEMBER s a
    SMEMBERS s
    SINTER none s
    SINTER t s
    SINTER none t s
    SUNION none s
    SDIFF none s
    SDIFFSTORE d t s
    SINTERCARD 2 none s
    SSCAN s 0
  `,
  'random picks where there is no choice': `
    SADD s a
    SRANDMEMBER s
    SRANDMEMBER s 5
    SRANDMEMBER s -3
    SRANDMEMBER s 0
    SRANDMEMBER s x
    SRANDMEMBER s 1 2
    SRANDMEMBER none
    SRANDMEMBER none 3
    SPOP s 0
    SPOP s -1
    SPOP s x
    SPOP s 1 2
    SPOP s
    EXISTS s
    SPOP s
    SPOP s 1
    SADD s 1 2 3
    SPOP s 3
    EXISTS s
  `,
});

const keys = ['s1', 's2', 's3'];
const members = [...Array.from({ length: 20 }, (_, at) => String(at * 37 - 200)), 'a', 'b', 'c'];

function command(dice: Dice): readonly string[] {
  const key = dice.pick(keys);
  const others = dice.several(keys, 3);
  switch (dice.below(12)) {
    case 0:
    case 1:
      return ['SADD', key, ...dice.several(dice.below(3) === 0 ? members : members.slice(0, 20), 6)];
    case 2:
      return ['SREM', key, ...dice.several(members, 6)];
    case 3:
      return ['SMOVE', key, dice.pick(keys), dice.pick(members)];
    case 4:
      return ['SINTER', ...others];
    case 5:
      return ['SUNION', ...others];
    case 6:
      return ['SDIFF', ...others];
    case 7:
      return [dice.pick(['SINTERSTORE', 'SUNIONSTORE', 'SDIFFSTORE']), key, ...others];
    case 8:
      return ['SINTERCARD', String(others.length), ...others, 'LIMIT', dice.integer(0, 3)];
    case 9:
      return dice.below(8) === 0 ? ['DEL', key] : ['SCARD', key];
    case 10:
      return ['OBJECT', 'ENCODING', key];
    default:
      return ['SMEMBERS', key];
  }
}

randomSuite('random set scripts', groups, 4000, command);
