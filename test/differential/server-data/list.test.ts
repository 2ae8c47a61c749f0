import { listCommands } from '../../../server/command/list.ts';
import { listBlockingCommands } from '../../../server/command/list-blocking.ts';
import { type Dice, randomSuite, scriptSuite } from './compare.ts';

const groups = [listCommands, listBlockingCommands];

scriptSuite('list commands equal redis-server', groups, {
  'push and pop': `
    RPUSH l a b c
    LPUSH l z y
    LPUSHX none a
    RPUSHX l tail
    LRANGE l 0 -1
    LLEN l
    LLEN none
    OBJECT ENCODING l
    LPOP l
    RPOP l
    LPOP l 2
    RPOP l 0
    RPOP l 100
    EXISTS l
    LPOP l
    LPOP l 1
    LPOP l 0
    LPOP l -1
    LPOP l abc
    RPUSH l a
    LPOP l -1
    LPOP l 1 2
    RPOP l x y
  `,
  'wrong type': `
    SET s v
    LPUSH s a
    RPUSHX s a
    LPOP s
    LPOP s 2
    LPOP s 0
    LRANGE s 0 1
    LINSERT s BEFORE a b
    LINDEX s 0
    LSET s 0 a
    LREM s 0 a
    LTRIM s 0 1
    LPOS s a
    LMOVE s d LEFT RIGHT
    RPOPLPUSH s d
    LMPOP 2 none s LEFT
    RPUSH l a
    LMOVE l s LEFT RIGHT
    LMOVE none s LEFT RIGHT
    LRANGE l 0 -1
    BLPOP s 0
    BLPOP none s 0
    BLMOVE s d LEFT LEFT 0
    BLMOVE l s LEFT LEFT 0
    BRPOPLPUSH l s 0
  `,
  'access by index': `
    RPUSH l a b c d e
    LINDEX l 0
    LINDEX l -1
    LINDEX l 5
    LINDEX l -6
    LINDEX l x
    LINDEX none x
    LSET l 1 B
    LSET l -1 E
    LSET l 5 x
    LSET l -6 x
    LSET l x x
    LSET none 0 x
    LSET none x x
    LRANGE l 1 3
    LRANGE l -3 -2
    LRANGE l -100 100
    LRANGE l 3 1
    LRANGE l 9 10
    LRANGE l a 1
    LRANGE l 0 9223372036854775808
    LRANGE l 0 9223372036854775807
    LRANGE none 0 1
    LINSERT l BEFORE c x
    LINSERT l after c y
    LINSERT l AFTER nope y
    LINSERT none AFTER c y
    LINSERT l middle c y
    LRANGE l 0 -1
    LTRIM l 1 -2
    LRANGE l 0 -1
    LTRIM l 5 1
    EXISTS l
    LTRIM none 0 1
    LTRIM none a 1
  `,
  removal: `
    RPUSH l a b a c a d a
    LREM l 2 a
    LRANGE l 0 -1
    LREM l -1 a
    LRANGE l 0 -1
    LREM l 0 a
    LREM l 0 zz
    LREM l x zz
    LREM none x zz
    LREM none 1 zz
    LRANGE l 0 -1
  `,
  LPOS: `
    RPUSH l a b c 1 2 3 c c
    LPOS l c
    LPOS l c RANK 2
    LPOS l c RANK -1
    LPOS l c RANK -2
    LPOS l c RANK 0
    LPOS l c RANK 9
    LPOS l c COUNT 2
    LPOS l c COUNT 0
    LPOS l c COUNT -1
    LPOS l c COUNT x
    LPOS l c MAXLEN -1
    LPOS l c MAXLEN 3 COUNT 0
    LPOS l c MAXLEN 2
    LPOS l c RANK -1 COUNT 2 MAXLEN 2
    LPOS l c RANK x
    LPOS l c RANK -9223372036854775808
    LPOS l c RANK
    LPOS l c FOO 1
    LPOS none c
    LPOS none c COUNT 1
    LPOS none c COUNT
    lpos l c rank 2 count 2
  `,
  moves: `
    RPUSH l a b c
    LMOVE l d LEFT RIGHT
    LMOVE l d right left
    LMOVE l l LEFT RIGHT
    LMOVE l d UP LEFT
    LMOVE l d LEFT DOWN
    RPOPLPUSH l d
    EXISTS l
    RPOPLPUSH l d
    LMOVE none d LEFT LEFT
    LRANGE d 0 -1
    RPOPLPUSH d d
    LRANGE d 0 -1
    BLMOVE d e LEFT LEFT 0
    BLMOVE d e LEFT LEFT x
    BLMOVE d e LEFT LEFT -1
    BLMOVE d e MID LEFT -1
    BRPOPLPUSH d e 0.5
    BRPOPLPUSH d e nan
    BRPOPLPUSH d e inf
    BRPOPLPUSH d e 1e30
  `,
  'pops of several keys': `
    RPUSH b 1 2 3 4 5
    LMPOP 2 a b LEFT
    LMPOP 2 a b RIGHT COUNT 2
    LMPOP 2 a b RIGHT COUNT 0
    LMPOP 2 a b RIGHT COUNT -1
    LMPOP 2 a b RIGHT COUNT x
    LMPOP 2 a b RIGHT COUNT 1 COUNT 2
    LMPOP 2 a b RIGHT FOO 1
    LMPOP 2 a b RIGHT COUNT
    LMPOP 0 a LEFT
    LMPOP -1 a LEFT
    LMPOP x a LEFT
    LMPOP 3 a b LEFT
    LMPOP 2 a b MIDDLE
    BLMPOP 0 2 a b LEFT COUNT 10
    BLMPOP x 2 a b LEFT COUNT 10
    BLMPOP 0 0 a b LEFT COUNT 10
    LMPOP 2 a b RIGHT COUNT 10
    EXISTS b
    RPUSH b 1 2 3 4 5
    BLPOP a b 0
    BRPOP a b 1.5
    BLPOP b -1
    BLPOP b abc
    BLPOP b 99999999999999999999
    LRANGE b 0 -1
  `,
});

