import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  addLongDouble,
  formatLongDouble,
  longDoubleOf,
  parseLongDouble,
} from '../../../../server/keyspace/long-double.ts';
import { formatDouble, isInt64Text, parseDouble, parseInt64, parseLong } from '../../../../server/keyspace/number.ts';

describe('numbers as text', () => {
  it('a printed double reads back as itself', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        assert.ok(Object.is(Number(formatDouble(value)), value), formatDouble(value));
      }),
    );
  });

  it('prints 17 digits as C does', () => {
    const known: [number, string][] = [
      [0.1, '0.10000000000000001'],
      [1e17, '1e+17'],
      [123456789012345680, '1.2345678901234568e+17'],
      [0.0001, '0.0001'],
      [0.00001, '1.0000000000000001e-05'],
      [2 ** -25, '2.9802322387695312e-08'],
      [2 ** 50 + 0.25, '1125899906842624.2'],
      [-1.5, '-1.5'],
      [-0, '-0'],
      [Infinity, 'inf'],
      [-Infinity, '-inf'],
    ];
    for (const [value, text] of known) assert.equal(formatDouble(value), text);
  });

  it('knows 64-bit integers by their canonical text only', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        assert.equal(parseInt64(String(value)), value);
        assert.ok(isInt64Text(String(value)));
        assert.equal(parseLong(String(value)), Number(value));
      }),
    );
    for (const text of ['', '-', '+1', '01', '-0', ' 1', '1 ', '1.0', '9223372036854775808', '-9223372036854775809']) {
      assert.equal(parseInt64(text), undefined, text);
      assert.equal(isInt64Text(text), false, text);
      assert.equal(parseLong(text), undefined, text);
    }
  });

  it('refuses doubles that are none, or out of range', () => {
    for (const text of ['', ' 1', '1 ', 'nan', '1e400', '1e-400', '1e', '.', '0x', '1_0']) {
      assert.equal(parseDouble(text), undefined, text);
    }
    assert.equal(parseDouble('0x1.8p1'), 3);
    assert.equal(parseDouble('-iNf'), -Infinity);
    assert.equal(parseDouble('0e-400'), 0);
  });

  it('long doubles keep 64 bits of mantissa', () => {
    const sum = (a: string, b: string): string =>
      formatLongDouble(addLongDouble(parseLongDouble(a)!, parseLongDouble(b)!)!);
    assert.equal(sum('10.5', '0.1'), '10.6');
    assert.equal(sum('5.0e3', '200'), '5200');
    assert.equal(sum('3', '1.1'), '4.1');
    assert.equal(sum('9007199254740993', '0'), '9007199254740993');
    assert.equal(sum('-1e-20', '0'), '0');
    assert.equal(addLongDouble(parseLongDouble('1e4932')!, parseLongDouble('1e4932')!), undefined);
    for (const text of ['', 'x', '1e5000', '1e-5000', ' 1', '1'.repeat(6000)]) {
      assert.equal(parseLongDouble(text), undefined, text.slice(0, 10));
    }
    fc.assert(fc.property(fc.integer(), (value) => assert.equal(formatLongDouble(longDoubleOf(value)), String(value))));
  });
});
