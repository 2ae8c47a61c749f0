import { streamCommands } from '../../../server/command/stream.ts';
import { streamClaimCommands } from '../../../server/command/stream-claim.ts';
import { streamGroupCommands } from '../../../server/command/stream-group.ts';
import { streamInfoCommands } from '../../../server/command/stream-info.ts';
import { streamReadCommands } from '../../../server/command/stream-read.ts';
import { type Dice, randomSuite, scriptSuite } from './compare.ts';

const groups = [streamCommands, streamReadCommands, streamGroupCommands, streamClaimCommands, streamInfoCommands];
const adds = (count: number, words = ''): string =>
  Array.from({ length: count }, (_, at) => `XADD s ${words} ${at + 1}-1 field value${at}`).join('\n');

scriptSuite('stream commands equal redis-server', groups, {
  XADD: `
    XADD s 1-1 a 1
    XADD s 1-1 a 1
    XADD s 1-0 a 1
    XADD s 0-0 a 1
    XADD none 0-0 a 1
    XADD s 1-* a 1
    XADD s 1-* a 1 b 2
    XADD s 2 a 1
    XADD s 5-* a 1
    XADD new 0-* a 1
    XADD s abc a 1
    XADD s 1-2-3 a 1
    XADD s -1 a 1
    XADD s +5 a 1
    XADD s 6- a 1
    XADD s 05-9 a 1
    XADD s - a 1
    XADD s + a 1
    XADD s -* a 1
    XADD s 7-1 a
    XADD s 7-1 a 1 b
    XADD none NOMKSTREAM 1-1 a 1
    EXISTS none
    XADD s NOMKSTREAM 8-1 a 1
    XADD s MAXLEN 3 9-1 a 1
    XLEN s
    XADD s MAXLEN = 2 9-2 a 1
    XADD s MAXLEN ~ 1 9-3 a 1
    XADD s MAXLEN -1 9-4 a 1
    XADD s MAXLEN x 9-4 a 1
    XADD s MINID 9-2 9-5 a 1
    XADD s MINID ~ 9-2 9-6 a 1
    XADD s MAXLEN 1 MINID 2 9-7 a 1
    XADD s LIMIT 5 9-7 a 1
    XADD s MAXLEN 5 LIMIT 5 9-7 a 1
    XADD s MAXLEN ~ 5 LIMIT 5 9-7 a 1
    XADD s MAXLEN ~ 5 LIMIT -1 9-8 a 1
    XADD s MAXLEN ~ 5 LIMIT x 9-8 a 1
    XADD s MAXLEN 0 9-9 a 1
    XLEN s
    XLEN none
    XADD s 18446744073709551615-18446744073709551615 a 1
    XADD s * a 1
    XADD s 18446744073709551615-* a 1
    XADD s 18446744073709551616-1 a 1
    XRANGE s - +
    TYPE s
    OBJECT ENCODING s
  `,
  ranges: `
    ${adds(6)}
    XADD s 6-2 same millisecond
    XRANGE s - +
    XRANGE s 2 4
    XRANGE s (2-1 4
    XRANGE s (2 (6
    XRANGE s 6 6
    XRANGE s 6-1 6-1
    XRANGE s - + COUNT 2
    XRANGE s - + COUNT 0
    XRANGE s - + COUNT -1
    XRANGE s - + COUNT x
    XRANGE s - + COUNT
    XRANGE s - + FOO 1
    XRANGE s 5 2
    XRANGE s (- +
    XRANGE s - (+
    XRANGE s ( +
    XRANGE s x +
    XRANGE s (18446744073709551615-18446744073709551615 +
    XRANGE s - (0-0
    XREVRANGE s + -
    XREVRANGE s + - COUNT 2
    XREVRANGE s (6 (2
    XREVRANGE s 4 2
    XREVRANGE s 2 4
    XRANGE none - +
    XRANGE none - + COUNT 0
    XRANGE none x +
    XDEL s 3-1 9-9
    XDEL s x
    XDEL none x
    XDEL s 1-1 2-1
    XRANGE s - +
    XREVRANGE s + - COUNT 1
    XDEL s 4-1 5-1 6-1 6-2
    XLEN s
    EXISTS s
    XINFO STREAM s
  `,
  trimming: `
    ${adds(250)}
    XTRIM s MAXLEN ~ 220
    XTRIM s MAXLEN ~ 100
    XTRIM s MAXLEN ~ 0 LIMIT 1
    XTRIM s MINID ~ 201
    XTRIM s MAXLEN 40
    XTRIM s MINID 230
    XTRIM s MAXLEN 40 LIMIT 1
    XTRIM s LIMIT 1
    XTRIM s MAXLEN
    XTRIM s MAXLEN =
    XTRIM s MAXLEN ~
    XTRIM s FOO 1
    XTRIM none MAXLEN 1
    XRANGE s - +
    XTRIM s MAXLEN 0
    XINFO STREAM s
  `,
  'approximate trimming by bytes': `
    ${Array.from({ length: 120 }, (_, at) => `XADD s ${at * at + 1}-${(at * 7919) % 5000} ${at % 3 === 0 ? 'other' : 'field'} ${'v'.repeat((at * 37) % 300)} n ${at * 1000}`).join('\n')}
    XTRIM s MAXLEN ~ 110
    XTRIM s MAXLEN ~ 90
    XTRIM s MAXLEN ~ 50
    XTRIM s MINID ~ 5000
    XTRIM s MAXLEN ~ 3
    XLEN s
    XRANGE s - + COUNT 3
  `,
  XREAD: `
    ${adds(3)}
    XADD t 5-5 x y
    XREAD STREAMS s 0
    XREAD COUNT 1 STREAMS s t 0 0
    XREAD STREAMS s t 3-1 5-4
    XREAD STREAMS s $
    XREAD STREAMS s 9
    XREAD STREAMS none 0
    XREAD COUNT 0 STREAMS s 1-1
    XREAD COUNT -5 STREAMS s 2-1
    XREAD COUNT x STREAMS s 0
    XREAD STREAMS s t 0
    XREAD STREAMS s
    XREAD COUNT 1
    XREAD STREAMS s >
    XREAD STREAMS s x
    XREAD STREAMS s -
    XREAD GROUP g c STREAMS s 0
    XREAD NOACK STREAMS s 0
    XREAD FOO STREAMS s 0
    XREAD BLOCK 10 STREAMS s 0
    XREAD BLOCK x STREAMS s 0
    XREAD BLOCK -1 STREAMS s 0
    XREAD BLOCK 1.5 STREAMS s 0
  `,
  groups: `
    XGROUP CREATE s g $
    XGROUP CREATE s g $ MKSTREAM
    XGROUP CREATE s g 0
    XGROUP CREATE s h x
    XGROUP CREATE s h 0 ENTRIESREAD -2
    XGROUP CREATE s h 0 ENTRIESREAD x
    XGROUP CREATE s h 0 FOO
    XGROUP CREATE s h 0 ENTRIESREAD 5
    XINFO GROUPS s
    ${adds(5)}
    XREADGROUP GROUP g alice COUNT 2 STREAMS s >
    XREADGROUP GROUP g bob STREAMS s >
    XREADGROUP GROUP g bob STREAMS s >
    XREADGROUP GROUP g alice STREAMS s 0
    XREADGROUP GROUP g alice COUNT 1 STREAMS s 1-1
    XREADGROUP GROUP g carol STREAMS s 0
    XREADGROUP GROUP nope c STREAMS s >
    XREADGROUP GROUP g c STREAMS none >
    XREADGROUP STREAMS s >
    XREADGROUP GROUP g c STREAMS s $
    XREADGROUP GROUP g c STREAMS s t >
    XREADGROUP GROUP g c STREAMS s x
    XREADGROUP GROUP g STREAMS s >
    XREADGROUP FOO GROUP g c STREAMS s >
    XPENDING s g
    XPENDING s g - + 10
    XPENDING s g - + 10 alice
    XPENDING s g - + 10 nobody
    XPENDING s g - + 1
    XPENDING s g 2 4 10
    XPENDING s g (2-1 (4-1 10
    XPENDING s g - + -1
    XPENDING s g - + x
    XPENDING s g x + 1
    XPENDING s g - +
    XPENDING s g IDLE 0 - + 10
    XPENDING s g IDLE 100000 - + 10
    XPENDING s g IDLE x - + 10
    XPENDING s g IDLE 0 - +
    XPENDING s nope
    XPENDING none g - + 1
    XINFO GROUPS s
    XINFO CONSUMERS s g
    XINFO CONSUMERS s nope
    XINFO CONSUMERS none g
    XINFO GROUPS none
    XINFO STREAM none
    XINFO STREAM s
    XACK s g 1-1 9-9
    XACK s g x
    XACK s nope 1-1
    XACK none g 1-1
    XACK s nope x
    XPENDING s g
    XDEL s 3-1
    XREADGROUP GROUP g bob STREAMS s 0
    XGROUP CREATECONSUMER s g dave
    XGROUP CREATECONSUMER s g dave
    XGROUP CREATECONSUMER s nope dave
    XGROUP CREATECONSUMER none g dave
    XGROUP DELCONSUMER s g bob
    XGROUP DELCONSUMER s g bob
    XGROUP DELCONSUMER s nope bob
    XPENDING s g
    XINFO CONSUMERS s g
    XGROUP SETID s g 0
    XGROUP SETID s nope 0
    XGROUP SETID none g 0
    XGROUP SETID s g x
    XGROUP SETID s g 2 ENTRIESREAD 2
    XGROUP SETID s g 2 MKSTREAM
    XINFO GROUPS s
    XREADGROUP GROUP g erin NOACK STREAMS s >
    XPENDING s g
    XINFO GROUPS s
    XGROUP DESTROY s g
    XGROUP DESTROY s g
    XGROUP DESTROY none g
    XGROUP SETID s h $
    XINFO GROUPS s
  `,
  claims: `
    ${adds(6)}
    XGROUP CREATE s g 0
    XREADGROUP GROUP g alice COUNT 4 STREAMS s >
    XCLAIM s g bob 0 1-1
    XCLAIM s g bob 0 1-1 2-1 JUSTID
    XCLAIM s g bob 100000 3-1
    XCLAIM s g bob 0 5-1
    XCLAIM s g bob 0 5-1 FORCE
    XCLAIM s g bob 0 9-9 FORCE
    XCLAIM s g bob 0 3-1 RETRYCOUNT 7 IDLE 5000
    XCLAIM s g bob 0 3-1 TIME 1000 JUSTID
    XCLAIM s g bob 0 3-1 LASTID 6-1
    XCLAIM s g bob x 3-1
    XCLAIM s g bob -1 3-1
    XCLAIM s g bob 0 3-1 FOO
    XCLAIM s g bob 0 3-1 IDLE x
    XCLAIM s g bob 0 3-1 TIME x
    XCLAIM s g bob 0 3-1 RETRYCOUNT x
    XCLAIM s g bob 0 3-1 IDLE
    XCLAIM s nope bob 0 3-1
    XCLAIM none g bob 0 3-1
    XPENDING s g - + 10
    XDEL s 2-1
    XCLAIM s g alice 0 2-1
    XPENDING s g - + 10
    XDEL s 3-1
    XAUTOCLAIM s g carol 0 -
    XAUTOCLAIM s g carol 0 - COUNT 2
    XAUTOCLAIM s g alice 0 - COUNT 1 JUSTID
    XAUTOCLAIM s g carol 0 4 JUSTID
    XAUTOCLAIM s g carol 0 (4-1
    XAUTOCLAIM s g carol 100000 -
    XAUTOCLAIM s g carol x -
    XAUTOCLAIM s g carol 0 x
    XAUTOCLAIM s g carol 0 - COUNT 0
    XAUTOCLAIM s g carol 0 - COUNT x
    XAUTOCLAIM s g carol 0 - COUNT 9223372036854775807
    XAUTOCLAIM s g carol 0 - FOO
    XAUTOCLAIM s nope carol 0 -
    XAUTOCLAIM none g carol 0 -
    XPENDING s g - + 10
    XINFO GROUPS s
    XINFO CONSUMERS s g
  `,
  'XSETID and XINFO': `
    XSETID s 1-1
    XSETID s x
    ${adds(3)}
    XSETID s 2-1
    XSETID s 9-1
    XSETID s 9-1 ENTRIESADDED 2
    XSETID s 9-1 ENTRIESADDED -2
    XSETID s 9-1 ENTRIESADDED x
    XSETID s 9-1 ENTRIESADDED 100 MAXDELETEDID 5-1
    XSETID s 9-1 MAXDELETEDID 10-1
    XSETID s 4-1
    XSETID s 9-1 FOO
    XINFO STREAM s
    XINFO STREAM s FULL
    XINFO STREAM s FULL COUNT 1
    XINFO STREAM s FULL COUNT 0
    XINFO STREAM s FULL COUNT x
    XINFO STREAM s FULL COUNT
    XINFO STREAM s FOO
    XGROUP CREATE s g 2-1
    XINFO STREAM s FULL
    XINFO GROUPS s
    XGROUP CREATE s h 9-1
    XGROUP CREATE s i 0
    XGROUP CREATE s j 20-1
    XINFO GROUPS s
    XADD s 10-1 a b
    XREADGROUP GROUP i c COUNT 1 STREAMS s >
    XREADGROUP GROUP h c COUNT 1 STREAMS s >
    XINFO GROUPS s
  `,
  'wrong type': `
    SET x v
    XADD x 1-1 a b
    XADD x x a b
    XLEN x
    XRANGE x - +
    XDEL x 1-1
    XTRIM x MAXLEN 1
    XREAD STREAMS x 0
    XREADGROUP GROUP g c STREAMS x >
    XGROUP CREATE x g $
    XGROUP CREATE x g $ MKSTREAM
    XACK x g 1-1
    XPENDING x g
    XCLAIM x g c 0 1-1
    XAUTOCLAIM x g c 0 -
    XINFO STREAM x
    XINFO GROUPS x
    XSETID x 1-1
  `,
});

