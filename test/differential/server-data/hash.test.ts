import { hashCommands } from '../../../server/command/hash.ts';
import { type Dice, randomSuite, scriptSuite } from './compare.ts';

const groups = [hashCommands];
const long65 = 'x'.repeat(65);

scriptSuite('hash commands equal redis-server', groups, {
  'set and get': `
    HSET h a 1 b 2 c 3
    HSET h a 9 d 4
    HSET h a
    HSET h a 1 b
    HMSET h a 1 b
    HMSET h e 5
    HSETNX h e 6
    HSETNX h f 6
    HGET h a
    HGET h none
    HGET none a
    HMGET h a none b
    HMGET none a b
    HGETALL h
    HGETALL none
    HKEYS h
    HVALS h
    HKEYS none
    HLEN h
    HLEN none
    HSTRLEN h a
    HSTRLEN h none
    HSTRLEN none a
    HEXISTS h a
    HEXISTS h none
    HEXISTS none a
    OBJECT ENCODING h
    HSCAN h 0
    HSCAN h 0 COUNT 100 MATCH [a-c]
    HDEL h a none b
    HDEL h c d e f
    EXISTS h
    HDEL h a
  `,
  increments: `
    HINCRBY h n 5
    HINCRBY h n -15
    HINCRBY h n x
    HINCRBY h n 1.5
    HINCRBY h n 9223372036854775807
    HINCRBY h n 9223372036854775807
    HINCRBY h m -9223372036854775808
    HINCRBY h m -1
    HSET h t text
    HINCRBY h t 1
    HINCRBYFLOAT h t 1
    HINCRBYFLOAT h f 10.5
    HINCRBYFLOAT h f 0.1
    HINCRBYFLOAT h f -5
    HINCRBYFLOAT h f 5.0e3
    HINCRBYFLOAT h f abc
    HINCRBYFLOAT h f nan
    HINCRBYFLOAT h f inf
    HINCRBYFLOAT h f -inf
    HINCRBYFLOAT h g 3.0e-10
    HINCRBYFLOAT h g 1e20
    HINCRBYFLOAT h g 1e400
    HINCRBYFLOAT h z 0
    HINCRBYFLOAT h z -0.0
    HINCRBYFLOAT h big 1e4932
    HINCRBYFLOAT h big 1e4932
    HINCRBYFLOAT h big 1e4933
    HINCRBYFLOAT h tiny 1e-4960
    HINCRBYFLOAT h third 0.333333333333333333333
    HINCRBYFLOAT h third 1e10
    HINCRBYFLOAT h m 0.5
    HINCRBYFLOAT h sp " 1"
    HINCRBYFLOAT h sp "1 "
    HINCRBYFLOAT h sp 0x10
    HINCRBYFLOAT h sp .5
    HINCRBYFLOAT h sp 5.
    HINCRBYFLOAT h sp +5
    HGETALL h
  `,
  'wrong type and bad words': `
    SET s v
    HSET s a 1
    HGET s a
    HMGET s a
    HGETALL s
    HDEL s a
    HINCRBY s a 1
    HINCRBY s a x
    HINCRBYFLOAT s a 1
    HRANDFIELD s
    HRANDFIELD s 1
    HSCAN s 0
    HSCAN s x
    HSCAN none 0 FOO
    HSET h a 1
    HSCAN h 0 FOO
    HSCAN h 0 COUNT
    HSCAN h 0 COUNT 0
    HSCAN h 0 COUNT x
    HSCAN h 0 FOO x
    HSCAN h -1
    HSCAN h 99999999999999999999
    HSCAN h ""
    HRANDFIELD h x
    HRANDFIELD h 1 foo
    HRANDFIELD h 1 WITHVALUES 1
    HRANDFIELD h 9223372036854775807 WITHVALUES
    HRANDFIELD h -9223372036854775808
  `,
  'random fields of a hash with one': `
    HSET h a 1
    HRANDFIELD h
    HRANDFIELD h 0
    HRANDFIELD h 1
    HRANDFIELD h 10
    HRANDFIELD h -3
    HRANDFIELD h 1 WITHVALUES
    HRANDFIELD h -2 WITHVALUES
    HRANDFIELD none
    HRANDFIELD none 2
    HRANDFIELD none 2 WITHVALUES
  `,
  encodings: `
    HSET h a 1
    HSET h ${long65.slice(1)} ${long65.slice(1)}
    OBJECT ENCODING h
    HSET h b ${long65}
    OBJECT ENCODING h
    HDEL h b
    OBJECT ENCODING h
    HSETNX g ${long65} 1
    OBJECT ENCODING g
    HSET many ${Array.from({ length: 512 }, (_, at) => `f${at} ${at}`).join(' ')}
    OBJECT ENCODING many
    HSET many one more
    OBJECT ENCODING many
    HGETALL many
    HINCRBYFLOAT w f 1e100
    OBJECT ENCODING w
  `,
});

const keys = ['h1', 'h2'];
const fields = Array.from({ length: 24 }, (_, at) => `field${at}`);
const values = ['1', '-7', '3.25', 'text', '0.1', '9007199254740993', '1e3', ''];

function command(dice: Dice): readonly string[] {
  const key = dice.pick(keys);
  const field = dice.pick(fields);
  switch (dice.below(10)) {
    case 0:
    case 1:
      return ['HSET', key, ...dice.several(fields, 4).flatMap((name) => [name, dice.pick(values)])];
    case 2:
      return ['HDEL', key, ...dice.several(fields, 6)];
    case 3:
      return ['HINCRBY', key, field, dice.integer(-1000, 1000)];
    case 4:
    case 5: {
      const text = `${dice.pick(['', '-'])}${dice.below(100000)}.${dice.below(1000000)}${dice.pick(['', 'e-3', 'e7', 'e-9'])}`;
      return ['HINCRBYFLOAT', key, field, text];
    }
    case 6:
      return ['HMGET', key, ...dice.several(fields, 5)];
    case 7:
      return dice.below(10) === 0 ? ['DEL', key] : ['HSETNX', key, field, dice.pick(values)];
    case 8:
      return ['HLEN', key];
    default:
      return ['HGETALL', key];
  }
}

randomSuite('random hash scripts', groups, 4000, command);

const globWords = [
  'a',
  'b',
  'c',
  'ab',
  '*',
  '?',
  '[a-c]',
  '[^a]',
  '[',
  ']',
  '-',
  '\\',
  '^',
  '\xff',
  '[b-',
  '[\\]]',
  '[c-a]',
];

randomSuite('random glob patterns', groups, 3000, (dice) => {
  const text = dice.several(['a', 'b', 'c', '*', '[', ']', '-', '\\', '^', '\xff'], 4).join('');
  if (dice.below(4) === 0) return ['HSET', 'globs', text, '1'];
  return ['HSCAN', 'globs', '0', 'COUNT', '1000', 'MATCH', dice.several(globWords, 6).join('')];
});
