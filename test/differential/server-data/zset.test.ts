import { setCommands } from '../../../server/command/set.ts';
import { zsetCommands } from '../../../server/command/zset.ts';
import { zsetAlgebraCommands } from '../../../server/command/zset-algebra.ts';
import { zsetPopCommands } from '../../../server/command/zset-pop.ts';
import { zsetRangeCommands } from '../../../server/command/zset-range.ts';
import { type Dice, randomSuite, scriptSuite } from './compare.ts';

const groups = [setCommands, zsetCommands, zsetRangeCommands, zsetPopCommands, zsetAlgebraCommands];

scriptSuite('sorted set commands equal redis-server', groups, {
  'ZADD and its words': `
    ZADD z 1 a 2 b 3 c
    ZADD z 1 a 5 b
    ZADD z CH 1 a 6 b 7 d
    ZADD z NX 9 a 9 e
    ZADD z XX 8 a 9 nope
    ZADD z GT CH 1 a 10 b
    ZADD z LT CH 1 a 10 b
    ZADD z GT 5 new
    ZADD z INCR 2.5 a
    ZADD z NX INCR 2.5 a
    ZADD z XX INCR 2.5 nope
    ZADD z GT INCR -1 a
    ZADD z LT INCR -1 a
    ZADD none XX 1 a
    ZADD none XX INCR 1 a
    ZADD z NX XX 1 a
    ZADD z NX GT 1 a
    ZADD z GT LT 1 a
    ZADD z INCR 1 a 2 b
    ZADD z 1 a 2
    ZADD z 1
    ZADD z NX 1
    ZADD z x a
    ZADD z 1 a x b
    ZADD z nan a
    ZADD z +inf p -inf m inf q Infinity r
    ZADD z INCR -inf p
    ZADD z 1e400 a
    ZADD z 0x10 hex
    ZADD z .5 half 5. five 1e3 exp
    ZADD z " 1" a
    ZADD z "" a
    ZADD z 1e-400 tiny
    ZINCRBY z 1.1 a
    ZINCRBY z x a
    ZINCRBY z 0.1 third
    ZINCRBY z 0.2 third
    ZINCRBY z nan third
    ZRANGE z 0 -1 WITHSCORES
    OBJECT ENCODING z
  `,
  'scores as text': `
    ZADD z 0.1 a 1e20 b 123456789012345680 c 1e17 d 99999999999999999 e 0.0001 f 0.00001 g -0 h 3.141592653589793 i
    ZADD z 2.9802322387695313e-8 j 1234567890123456.25 k 5e-324 l 1.7976931348623157e308 m 1e21 n -1.5e-7 o 100 p
    ZRANGE z 0 -1 WITHSCORES
    ZSCORE z a
    ZSCORE z none
    ZSCORE none a
    ZMSCORE z a none b
    ZMSCORE none a b
    ZSCAN z 0
    ZSCAN z 0 MATCH [a-c]
  `,
  'ranks and members': `
    ZADD z 1 a 1 b 1 c 2 d
    ZRANK z a
    ZRANK z d
    ZRANK z none
    ZRANK none a
    ZREVRANK z a
    ZREVRANK z none
    ZCARD z
    ZCARD none
    ZREM z a none b
    ZREM none a
    ZREM z c d
    EXISTS z
    ZADD one 1 a
    ZRANDMEMBER one
    ZRANDMEMBER one 5
    ZRANDMEMBER one -3
    ZRANDMEMBER one 1 WITHSCORES
    ZRANDMEMBER one -2 WITHSCORES
    ZRANDMEMBER one 0
    ZRANDMEMBER one x
    ZRANDMEMBER one 1 foo
    ZRANDMEMBER one 1 WITHSCORES 2
    ZRANDMEMBER one 9223372036854775807 WITHSCORES
    ZRANDMEMBER none
    ZRANDMEMBER none 1
  `,
  'ranges by rank': `
    ZADD z 1 a 2 b 3 c 4 d 5 e
    ZRANGE z 0 -1
    ZRANGE z 1 2 WITHSCORES
    ZRANGE z -2 -1
    ZRANGE z 3 1
    ZRANGE z 9 10
    ZRANGE z 0 1 REV WITHSCORES
    ZREVRANGE z 0 1
    ZREVRANGE z 0 -1 WITHSCORES
    ZREVRANGE z 0 1 REV
    ZREVRANGE z 0 1 BYSCORE
    ZRANGE z a 1
    ZRANGE z 0 1 LIMIT 0 1
    ZRANGE z 0 1 LIMIT 0 -1
    ZRANGE z 0 1 LIMIT x 1
    ZRANGE z 0 1 LIMIT 0
    ZRANGE z 0 1 FOO
    ZRANGE none 0 1
    ZRANGE none x 1
    ZREMRANGEBYRANK z 0 1
    ZREMRANGEBYRANK z -1 -1
    ZREMRANGEBYRANK z 5 9
    ZREMRANGEBYRANK z x 9
    ZREMRANGEBYRANK none 0 1
    ZRANGE z 0 -1
    ZREMRANGEBYRANK z 0 -1
    EXISTS z
  `,
  'ranges by score': `
    ZADD z 1 a 2 b 3 c 4 d 5 e -inf m +inf p
    ZRANGE z 2 4 BYSCORE
    ZRANGE z (2 (4 BYSCORE WITHSCORES
    ZRANGE z 4 2 BYSCORE REV
    ZRANGE z -inf +inf BYSCORE LIMIT 1 2
    ZRANGE z +inf -inf BYSCORE REV LIMIT 1 2 WITHSCORES
    ZRANGEBYSCORE z 2 4
    ZRANGEBYSCORE z (2 4 WITHSCORES
    ZRANGEBYSCORE z (2 (2
    ZRANGEBYSCORE z 5 2
    ZRANGEBYSCORE z -inf inf LIMIT 0 -1
    ZRANGEBYSCORE z -inf inf LIMIT 2 0
    ZRANGEBYSCORE z -inf inf LIMIT -1 5
    ZRANGEBYSCORE z -inf inf LIMIT 100 5
    ZRANGEBYSCORE z x 5
    ZRANGEBYSCORE z 1 nan
    ZRANGEBYSCORE z "" 5
    ZRANGEBYSCORE z "(" 5
    ZRANGEBYSCORE z " 1" 5
    ZRANGEBYSCORE z "1 " 5
    ZRANGEBYSCORE z 1e400 5
    ZRANGEBYSCORE z 1 2 REV
    ZREVRANGEBYSCORE z 4 2
    ZREVRANGEBYSCORE z +inf -inf WITHSCORES LIMIT 0 3
    ZREVRANGEBYSCORE none 4 2
    ZCOUNT z 2 4
    ZCOUNT z (2 4
    ZCOUNT z -inf +inf
    ZCOUNT z 4 2
    ZCOUNT z x 2
    ZCOUNT none 1 2
    ZREMRANGEBYSCORE z (1 3
    ZREMRANGEBYSCORE z 5 1
    ZREMRANGEBYSCORE z x 1
    ZRANGE z 0 -1
    ZREMRANGEBYSCORE z -inf inf
    EXISTS z
  `,
  'ranges by member': `
    ZADD z 0 a 0 b 0 c 0 d 0 aa 0 e
    ZRANGE z [a [c BYLEX
    ZRANGE z (a (c BYLEX
    ZRANGE z - + BYLEX
    ZRANGE z + - BYLEX
    ZRANGE z + - BYLEX REV LIMIT 1 2
    ZRANGE z [c - BYLEX REV
    ZRANGE z - + BYLEX WITHSCORES
    ZRANGE z a c BYLEX
    ZRANGE z ++ - BYLEX
    ZRANGEBYLEX z - [c
    ZRANGEBYLEX z - (c LIMIT 1 1
    ZRANGEBYLEX z [c [c
    ZRANGEBYLEX z (c [c
    ZRANGEBYLEX z - -
    ZRANGEBYLEX z + +
    ZRANGEBYLEX z [ (b
    ZREVRANGEBYLEX z + [c
    ZREVRANGEBYLEX z (c -
    ZRANGEBYLEX z [x [z
    ZLEXCOUNT z - +
    ZLEXCOUNT z [b (d
    ZLEXCOUNT z b d
    ZLEXCOUNT none - +
    ZREMRANGEBYLEX z [b (d
    ZREMRANGEBYLEX z d d
    ZRANGE z 0 -1
    ZREMRANGEBYLEX z - +
    EXISTS z
  `,
  ZRANGESTORE: `
    ZADD z 1 a 2 b 3 c 4 d
    ZRANGESTORE d z 0 1
    ZRANGE d 0 -1 WITHSCORES
    ZRANGESTORE d z (1 3 BYSCORE
    ZRANGE d 0 -1 WITHSCORES
    ZRANGESTORE d z 3 1 BYSCORE REV LIMIT 0 1
    ZRANGE d 0 -1 WITHSCORES
    ZRANGESTORE d z [b + BYLEX
    ZRANGESTORE d z 0 1 WITHSCORES
    ZRANGESTORE d none 0 1
    EXISTS d
    ZRANGESTORE z z 1 2
    ZRANGE z 0 -1
    SET s v
    ZRANGESTORE s z 0 0
    TYPE s
    ZRANGESTORE z none x y
  `,
  pops: `
    ZADD z 1 a 2 b 3 c 4 d 5 e
    ZPOPMIN z
    ZPOPMAX z
    ZPOPMIN z 2
    ZPOPMAX z 0
    ZPOPMAX z -1
    ZPOPMAX z x
    ZPOPMAX z 1 2
    ZPOPMIN none
    ZPOPMIN none 5
    ZPOPMAX z 100
    EXISTS z
    ZADD z 1 a 2 b 3 c 4 d 5 e 6 f
    ZMPOP 2 none z MIN
    ZMPOP 2 none z MAX COUNT 2
    ZMPOP 1 none MIN
    ZMPOP 0 z MIN
    ZMPOP x z MIN
    ZMPOP 2 z MIN
    ZMPOP 1 z MID
    ZMPOP 1 z MIN COUNT 0
    ZMPOP 1 z MIN COUNT x
    ZMPOP 1 z MIN COUNT 1 COUNT 1
    ZMPOP 1 z MIN FOO
    BZPOPMIN none z 0
    BZPOPMAX z 0.1
    BZPOPMIN z x
    BZPOPMIN z -1
    BZMPOP 0 2 none z MIN COUNT 10
    BZMPOP x 2 none z MIN COUNT 10
    EXISTS z
  `,
  'unions, intersections, differences': `
    ZADD a 1 x 2 y 3 z
    ZADD b 10 y 20 z 30 w
    SADD s x w q
    ZUNION 2 a b
    ZUNION 2 a b WITHSCORES
    ZUNION 3 a b s WITHSCORES
    ZUNION 2 a b WEIGHTS 2 0.5 WITHSCORES
    ZUNION 2 a b AGGREGATE MIN WITHSCORES
    ZUNION 2 a b AGGREGATE max WITHSCORES
    ZUNION 2 a b AGGREGATE FOO WITHSCORES
    ZUNION 2 a b WEIGHTS 1
    ZUNION 2 a b WEIGHTS 1 x
    ZUNION 2 a b WEIGHTS 1 nan
    ZUNION 0 a
    ZUNION -1 a
    ZUNION x a
    ZUNION 3 a b
    ZUNION 2 a b FOO
    ZINTER 2 a b WITHSCORES
    ZINTER 2 a none
    ZINTER 2 a s WITHSCORES
    ZINTER 2 a b WEIGHTS 3 -1 AGGREGATE SUM WITHSCORES
    ZINTER 2 a a WITHSCORES
    ZDIFF 2 a b WITHSCORES
    ZDIFF 2 a none
    ZDIFF 2 none a
    ZDIFF 2 a a
    ZDIFF 2 a b WEIGHTS 1 2
    ZDIFF 2 a s WITHSCORES
    ZUNIONSTORE d 2 a b
    ZUNIONSTORE d 2 a b WITHSCORES
    ZINTERSTORE d 2 a b
    ZRANGE d 0 -1 WITHSCORES
    ZDIFFSTORE d 2 a b
    ZRANGE d 0 -1 WITHSCORES
    ZINTERSTORE d 2 a none
    EXISTS d
    ZUNIONSTORE a 1 a WEIGHTS 2
    ZRANGE a 0 -1 WITHSCORES
    ZINTERCARD 2 a b
    ZINTERCARD 2 a b LIMIT 1
    ZINTERCARD 2 a b LIMIT -1
    ZINTERCARD 2 a b LIMIT x
    ZINTERCARD 2 a b WITHSCORES
    ZINTERCARD 0 a b
    ZADD i +inf k
    ZADD j -inf k
    ZUNION 2 i j WITHSCORES
    ZUNION 1 i WEIGHTS 0 WITHSCORES
    ZUNIONSTORE 0 0 a
  `,
  'wrong type': `
    SET s v
    ZADD s 1 a
    ZADD s x a
    ZINCRBY s 1 a
    ZREM s a
    ZCARD s
    ZSCORE s a
    ZMSCORE s a
    ZRANK s a
    ZRANGE s 0 1
    ZRANGE s x 1
    ZRANGESTORE d s 0 1
    ZRANGEBYSCORE s 0 1
    ZCOUNT s 0 1
    ZLEXCOUNT s - +
    ZREMRANGEBYRANK s 0 1
    ZPOPMIN s
    ZPOPMIN s 0
    ZMPOP 2 none s MIN
    BZPOPMIN none s 0
    ZUNION 2 none s
    ZINTER 2 none s
    ZDIFF 2 none s
    ZINTERCARD 1 s
    ZRANDMEMBER s
    ZSCAN s 0
  `,
  encodings: `
    ZADD z ${Array.from({ length: 128 }, (_, at) => `${at} m${at}`).join(' ')}
    OBJECT ENCODING z
    ZUNIONSTORE u 1 z
    OBJECT ENCODING u
    ZADD z 1 more
    OBJECT ENCODING z
    ZREM z more
    OBJECT ENCODING z
    ZUNIONSTORE u 1 z
    OBJECT ENCODING u
    ZRANGESTORE r z 0 -1
    OBJECT ENCODING r
    ZADD w 1 ${'x'.repeat(64)}
    OBJECT ENCODING w
    ZADD w 1 ${'x'.repeat(65)}
    OBJECT ENCODING w
    ZINTERSTORE v 2 w w
    OBJECT ENCODING v
  `,
});