const keys = ['s1', 's2'];
const names = ['g1', 'g2'];
const consumers = ['a', 'b', 'c'];
let clock = 1;

function command(dice: Dice): readonly string[] {
  const key = dice.pick(keys);
  const group = dice.pick(names);
  const consumer = dice.pick(consumers);
  const id = (): string => `${Math.max(1, clock - dice.below(60))}-1`;
  switch (dice.below(15)) {
    case 0:
    case 1:
    case 2:
    case 3:
      clock += 1;
      return ['XADD', key, ...dice.pick([[], [], ['MAXLEN', '~', '30'], ['MAXLEN', '50']]), `${clock}-1`, 'f', 'v'];
    case 4:
      return ['XDEL', key, id()];
    case 5:
      return [
        'XREADGROUP',
        'GROUP',
        group,
        consumer,
        'COUNT',
        dice.integer(0, 4),
        'STREAMS',
        key,
        dice.pick(['>', '>', '0', id()]),
      ];
    case 6:
      return ['XACK', key, group, id(), id(), id()];
    case 7:
      return ['XPENDING', key, group, '-', '+', '20', ...dice.pick([[], [consumer]])];
    case 8:
      return ['XCLAIM', key, group, consumer, '0', id(), id(), ...dice.pick([[], ['JUSTID'], ['FORCE']])];
    case 9:
      return ['XAUTOCLAIM', key, group, consumer, '0', dice.pick(['-', id()]), 'COUNT', dice.integer(1, 5)];
    case 10:
      return dice.below(5) === 0 ? ['XGROUP', 'DELCONSUMER', key, group, consumer] : ['XINFO', 'GROUPS', key];
    case 11:
      return ['XGROUP', 'CREATE', key, group, dice.pick(['0', '$', id()]), ...dice.pick([[], ['MKSTREAM']])];
    case 12:
      return dice.below(6) === 0 ? ['XGROUP', 'DESTROY', key, group] : ['XREAD', 'COUNT', '3', 'STREAMS', key, id()];
    case 13:
      return dice.below(3) === 0
        ? ['XTRIM', key, dice.pick(['MAXLEN', 'MINID']), dice.integer(10, 60)]
        : ['XINFO', 'CONSUMERS', key, group];
    default:
      return [dice.pick(['XRANGE', 'XREVRANGE']), key, id(), id(), 'COUNT', '5'];
  }
}

randomSuite('random stream scripts', groups, 5000, command);