const keys = ['l1', 'l2', 'l3'];
const items = ['a', 'b', 'c', 'd', '1', '22', '-3', 'long'.repeat(20)];

function command(dice: Dice): readonly string[] {
  const key = dice.pick(keys);
  const index = (): string => dice.integer(-12, 12);
  const end = (): string => dice.pick(['LEFT', 'RIGHT']);
  switch (dice.below(16)) {
    case 0:
    case 1:
      return ['LPUSH', key, ...dice.several(items, 5)];
    case 2:
    case 3:
      return ['RPUSH', key, ...dice.several(items, 5)];
    case 4:
      return dice.below(2) === 0 ? ['LPOP', key] : ['LPOP', key, dice.integer(0, 6)];
    case 5:
      return dice.below(2) === 0 ? ['RPOP', key] : ['RPOP', key, dice.integer(0, 6)];
    case 6:
      return ['LINSERT', key, dice.pick(['BEFORE', 'AFTER']), dice.pick(items), dice.pick(items)];
    case 7:
      return ['LSET', key, index(), dice.pick(items)];
    case 8:
      return ['LREM', key, dice.integer(-3, 3), dice.pick(items)];
    case 9:
      return dice.below(4) === 0 ? ['LTRIM', key, index(), index()] : ['LINDEX', key, index()];
    case 10:
      return ['LMOVE', key, dice.pick(keys), end(), end()];
    case 11:
      return ['LPOS', key, dice.pick(items), 'RANK', dice.pick(['1', '2', '-1', '-2']), 'COUNT', dice.integer(0, 3)];
    case 12:
      return ['LMPOP', '2', key, dice.pick(keys), end(), 'COUNT', dice.integer(1, 4)];
    case 13:
      return ['RPOPLPUSH', key, dice.pick(keys)];
    case 14:
      return ['LLEN', key];
    default:
      return ['LRANGE', key, index(), index()];
  }
}

randomSuite('random list scripts', groups, 4000, command);