const keys = ['z1', 'z2', 'z3'];
const members = Array.from({ length: 200 }, (_, at) => `m${at * 7}`);
const bounds = ['-inf', '+inf', '(3', '5', '-2.5', '(0', '7.25', '(-4'];
const lexBounds = ['-', '+', '[m1', '(m2', '[m35', '(m7', '[m'];

const score = (dice: Dice): string => `${dice.integer(-10, 10)}${dice.pick(['', '', '.5', '.1', '.3333'])}`;

function writeCommand(dice: Dice): readonly string[] {
  const key = dice.pick(keys);
  const member = dice.pick(members);
  switch (dice.below(10)) {
    case 0:
    case 1:
    case 2:
      return ['ZADD', key, ...dice.several(members, 12).flatMap((name) => [score(dice), name])];
    case 3:
      return ['ZADD', key, dice.pick(['NX', 'XX', 'GT', 'LT']), 'CH', score(dice), member, score(dice), 'm7'];
    case 4:
      return ['ZINCRBY', key, score(dice), member];
    case 5:
      return ['ZREM', key, ...dice.several(members, 9)];
    case 6:
      return [dice.pick(['ZPOPMIN', 'ZPOPMAX']), key, dice.integer(0, 4)];
    case 7:
      return [
        dice.pick(['ZUNIONSTORE', 'ZINTERSTORE']),
        key,
        '2',
        dice.pick(keys),
        dice.pick(keys),
        'WEIGHTS',
        score(dice),
        '1',
      ];
    case 8:
      return dice.below(3) === 0
        ? ['ZREMRANGEBYRANK', key, dice.integer(-20, 20), dice.integer(-20, 20)]
        : ['ZREMRANGEBYSCORE', key, `(${dice.integer(-9, 9)}`, dice.integer(-9, 9)];
    default:
      return dice.below(3) === 0
        ? ['ZDIFFSTORE', key, '2', dice.pick(keys), dice.pick(keys)]
        : ['ZRANGESTORE', key, dice.pick(keys), dice.pick(bounds), dice.pick(bounds), 'BYSCORE'];
  }
}

