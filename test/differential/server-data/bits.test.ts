import { bitmapCommands } from '../../../server/command/bitmap.ts';
import { bitmapFieldCommands } from '../../../server/command/bitmap-field.ts';
import { hyperloglogCommands } from '../../../server/command/hyperloglog.ts';
import { type Dice, randomSuite, scriptSuite } from './compare.ts';

const groups = [bitmapCommands, bitmapFieldCommands, hyperloglogCommands];
const elements = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, at) => `element:${from + at}`).join(' ');

scriptSuite('bit and HyperLogLog commands equal redis-server', groups, {
  'single bits': `
    SETBIT b 7 1
    SETBIT b 7 0
    SETBIT b 100 1
    GET b
    GETBIT b 100
    GETBIT b 101
    GETBIT b 100000
    GETBIT none 1
    SETBIT b -1 1
    SETBIT b x 1
    SETBIT b 4294967296 1
    GETBIT b 4294967296
    SETBIT b 1 2
    SETBIT b 1 x
    GETBIT b x
    SET hash v
    BITCOUNT none
    BITPOS none 1
    BITPOS none 0
  `,
  'counting and finding': `
    SET s foobar
    BITCOUNT s
    BITCOUNT s 0 0
    BITCOUNT s 1 1
    BITCOUNT s 1 -2 BYTE
    BITCOUNT s 5 30 BIT
    BITCOUNT s -8 -1 bit
    BITCOUNT s -1 -5
    BITCOUNT s 5 2
    BITCOUNT s 100 200
    BITCOUNT s 0
    BITCOUNT s x 1
    BITCOUNT s 0 1 FOO
    BITCOUNT s 0 1 BIT 2
    SET z "\\u00ff\\u00f0\\u0000"
    BITPOS z 0
    BITPOS z 1
    BITPOS z 1 2
    BITPOS z 0 1
    BITPOS z 1 0 -1 BIT
    BITPOS z 0 3 10 BIT
    BITPOS z 1 13 23 BIT
    BITPOS z 2
    BITPOS z x
    BITPOS z 0 x
    BITPOS z 0 5 2
    BITPOS z 0 0 1 FOO
    BITPOS z 0 0 1 BIT 4
    SET o "\\u00ff\\u00ff"
    BITPOS o 0
    BITPOS o 0 0
    BITPOS o 0 0 -1
    BITPOS o 0 5
    BITPOS o 1 -1
  `,
  BITOP: `
    SET a foobar
    SET b abc
    BITOP AND d a b
    GET d
    BITOP OR d a b none
    GET d
    BITOP XOR d a b
    GET d
    BITOP NOT d a
    GET d
    BITOP NOT d a b
    BITOP FOO d a b
    BITOP AND d none
    EXISTS d
  `,
  BITFIELD: `
    BITFIELD f SET u8 0 255 GET u8 0 GET i8 0 INCRBY u8 0 10
    BITFIELD f OVERFLOW SAT INCRBY u8 0 250 INCRBY u8 0 250 OVERFLOW FAIL INCRBY u8 0 1
    BITFIELD f SET i8 #1 -5 GET i8 #1 INCRBY i8 8 -128
    BITFIELD f SET i64 16 9223372036854775807 INCRBY i64 16 1 GET u63 16
    BITFIELD f OVERFLOW SAT INCRBY i64 16 -9223372036854775808 INCRBY i64 16 -9223372036854775808
    BITFIELD f SET u4 3 -1 GET u4 3
    BITFIELD f OVERFLOW SAT SET u4 3 -1 SET i4 3 100 SET i4 3 -100 GET i4 3
    BITFIELD f OVERFLOW FAIL SET u4 3 16 SET i4 3 7
    BITFIELD f GET u64 0
    BITFIELD f GET u0 0
    BITFIELD f GET i65 0
    BITFIELD f GET x8 0
    BITFIELD f GET u8 -1
    BITFIELD f GET u8 x
    BITFIELD f GET u8
    BITFIELD f SET u8 0
    BITFIELD f SET u8 0 x
    BITFIELD f OVERFLOW FOO
    BITFIELD f FOO u8 0
    BITFIELD f
    BITFIELD_RO f GET u8 0 GET u16 1
    BITFIELD_RO f SET u8 0 1
    BITFIELD_RO none GET u8 0
    BITFIELD none GET u8 0
    EXISTS none
    BITFIELD grown OVERFLOW FAIL INCRBY u2 100 7
    GET grown
    GET f
  `,
  HyperLogLog: `
    PFADD h a b c
    PFADD h a
    PFADD h
    PFADD new
    PFADD new
    PFCOUNT h
    PFCOUNT none
    PFADD big ${elements(0, 2000)}
    PFCOUNT big
    PFADD big ${elements(1500, 5000)}
    PFCOUNT big
    PFADD other ${elements(4000, 9000)}
    PFCOUNT big other
    PFCOUNT h none other
    PFMERGE all h big other
    PFCOUNT all
    PFMERGE h
    PFCOUNT h
    PFADD odd "" "\\u0000" "\\u00ff\\u00fe" 12345678 123456789 1234567
    PFCOUNT odd
    SET s v
    PFADD s a
    PFCOUNT s
    PFMERGE s h
    PFMERGE d s
    SET s "HYLL\\u0001\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0080\\u0000"
    PFADD s a
    SET s "HYLL\\u0005\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0080\\u0000"
    PFADD s a
  `,
});

function command(dice: Dice): readonly string[] {
  const key = dice.pick(['b1', 'b2', 'b3']);
  const offset = dice.integer(0, 300);
  const index = (): string => dice.integer(-20, 40);
  const unit = dice.pick([[], ['BYTE'], ['BIT']]);
  const type = `${dice.pick(['i', 'u'])}${dice.integer(1, 63)}`;
  const value = dice.pick(['0', '1', '-1', '12345', '-99999', '9223372036854775807', '-9223372036854775808']);
  switch (dice.below(9)) {
    case 0:
      return ['SETBIT', key, offset, dice.integer(0, 1)];
    case 1:
      return ['GETBIT', key, offset];
    case 2:
      return ['BITCOUNT', key, index(), index(), ...unit];
    case 3:
      return ['BITPOS', key, dice.integer(0, 1), index(), index(), ...unit];
    case 4:
      return ['BITPOS', key, dice.integer(0, 1), ...dice.pick([[], [index()]])];
    case 5:
      return dice.below(3) === 0
        ? ['BITOP', dice.pick(['AND', 'OR', 'XOR']), key, ...dice.several(['b1', 'b2', 'b3', 'none'], 3)]
        : ['GET', key];
    case 6:
      return ['BITFIELD', key, 'GET', type, offset];
    case 7:
      return ['BITFIELD', key, 'OVERFLOW', dice.pick(['WRAP', 'SAT', 'FAIL']), 'SET', type, offset, value];
    default:
      return ['BITFIELD', key, 'OVERFLOW', dice.pick(['WRAP', 'SAT', 'FAIL']), 'INCRBY', type, offset, value];
  }
}

randomSuite('random bit scripts', groups, 4000, command);