function readCommand(dice: Dice): readonly string[] {
  const key = dice.pick(keys);
  const [min, max] = [dice.pick(bounds), dice.pick(bounds)];
  const limit = ['LIMIT', dice.integer(0, 5), dice.integer(-1, 9)];
  switch (dice.below(8)) {
    case 0:
      return ['ZRANGEBYSCORE', key, min, max, 'WITHSCORES', ...limit];
    case 1:
      return ['ZREVRANGEBYSCORE', key, min, max, ...limit];
    case 2:
      // Where scores differ a range by member is unspecified: these have a key of their own.
      return dice.below(2) === 0
        ? ['ZADD', 'lex', ...dice.several(members, 5).flatMap((name) => ['0', name])]
        : ['ZRANGEBYLEX', 'lex', dice.pick(lexBounds), dice.pick(lexBounds)];
    case 3:
      return ['ZCOUNT', key, min, max];
    case 4:
      return [dice.pick(['ZRANK', 'ZREVRANK', 'ZSCORE']), key, dice.pick(members)];
    case 5:
      return ['ZRANGE', key, dice.integer(-20, 20), dice.integer(-20, 20), 'WITHSCORES', ...dice.pick([['REV'], []])];
    case 6:
      return ['OBJECT', 'ENCODING', key];
    default:
      return ['ZCARD', key];
  }
}

randomSuite('random sorted set scripts', groups, 6000, (dice) =>
  dice.below(2) === 0 ? writeCommand(dice) : readCommand(dice),
);
